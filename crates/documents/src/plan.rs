//! The plan: `stagex make --dry-run`.

use serde::{Deserialize, Serialize};

use crate::Version;

/// Everything that is selected, and all that it needs, in an order that can be built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Plan {
    /// Raised when a field changes its meaning or goes away.
    pub version: Version<1>,
    /// The packages: each stands behind all that it needs.
    pub packages: Vec<PlannedPackage>,
}

/// A package of a plan: all that its build is given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct PlannedPackage {
    /// Its full name, `<stage>-<name>`.
    pub name: String,
    /// The stage of the tree that it belongs to.
    pub stage: String,
    /// Its name in its stage.
    pub package: String,
    /// The package whose Containerfile builds it.
    pub origin: String,
    /// Its version, if it has one.
    pub version: Option<String>,
    /// The platforms that it is built for, each `os/architecture`.
    pub platforms: Vec<String>,
    /// The stage of the Containerfile that is built; null for the last.
    pub target: Option<String>,
    /// The path of the Containerfile, relative to the tree.
    pub containerfile: String,
    /// The path of the directory with its files, relative to the tree.
    pub context: String,
    /// The path of the directory with its sources, relative to the tree.
    pub fetch: String,
    /// Its build arguments, as `[name, value]`, in order.
    pub build_args: Vec<(String, String)>,
    /// The full names of what it needs.
    pub dependencies: Vec<String>,
    /// The files that it is built from, and that are not in the tree.
    pub sources: Vec<Source>,
    /// The root file systems that it is built from, once from each; none for most packages.
    #[serde(default)]
    pub seeds: Vec<Seed>,
    /// How much memory its build needs, in bytes, if that is known.
    pub memory: Option<u64>,
    /// Whether it was asked for, or is only needed.
    pub requested: bool,
    /// The names, without `.tgz`, of the archives of it that were asked for.
    pub archives: Vec<String>,
}

/// A root file system that a package is built from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Seed {
    /// Its name in `package.toml`.
    pub name: String,
    /// The key of the source that has it.
    pub source: String,
}

/// A file that a package is built from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Source {
    /// Its key in `package.toml`.
    pub key: String,
    /// The name of the file in the directory with the sources.
    pub file: String,
    /// The SHA-256 that it must have, as 64 lower-case hex digits.
    pub hash: String,
    /// Where it can be had; the first is the primary one.
    pub mirrors: Vec<String>,
    /// Its own version, where it has another than the package.
    pub version: Option<String>,
    /// The commit that it was made from, where that is recorded.
    pub git_sha: Option<String>,
}
