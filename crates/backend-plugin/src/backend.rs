//! The backend: what the trait asks, told to a plugin. Knows neither messages nor processes.

use async_trait::async_trait;
use backend_api::{
    Availability, Backend, BuildRequest, BuiltImage, EngineImage, Error, Events, Operation, Step,
};
use camino::{Utf8Path, Utf8PathBuf};
use serde::de::DeserializeOwned;

use crate::command::Request;
use crate::conversation;
use crate::error::{self, Cause};
use crate::layers;
use crate::limits::Limits;
use crate::name::Name;
use crate::parse::{Built, Exported, Removed};
use crate::probe;

/// An engine, driven through a plugin.
#[derive(Debug)]
pub struct Plugin {
    name: Name,
    program: Utf8PathBuf,
    limits: Limits,
}

impl Plugin {
    /// Prepares to drive the plugin `name` by `program`, or by its executable on PATH.
    pub fn new(name: Name, program: Option<Utf8PathBuf>) -> Self {
        Self {
            program: program.unwrap_or_else(|| name.executable()),
            name,
            limits: Limits::default(),
        }
    }

    /// Sets other limits.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        program: &Utf8Path,
        request: &Request,
        steps: &[Step],
        events: &dyn Events,
    ) -> Result<T, error::Error> {
        let limits = &self.limits;
        let invocation = request.invocation(program).silence_limit(limits.silence);
        let fields = conversation::ask(program, invocation, limits, steps, events).await?;
        conversation::fields(program, fields)
    }
}

#[async_trait]
impl Backend for Plugin {
    fn id(&self) -> &str {
        self.name.as_str()
    }

    async fn probe(&self) -> Availability {
        match probe::ask(&self.program, &self.limits).await {
            Ok(ready) => Availability::Ready(ready),
            Err(error) => Availability::Unavailable(error.into()),
        }
    }

    async fn build(
        &self,
        request: &BuildRequest,
        events: &dyn Events,
    ) -> Result<BuiltImage, Error> {
        let built = async {
            let program = probe::find(&self.program)?;
            let asked = Request::build(request);
            let steps = request.stages.iter().flat_map(|stage| &stage.steps);
            let steps: Vec<Step> = steps.cloned().collect();
            let built: Built = self.ask(&program, &asked, &steps, events).await?;
            Ok(BuiltImage {
                key: request.key.clone(),
                reference: built.reference,
                also_made: built.also_made,
                steps: request.steps.clone(),
                base_layers: request.base_layers,
                work: request.work.clone(),
            })
        };
        let built: Result<_, error::Error> = built.await;
        built.map_err(|error| error.of(&self.name, Operation::Build))
    }

    async fn export(&self, image: &BuiltImage, directory: &Utf8Path) -> Result<EngineImage, Error> {
        let exported = async {
            let program = probe::find(&self.program)?;
            let asked = Request::export(image, directory);
            let exported: Exported = self.ask(&program, &asked, &image.steps, &()).await?;
            layers::check(exported.layers, image, directory)
                .map_err(|what| error::Error::new(&program, Cause::Misbehaved(what)))
        };
        let exported: Result<_, error::Error> = exported.await;
        exported.map_err(|error| error.of(&self.name, Operation::Export))
    }

    async fn remove(&self, image: BuiltImage) -> Result<(), Error> {
        let removed = async {
            let program = probe::find(&self.program)?;
            let asked = Request::remove(&image);
            let Removed {} = self.ask(&program, &asked, &image.steps, &()).await?;
            Ok(())
        };
        let removed: Result<_, error::Error> = removed.await;
        removed.map_err(|error| error.of(&self.name, Operation::Remove))
    }
}
