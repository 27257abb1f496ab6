//! A file system that is mounted, as long as it is used.

use std::path::{Path, PathBuf};

use rustix::mount::UnmountFlags;

/// What is mounted, until it is dropped.
#[derive(Debug)]
pub struct Mounted {
    at: PathBuf,
}

impl Mounted {
    /// Takes charge of what is mounted at `at`.
    pub fn at(at: PathBuf) -> Self {
        Self { at }
    }

    /// Returns where it is mounted.
    pub fn path(&self) -> &Path {
        &self.at
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // With all that is mounted in it. Nothing can be done about a failure: the mount goes with
        // the namespace that it is in.
        let _ = rustix::mount::unmount(&self.at, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW);
    }
}
