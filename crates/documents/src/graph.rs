//! What needs what, by which ways, how large it is and how long it takes: `stagex graph`.

use serde::{Deserialize, Serialize};

use crate::Version;

/// Packages, or stages, and which of them needs which.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Graph {
    /// Raised when a field changes its meaning or goes away.
    pub version: Version<1>,
    /// The packages: each stands behind all that it needs. Of stages, each where its first package stands.
    pub nodes: Vec<GraphNode>,
    /// Who needs whom.
    pub edges: Vec<GraphEdge>,
    /// With `--affected-by` and `--affected-by-git`: the files, and what each is an input of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub files: Option<Vec<ChangedFile>>,
}

/// A package, or a stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct GraphNode {
    /// The full name of the package, or the name of the stage.
    pub name: String,
    /// The stage.
    pub stage: String,
    /// How many packages it stands for.
    pub packages: usize,
    /// How many packages have to be built one after another until it is there, with itself; null for a stage.
    pub level: Option<usize>,
    /// Whether it was asked for; of what is affected, whether a file is an input of it.
    pub requested: bool,
    /// Whether it is highlighted.
    pub highlighted: bool,
    /// How many of its edges are left out because of `--depth`.
    pub hidden: usize,
}

/// One needs another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct GraphEdge {
    /// Who needs the other.
    pub from: String,
    /// Who is needed.
    pub to: String,
    /// How many edges between packages it stands for.
    pub packages: usize,
    /// Whether the one names the other, and does not only need it through packages that are left out.
    pub direct: bool,
}

/// A file that changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ChangedFile {
    /// Its path, relative to the tree.
    pub path: String,
    /// The full names of the packages of the tree that it is an input of.
    pub packages: Vec<String>,
}

/// By which ways one package needs another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct GraphWhy {
    /// Raised when a field changes its meaning or goes away.
    pub version: Version<1>,
    /// The full name of what needs the other.
    pub from: String,
    /// The full name of what is needed.
    pub to: String,
    /// The first of the shortest ways, each with the full names of all packages on it.
    pub shortest: Vec<Vec<String>>,
    /// How many ways are as short as those, with them: a decimal number of any length.
    pub as_short: String,
    /// How many ways there are in all: a decimal number of any length.
    pub all: String,
}

/// How large packages are with all that they need.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct GraphClosure {
    /// Raised when a field changes its meaning or goes away.
    pub version: Version<1>,
    /// The bytes of all images that are in `out/`, each blob counted once.
    pub images: u64,
    /// The bytes of all sources that are in `fetch/`, each file counted once.
    pub sources: u64,
    /// How many images are not in `out/`.
    pub missing_images: usize,
    /// How many sources are not in `fetch/`.
    pub missing_sources: usize,
    /// The packages: each stands behind all that it needs.
    pub packages: Vec<SizedPackage>,
}

/// How large a package is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct SizedPackage {
    /// The full name.
    pub name: String,
    /// The bytes of its image, if that is in `out/`.
    pub image: Option<u64>,
    /// The bytes of those of its sources that are in `fetch/`.
    pub sources: u64,
    /// How many of its sources are not there.
    pub missing_sources: usize,
}

/// The packages that no number of workers can build at the same time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct GraphCriticalPath {
    /// Raised when a field changes its meaning or goes away.
    pub version: Version<1>,
    /// How long they take.
    pub seconds: f64,
    /// How long all packages of the plan take one after another.
    pub work: f64,
    /// Of how many packages of the plan the duration is recorded.
    pub measured: usize,
    /// How many packages the plan has.
    pub all: usize,
    /// The packages, each needed by the next.
    pub packages: Vec<TimedPackage>,
}

/// How long a package takes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct TimedPackage {
    /// The full name.
    pub name: String,
    /// How long its build takes.
    pub seconds: f64,
    /// Whether that is recorded; otherwise it is the median of what is, or one second.
    pub measured: bool,
}

/// What some workers would do at which time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct GraphSimulation {
    /// Raised when a field changes its meaning or goes away.
    pub version: Version<1>,
    /// How fast each worker is: 2 takes half of the recorded durations.
    pub speeds: Vec<f64>,
    /// How long all packages take one after another, at the speed 1.
    pub work: f64,
    /// Of how many packages the duration is recorded.
    pub measured: usize,
    /// The run.
    #[serde(flatten)]
    pub run: GraphRun,
    /// The packages in the order in which they begin.
    pub packages: Vec<GraphBuild>,
}

/// What different numbers of workers would do, all of the speed 1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct GraphSimulations {
    /// Raised when a field changes its meaning or goes away.
    pub version: Version<1>,
    /// How long all packages take one after another.
    pub work: f64,
    /// Of how many packages the duration is recorded.
    pub measured: usize,
    /// How many packages there are.
    pub all: usize,
    /// The runs by their numbers of workers: each with the chain, and then without.
    pub runs: Vec<GraphRun>,
}

/// How a simulated run goes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct GraphRun {
    /// How many packages are built at the same time.
    pub workers: usize,
    /// Whether packages wait for what they need; otherwise all can begin at once.
    pub chain: bool,
    /// When the last build ends.
    pub seconds: f64,
    /// How many times as fast that is as one worker of the speed 1.
    pub speed_up: f64,
    /// The part of all workers' time in which they build, up to 1.
    pub utilisation: f64,
    /// How long the longest chain takes on the fastest worker, or without a chain the longest package: no run is shorter.
    pub longest: f64,
    /// How long the work takes when all workers build all the time: no run is shorter.
    pub shared: f64,
    /// What is sent to the server: each source once, and without a chain each image that is needed.
    pub uploaded: GraphMoved,
    /// What is received: the image of each package.
    pub downloaded: GraphMoved,
    /// The sources and images that workers get, where each worker keeps what it had or built.
    pub to_workers: GraphMoved,
}

/// Images and sources on their way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct GraphMoved {
    /// How many there are.
    pub files: usize,
    /// Of how many of them the size is not known here.
    pub unknown: usize,
    /// The bytes of the others.
    pub bytes: u64,
}

/// When a package is built, and by whom.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct GraphBuild {
    /// The full name.
    pub name: String,
    /// Which of the workers builds it, from 1.
    pub worker: usize,
    /// When it begins, in seconds.
    pub start: f64,
    /// When it ends, in seconds.
    pub end: f64,
    /// Whether its duration is recorded; otherwise it is the median of what is, or one second.
    pub measured: bool,
}
