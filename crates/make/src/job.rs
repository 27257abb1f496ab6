//! What is to be made, from what, with what.

use std::collections::BTreeMap;
use std::sync::Arc;

use build::Space;
use oci_image::{Digest, Profile};
use package_tree::{Hermetic, Plan};
use state::Directories;

use crate::executor::Executor;
use crate::given::Given;
use crate::sources::Sources;

/// How to make packages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// How many packages are built at once; at least 1.
    pub jobs: usize,
    /// After a failure, go on with what does not need the failed package.
    pub keep_going: bool,
    /// Build what was asked for even if it is up to date, without the engine's cache.
    pub no_cache: bool,
    /// What to do where the disk seems to have too little room.
    pub space: Space,
}

/// What is to be made, from what, with what.
#[derive(Debug, Clone)]
pub struct Job {
    /// The encoding of the images.
    pub profile: &'static Profile,
    /// The tree's directories.
    pub directories: Directories,
    /// What is to be made.
    pub plan: Arc<Plan>,
    /// What builds it.
    pub executor: Arc<dyn Executor>,
    /// What brings the sources of packages that are built.
    pub sources: Arc<dyn Sources>,
    /// What is kept from builds, where they are hermetic.
    pub hermetic: Option<Arc<Hermetic>>,
    /// What stands for the dependencies of all packages, where they are not to be built; the plan has none of them
    /// then but those that are built themselves.
    pub given: Option<Arc<Given>>,
    /// The images that packages have to have, which runtimes agreed on: these packages are never built here.
    pub proven: Arc<BTreeMap<String, Digest>>,
    /// How.
    pub options: Options,
}
