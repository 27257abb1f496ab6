//! The file systems of stages, as far as each has come: whoever takes something from another stage waits for it
//! here.
//!
//! It does not know how a stage is built.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Condvar, Mutex, PoisonError};

use containerfile::StageId;
use snapshot::{Digest, Place, Stack, Tree};

use crate::worker::failure::Result;
use crate::worker::kept::digests;
use crate::worker::threads::lock;

/// The file system of a stage, as far as it has come.
#[derive(Debug, Clone)]
pub(crate) struct StageFiles {
    pub(crate) stack: Stack,
    /// What tells it from any other; nothing where no step on it can be kept.
    pub(crate) digest: Option<Digest>,
}

impl StageFiles {
    /// Puts the changes of a step on it, which are in directories that are stacked, from the lowest to the
    /// highest.
    pub(crate) fn put(&mut self, files: Vec<PathBuf>, digest: Option<Digest>) -> Result<()> {
        self.digest = match (self.digest, digest) {
            (Some(below), Some(digest)) => Some(digests::of_stack(below, digest)),
            _ => None,
        };
        for files in files {
            let is_empty = Tree::open(&files)?.names(&Place::root())?.is_empty();
            self.stack.grow(files, is_empty);
        }
        Ok(())
    }
}

/// The stages that are built.
#[derive(Debug, Default)]
pub(crate) struct Stages {
    built: Mutex<BTreeMap<StageId, StageFiles>>,
    /// Notified when another one is built.
    more: Condvar,
}

impl Stages {
    /// Makes a stage known to those that wait for it.
    pub(crate) fn add(&self, id: StageId, files: StageFiles) {
        lock(&self.built).insert(id, files);
        self.more.notify_all();
    }

    /// Returns the file system of a stage, when it is built. If it is never built, neither is the one
    /// that waits: the build has failed, and the process ends.
    pub(crate) fn wait_for(&self, id: StageId) -> StageFiles {
        let mut stages = lock(&self.built);
        loop {
            if let Some(files) = stages.get(&id) {
                return files.clone();
            }
            let waited = self.more.wait(stages);
            stages = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }
}
