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
    ErrorKind, Event, Events, Operation, Ready, StepId, StepKind,
};
use camino::Utf8Path;

use crate::member::{self, Member};

/// What an engine made of each package; of one that it could not build, what it said.
pub(crate) type Recording = BTreeMap<String, Result<Vec<RecordedLayer>, RecordedFailure>>;

/// What an engine said of a package that it could not build.
#[derive(Debug, Clone)]
pub(crate) struct RecordedFailure {
    message: String,
    /// The lines that it printed: a listed difference may be known by one of them.
    lines: Vec<String>,
}

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

    fn keep(&self, key: &BuildKey, made: Result<Vec<RecordedLayer>, RecordedFailure>) {
        let recording = self.recording.lock();
        let mut recording = recording.unwrap_or_else(PoisonError::into_inner);
        recording.insert(package(key), made);
    }
}

/// Hands events on, and keeps the lines that were printed.
struct Listener<'a> {
    inner: &'a dyn Events,
    lines: Mutex<Vec<String>>,
}

impl Listener<'_> {
    fn lines(self) -> Vec<String> {
        self.lines
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Events for Listener<'_> {
    fn emit(&self, event: Event) {
        if let Event::Output { line, .. } = &event {
            let lines = self.lines.lock();
            let mut lines = lines.unwrap_or_else(PoisonError::into_inner);
            lines.push(line.clone());
        }
        self.inner.emit(event);
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
        let listener = Listener {
            inner: events,
            lines: Mutex::default(),
        };
        let built = self.inner.build(request, &listener).await;
        if let Err(error) = &built {
            let failure = RecordedFailure {
                message: error.to_string(),
                lines: listener.lines(),
            };
            self.keep(&request.key, Err(failure));
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

    /// Returns what was recorded, or what was said instead.
    fn layers(&self, key: &BuildKey, events: &dyn Events) -> Result<&[RecordedLayer], Error> {
        let fails = |message: &str| {
            let kind = ErrorKind::BuildFailed;
            Error::new(self.id.clone(), Operation::Build, kind, message)
        };
        match self.recording.get(&package(key)) {
            Some(Ok(layers)) => Ok(layers),
            Some(Err(failure)) => {
                for line in failure.lines.iter().cloned() {
                    events.emit(Event::Output { step: None, line });
                }
                Err(fails(&failure.message))
            }
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

    async fn build(
        &self,
        request: &BuildRequest,
        events: &dyn Events,
    ) -> Result<BuiltImage, Error> {
        self.layers(&request.key, events)?;
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
        for (place, layer) in self.layers(&image.key, &())?.iter().enumerate() {
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
