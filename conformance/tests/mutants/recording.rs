//! What an engine handed over, kept; and a backend that hands it over again.
//!
//! Knows the trait of backends, and neither engines nor images. A recorded package is known by
//! its name, with which the key of each of its builds begins.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use backend_api::{
    Availability, Backend, BuildKey, BuildRequest, BuiltImage, EngineImage, EngineLayer, Error,
    ErrorKind, Events, Operation, Ready, StepId, StepKind,
};
use camino::Utf8Path;

use crate::member::{self, Member};

/// What an engine made of each package; of one that it could not build, what it said.
pub(crate) type Recording = BTreeMap<String, Result<Vec<RecordedLayer>, String>>;

/// A layer as an engine made it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct RecordedLayer {
    pub(crate) step: StepId,
    pub(crate) kind: StepKind,
    pub(crate) members: Vec<Member>,
}

/// Hands everything on to a backend, and keeps what it made.
#[derive(Debug)]
pub(crate) struct Recorder {
    inner: Arc<dyn Backend>,
    recording: Mutex<Recording>,
}

impl fmt::Debug for RecordedLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} with {} members", self.step, self.members.len())
    }
}

impl Recorder {
    pub(crate) fn new(inner: Arc<dyn Backend>) -> Self {
        Self {
            inner,
            recording: Mutex::default(),
        }
    }

    /// Returns what was kept so far.
    pub(crate) fn recording(&self) -> Recording {
        let recording = self.recording.lock();
        recording.unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn keep(&self, key: &BuildKey, made: Result<Vec<RecordedLayer>, String>) {
        let recording = self.recording.lock();
        let mut recording = recording.unwrap_or_else(PoisonError::into_inner);
        recording.insert(package(key), made);
    }
}

#[async_trait]
impl Backend for Recorder {
    fn id(&self) -> &str {
        self.inner.id()
    }

    async fn probe(&self) -> Availability {
        self.inner.probe().await
    }

    async fn build(
        &self,
        request: &BuildRequest,
        events: &dyn Events,
    ) -> Result<BuiltImage, Error> {
        let built = self.inner.build(request, events).await;
        if let Err(error) = &built {
            // What a listed difference is known by may be in what the engine printed.
            let output = error.output().unwrap_or_default();
            self.keep(&request.key, Err(format!("{error}\n{output}")));
        }
        built
    }

    async fn export(&self, image: &BuiltImage, directory: &Utf8Path) -> Result<EngineImage, Error> {
        let exported = self.inner.export(image, directory).await?;
        let layers = exported.layers.iter().map(|layer| {
            let step = image.steps.iter().find(|step| step.id == layer.step);
            RecordedLayer {
                step: layer.step,
                kind: step.expect("a layer is of a step").kind,
                members: member::read(&fs::read(&layer.tar).expect("an exported layer is there")),
            }
        });
        self.keep(&image.key, Ok(layers.collect()));
        Ok(exported)
    }

    async fn remove(&self, image: BuiltImage) -> Result<(), Error> {
        self.inner.remove(image).await
    }
}

/// Builds nothing, and hands over what was recorded.
#[derive(Debug)]
pub(crate) struct Replayer {
    id: String,
    ready: Ready,
    recording: Recording,
}

impl Replayer {
    /// Makes a backend that says of itself what the recorded one said.
    pub(crate) fn new(id: &str, ready: Ready, recording: Recording) -> Self {
        Self {
            id: id.to_owned(),
            ready,
            recording,
        }
    }

    fn layers(&self, key: &BuildKey) -> Result<&[RecordedLayer], Error> {
        let fails = |message: &str| {
            let kind = ErrorKind::BuildFailed;
            Error::new(self.id.clone(), Operation::Build, kind, message)
        };
        match self.recording.get(&package(key)) {
            Some(Ok(layers)) => Ok(layers),
            Some(Err(message)) => Err(fails(message)),
            None => Err(fails("was not recorded")),
        }
    }
}

#[async_trait]
impl Backend for Replayer {
    fn id(&self) -> &str {
        &self.id
    }

    async fn probe(&self) -> Availability {
        Availability::Ready(self.ready.clone())
    }

    async fn build(&self, request: &BuildRequest, _: &dyn Events) -> Result<BuiltImage, Error> {
        self.layers(&request.key)?;
        Ok(BuiltImage {
            key: request.key.clone(),
            reference: String::new(),
            also_made: Vec::new(),
            steps: request.steps.clone(),
            base_layers: request.base_layers,
            work: request.work.clone(),
        })
    }

    async fn export(&self, image: &BuiltImage, directory: &Utf8Path) -> Result<EngineImage, Error> {
        let mut layers = Vec::new();
        for (place, layer) in self.layers(&image.key)?.iter().enumerate() {
            let mut bytes = Vec::new();
            member::write(&layer.members, &mut bytes, |_| {}).expect("a vector takes every byte");
            let tar = directory.join(format!("{place}.tar"));
            fs::write(&tar, bytes).expect("the directory of layers takes them");
            layers.push(EngineLayer {
                step: layer.step,
                tar,
            });
        }
        Ok(EngineImage { layers })
    }

    async fn remove(&self, _: BuiltImage) -> Result<(), Error> {
        Ok(())
    }
}

/// Returns the package that a build is of: its key is the package's name, a dash, and letters
/// that make it unique.
fn package(key: &BuildKey) -> String {
    let name = key.as_str().rsplit_once('-');
    name.expect("a key has a name and a rest").0.to_owned()
}
