//! The backend: what the trait asks, told to Buildah. Knows neither arguments nor output.

use async_trait::async_trait;
use backend_api::{
    Availability, Backend, BuildRequest, BuiltImage, EngineImage, Error, Events, LoadRequest,
    Operation,
};
use camino::{Utf8Path, Utf8PathBuf};
use findings::Findings;
use tokio::sync::OnceCell;

use crate::probe::{self, Found};

/// The runtime's name.
pub(crate) const ID: &str = "buildah";

/// Buildah, driven by command line.
#[derive(Debug)]
pub struct Buildah {
    program: Utf8PathBuf,
    findings: Findings,
    found: OnceCell<Found>,
}

impl Buildah {
    /// Prepares to drive `program`, or the `buildah` on PATH. What earlier processes found out about
    /// it is in `findings`.
    pub fn new(program: Option<Utf8PathBuf>, findings: Findings) -> Self {
        Self {
            program: program.unwrap_or_else(|| ID.into()),
            findings,
            found: OnceCell::new(),
        }
    }

    /// Returns what was found out about the program, which is found out once.
    async fn found(&self, operation: Operation) -> Result<&Found, Error> {
        let found = self
            .found
            .get_or_try_init(|| probe::find(&self.program, &self.findings));
        found.await.map_err(|error| error.of(operation))
    }
}

#[async_trait]
impl Backend for Buildah {
    fn id(&self) -> &str {
        ID
    }

    async fn probe(&self) -> Availability {
        match self
            .found
            .get_or_try_init(|| probe::find(&self.program, &self.findings))
            .await
        {
            Ok(found) => Availability::Ready(found.ready()),
            Err(error) => Availability::Unavailable(error.into()),
        }
    }

    async fn build(
        &self,
        request: &BuildRequest,
        events: &dyn Events,
    ) -> Result<BuiltImage, Error> {
        let driver = &self.found(Operation::Build).await?.driver;
        let built = driver.build(request, events).await;
        built.map_err(|error| error.of(ID, Operation::Build))
    }

    async fn export(&self, image: &BuiltImage, folder: &Utf8Path) -> Result<EngineImage, Error> {
        let driver = &self.found(Operation::Export).await?.driver;
        let exported = driver.export(image, folder).await;
        exported.map_err(|error| error.of(ID, Operation::Export))
    }

    async fn remove(&self, image: BuiltImage) -> Result<(), Error> {
        let driver = &self.found(Operation::Remove).await?.driver;
        let removed = driver.remove(&image.work).await;
        removed.map_err(|error| error.of(ID, Operation::Remove))
    }

    fn can_load(&self) -> bool {
        true
    }

    async fn load(&self, request: &LoadRequest) -> Result<(), Error> {
        let driver = &self.found(Operation::Load).await?.driver;
        let loaded = driver.load(request).await;
        loaded.map_err(|error| error.of(ID, Operation::Load))
    }
}
