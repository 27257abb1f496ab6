//! What images are built with: an engine, and what it may use.
//!
//! It does not know what is built.

use std::sync::Arc;

use backend_api::{Backend, Cache, Network, Ready};
use state::{Directories, Purpose};

use crate::error::Error;
use crate::lowering::Chosen;

/// What images are built with.
#[derive(Debug, Clone)]
pub struct Engine {
    /// What drives it.
    pub backend: Arc<dyn Backend>,
    /// What the backend said of itself.
    pub ready: Ready,
    /// Whether it may reuse the results of earlier builds.
    pub cache: Cache,
    /// The network of RUNs.
    pub network: Network,
}

impl Engine {
    /// Puts together what images are built with in `directories`. With `no_cache`, nothing that earlier builds
    /// have left is used.
    ///
    /// # Errors
    ///
    /// What the runtime has kept cannot be opened.
    pub fn new(
        backend: Arc<dyn Backend>,
        ready: Ready,
        directories: &Directories,
        no_cache: bool,
        network: Network,
    ) -> Result<Self, Error> {
        let runtime = backend.id();
        let cache = if no_cache {
            Cache::Refuse
        } else {
            Cache::Use {
                directory: directories.find_kept(runtime)?,
                seal: Some(directories.proof().key(Purpose::Kept, runtime).into()),
            }
        };
        Ok(Self {
            backend,
            ready,
            cache,
            network,
        })
    }

    /// Returns what builds are asked of.
    pub(crate) fn chosen(&self) -> Chosen<'_> {
        Chosen {
            runtime: self.runtime(),
            capabilities: &self.ready.capabilities,
            network: self.network,
        }
    }

    /// Returns the name of the runtime.
    pub fn runtime(&self) -> &str {
        self.backend.id()
    }
}
