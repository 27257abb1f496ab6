//! Where the sources of packages come from: the seam between a plan and whatever brings files into the
//! tree's `fetch/`.
//!
//! `make` knows which packages need theirs, and when; it does not know what a download is.

use std::fmt;

use async_trait::async_trait;
use build::{Error, missing_sources};
use camino::Utf8PathBuf;
use package_tree::PlannedPackage;

/// Brings the sources of packages into the tree's `fetch/`.
#[async_trait]
pub trait Sources: fmt::Debug + Send + Sync {
    /// Refuses packages whose sources it cannot bring, as far as that is known before anything begins.
    ///
    /// # Errors
    ///
    /// All that is missing of all of these packages, in one.
    fn require(&self, packages: &[&PlannedPackage]) -> Result<(), Error>;

    /// Brings the sources of one package. Several packages are asked for at once, in the order in which
    /// builds need them; how many are brought at the same time is its own matter.
    ///
    /// When the work is interrupted, or stops after a failure, the future is dropped: nothing wrong is in
    /// `fetch/` then.
    ///
    /// # Errors
    ///
    /// Why they are not there.
    async fn bring(&self, package: &PlannedPackage) -> Result<(), Error>;
}

/// The sources that are in `fetch/` already, and no others.
#[derive(Debug)]
pub struct Present {
    root: Utf8PathBuf,
}

impl Present {
    /// Takes those of the tree in `root`.
    pub fn new(root: Utf8PathBuf) -> Self {
        Self { root }
    }
}

#[async_trait]
impl Sources for Present {
    fn require(&self, packages: &[&PlannedPackage]) -> Result<(), Error> {
        let missing = missing_sources(&self.root, packages.iter().copied());
        if missing.is_empty() {
            Ok(())
        } else {
            Err(Error::MissingSources(missing))
        }
    }

    /// They are there: whatever takes them into a context reads and hashes them.
    async fn bring(&self, _package: &PlannedPackage) -> Result<(), Error> {
        Ok(())
    }
}
