//! Where packages are built: the seam between a plan and whatever builds one image of it.
//!
//! `make` decides what is built and when; an executor builds one image, here or elsewhere.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use backend_api::{Backend, Network, Ready};
use build::{
    Builder, Chosen, Engine, Listener, Log, Order, Recipe, Refusal, Session, check_platforms,
};
use oci_image::Digest;
use state::{Access, Directories};
use tokio::sync::watch;

/// The runtime that a record names whose image a server has built: nobody here has seen how.
pub const REMOTE: &str = "remote";

/// Builds images for [`make`](crate::make()).
#[async_trait]
pub trait Executor: fmt::Debug + Send + Sync {
    /// Returns the name of the runtime, for records, events and reports.
    fn runtime(&self) -> &str;

    /// Tells whether builds take the memory of this machine.
    fn takes_memory_here(&self) -> bool {
        true
    }

    /// Refuses platforms that it cannot build for, before anything begins.
    ///
    /// # Errors
    ///
    /// [`build::Error::Platform`].
    fn check_platforms(&self, platforms: &[String]) -> Result<(), build::Error>;

    /// Returns what of a recipe it cannot carry out, as far as its files say that: nothing that it is built from need be
    /// there.
    fn refusals(&self, recipe: &Recipe) -> Vec<Refusal>;

    /// Prepares for builds in a tree, which nobody else builds in until [`close`](Self::close), and
    /// removes what builds that were killed have left.
    ///
    /// # Errors
    ///
    /// What the operating system or the engine refuses.
    async fn open(
        &self,
        directories: &Directories,
        listener: &Arc<dyn Listener>,
    ) -> Result<Session, build::Error>;

    /// Builds one image.
    ///
    /// # Behavior
    ///
    /// - The image is at the order's destination, whole, or nothing has changed there.
    /// - The order's `keep` is called once, with the image, as soon as it is there.
    /// - When `interrupted` becomes true, the build is ended and what it stored is removed.
    ///
    /// # Errors
    ///
    /// Why there is no image.
    async fn execute(
        &self,
        order: Order,
        log: &Arc<Log>,
        interrupted: &mut watch::Receiver<bool>,
    ) -> Result<Digest, build::Error>;

    /// Ends what [`open`](Self::open) began.
    ///
    /// # Errors
    ///
    /// What the engine does not let go.
    async fn close(&self, session: Session) -> Result<(), build::Error>;
}

/// Builds on this machine, with one engine.
#[derive(Debug)]
pub struct Local {
    backend: Arc<dyn Backend>,
    ready: Ready,
    /// Nothing that earlier builds have left is used.
    no_cache: bool,
    network: Network,
    /// Made when the tree is open: what proves what is kept there is known only then.
    builder: Mutex<Option<Arc<Builder>>>,
}

impl Local {
    /// Builds with an engine that is ready. With `no_cache`, nothing that earlier builds have left is used.
    pub fn new(backend: Arc<dyn Backend>, ready: Ready, no_cache: bool, network: Network) -> Self {
        Self {
            backend,
            ready,
            no_cache,
            network,
            builder: Mutex::default(),
        }
    }
}

#[async_trait]
impl Executor for Local {
    fn runtime(&self) -> &str {
        self.backend.id()
    }

    fn check_platforms(&self, platforms: &[String]) -> Result<(), build::Error> {
        check_platforms(&self.ready, platforms)
    }

    fn refusals(&self, recipe: &Recipe) -> Vec<Refusal> {
        let chosen = Chosen {
            runtime: self.runtime(),
            capabilities: &self.ready.capabilities,
            network: self.network,
        };
        build::refusals(&chosen, recipe)
    }

    async fn open(
        &self,
        directories: &Directories,
        listener: &Arc<dyn Listener>,
    ) -> Result<Session, build::Error> {
        let backend = self.backend.as_ref();
        let session = Session::open(directories, Access::Alone, backend, listener).await?;
        let (backend, ready) = (Arc::clone(&self.backend), self.ready.clone());
        let engine = Engine::new(backend, ready, directories, self.no_cache, self.network)?;
        *self.builder.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(Builder {
            directories: directories.clone(),
            engine,
        }));
        Ok(session)
    }

    async fn execute(
        &self,
        order: Order,
        log: &Arc<Log>,
        interrupted: &mut watch::Receiver<bool>,
    ) -> Result<Digest, build::Error> {
        let builder = {
            let opened = self.builder.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(opened.as_ref().expect("the tree was opened before"))
        };
        builder.build(order, log, interrupted).await
    }

    async fn close(&self, session: Session) -> Result<(), build::Error> {
        session.close(self.backend.as_ref()).await
    }
}
