//! The backend of an engine that has the builder: what the trait asks, told to the builder here or elsewhere.

use std::marker::PhantomData;

use async_trait::async_trait;
use backend_api::{
    Availability, Backend, BuildRequest, BuiltImage, EngineImage, Error, Events, LoadRequest,
    Loaded, Operation,
};
use camino::{Utf8Path, Utf8PathBuf};
use probe_cache::ProbeCache;
use tokio::sync::OnceCell;

use crate::engine::Engine;
use crate::probe::{self, Builder, UsableEngine};

/// An engine, driven by command line.
#[derive(Debug)]
pub struct EngineBackend<E> {
    program: Utf8PathBuf,
    probe_cache: ProbeCache,
    found: OnceCell<UsableEngine>,
    engine: PhantomData<E>,
}

impl<E: Engine> EngineBackend<E> {
    /// Prepares to drive `program`, or the engine's on PATH. What earlier processes found out about it is
    /// in `probe_cache`.
    pub fn new(program: Option<Utf8PathBuf>, probe_cache: ProbeCache) -> Self {
        Self {
            program: program.unwrap_or_else(|| E::ID.into()),
            probe_cache,
            found: OnceCell::new(),
            engine: PhantomData,
        }
    }

    /// Returns what was found out about the program, which is found out once.
    async fn found(&self, operation: Operation) -> Result<&UsableEngine, Error> {
        let found = self
            .found
            .get_or_try_init(|| probe::find::<E>(&self.program, &self.probe_cache));
        found.await.map_err(|error| error.of::<E>(operation))
    }
}

#[async_trait]
impl<E: Engine> Backend for EngineBackend<E> {
    fn id(&self) -> &str {
        E::ID
    }

    async fn probe(&self) -> Availability {
        match self
            .found
            .get_or_try_init(|| probe::find::<E>(&self.program, &self.probe_cache))
            .await
        {
            Ok(found) => Availability::Ready(found.ready(E::FEATURES)),
            Err(error) => Availability::Unavailable(error.unavailable::<E>()),
        }
    }

    async fn build(
        &self,
        request: &BuildRequest,
        events: &dyn Events,
    ) -> Result<BuiltImage, Error> {
        let built = match &self.found(Operation::Build).await?.builder {
            Builder::Here(driver) => driver.build(request, events).await,
            Builder::There(remote) => remote.build(request, events).await,
        };
        built.map_err(|error| error.of(E::ID, Operation::Build))
    }

    async fn export(&self, image: &BuiltImage, directory: &Utf8Path) -> Result<EngineImage, Error> {
        let exported = match &self.found(Operation::Export).await?.builder {
            Builder::Here(driver) => driver.export(image, directory).await,
            Builder::There(remote) => remote.export(image, directory).await,
        };
        exported.map_err(|error| error.of(E::ID, Operation::Export))
    }

    async fn remove(&self, image: BuiltImage) -> Result<(), Error> {
        let removed = match &self.found(Operation::Remove).await?.builder {
            Builder::Here(driver) => driver.remove(&image.work).await,
            Builder::There(remote) => remote.remove(image).await,
        };
        removed.map_err(|error| error.of(E::ID, Operation::Remove))
    }

    fn can_load(&self) -> bool {
        true
    }

    async fn load(&self, request: &LoadRequest) -> Result<Loaded, Error> {
        let loaded = match &self.found(Operation::Load).await?.builder {
            Builder::Here(driver) => driver.load(request).await,
            Builder::There(remote) => remote.load(request).await,
        };
        loaded.map_err(|error| error.of(E::ID, Operation::Load))
    }
}
