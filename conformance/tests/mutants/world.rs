//! One engine's work on all cases, recorded once; and the matrix's verdict on it, replayed with
//! something changed.

use std::collections::BTreeMap;
use std::sync::Arc;

use backend_api::{Availability, Capabilities, LayerRecord, Network, Ready};
use camino::{Utf8Path, Utf8PathBuf};
use conformance::{Bench, Cell, Column, Difference, Label, Matrix, Site, Suite, User, Verdict};
use oci_image::{Digest, Layout};
use tempfile::TempDir;
use tokio::sync::watch;

use crate::image::Image;
use crate::recording::{RecordedLayer, Recorder, Recording, Replayer};

/// An engine, and the cases that it is to be recorded on.
pub(crate) struct Engine {
    pub(crate) column: Column,
    pub(crate) ready: Ready,
    pub(crate) suite: Arc<Suite>,
}

/// What was recorded.
pub(crate) struct World {
    engine: Arc<Engine>,
    recording: Recording,
    /// The cases whose image is the one that is recorded for all engines, by name.
    pub(crate) cases: BTreeMap<String, Case>,
    _directory: TempDir,
}

/// A case as it was recorded.
pub(crate) struct Case {
    pub(crate) name: String,
    /// The name of its package.
    output: String,
    /// The layers as the engine made them.
    pub(crate) layers: Vec<RecordedLayer>,
    /// The canonical image.
    pub(crate) image: Image,
    pub(crate) digest: Digest,
    pub(crate) layout: Layout,
}

impl Engine {
    /// Ranks the engines that are ready by what they can show: first those whose layers are all that was
    /// touched, and of these the one that differs in the fewest cases.
    pub(crate) fn rank(columns: Vec<Column>, suite: Suite) -> Result<Vec<Self>, String> {
        if let Some(reason) = suite.absence() {
            return Err(reason);
        }
        let why = columns.iter().filter_map(Column::absence);
        let why = why.collect::<Vec<_>>().join("; ");
        let ready = |column: Column| {
            let ready = column.availability.ready().ok()?.clone();
            Some((column, ready))
        };
        let suite = Arc::new(suite);
        let all = columns.into_iter().filter_map(ready);
        let engine = |(column, ready)| Self {
            column,
            ready,
            suite: Arc::clone(&suite),
        };
        let mut engines: Vec<Self> = all.map(engine).collect();
        engines.sort_by_key(|engine| {
            let names = suite.subjects.iter().map(|subject| &subject.name);
            (
                engine.ready.capabilities.layers == LayerRecord::Changes,
                names.filter(|name| engine.listed(name).is_some()).count(),
            )
        });
        if engines.is_empty() {
            return Err(why);
        }
        Ok(engines)
    }

    /// Returns how the engine is known to differ in a case, if it is.
    pub(crate) fn listed(&self, case: &str) -> Option<&Difference> {
        let runtime = self.column.label.runtime();
        let differences = &self.suite.differences;
        differences.of_runtime(case, runtime, &self.ready.version, User::current())
    }

    /// Has the engine build every case.
    pub(crate) fn record(self: Arc<Self>) -> World {
        let directory = scratch();
        let recorder = Arc::new(Recorder::new(Arc::clone(&self.column.backend)));
        let column = Column {
            backend: recorder.clone(),
            ..self.column.clone()
        };
        let (_sender, never) = watch::channel(false);
        let bench = Bench::new(&column, &self.suite, &site(&directory, never)).unwrap();
        for subject in &self.suite.subjects {
            // What fails here fails again, and is told, where all that was recorded is replayed.
            let _ = bench.digest(subject);
        }
        let recording = recorder.recording();
        let mut cases = BTreeMap::new();
        for subject in &self.suite.subjects {
            // An image without layers is asked of no engine.
            let layers = recording.get(&subject.output);
            let layers = layers.map_or(Ok(Vec::new()), Clone::clone);
            let Ok(layers) = layers else { continue };
            // A mutant changes one image.
            let Ok(images) = bench.images(&subject.output) else {
                continue;
            };
            let layout = images.first().clone();
            let digest = layout.manifest_digest();
            if self.suite.recorded.get(&subject.name) != Some(digest) {
                continue;
            }
            let case = Case {
                name: subject.name.clone(),
                output: subject.output.clone(),
                layers,
                image: Image::open(&layout),
                digest,
                layout,
            };
            cases.insert(subject.name.clone(), case);
        }
        World {
            engine: self,
            recording,
            cases,
            _directory: directory,
        }
    }
}

impl World {
    /// Replays every case as it was recorded, and returns those that do not hold and are not
    /// listed, each with why.
    pub(crate) fn failures(&self) -> Vec<String> {
        let names = self.engine.suite.subjects.iter();
        let names: Vec<_> = names.map(|subject| subject.name.as_str()).collect();
        let capabilities = &self.engine.ready.capabilities;
        let verdicts = self.ask(self.recording.clone(), capabilities, &names);
        let failing = |(name, verdict): (&str, Verdict)| match verdict {
            Verdict::Holds | Verdict::Differs { .. } => None,
            other => Some(format!("{name}: {}", said(&other))),
        };
        verdicts.into_iter().filter_map(failing).collect()
    }

    /// Replays the cases that a change of layers or of capabilities touches, and returns those
    /// that do not hold, each with what the matrix says of it.
    pub(crate) fn replay(
        &self,
        change: fn(&mut Vec<RecordedLayer>),
        capabilities: fn(&mut Capabilities),
    ) -> BTreeMap<&str, String> {
        let mut changed = self.engine.ready.capabilities.clone();
        capabilities(&mut changed);
        let mut recording = self.recording.clone();
        let mut touched = Vec::new();
        for case in self.cases.values() {
            let mut layers = case.layers.clone();
            change(&mut layers);
            // The rest is a function of the layers: where they stay, the image does.
            if layers != case.layers || changed != self.engine.ready.capabilities {
                recording.insert(case.output.clone(), Ok(layers));
                touched.push(case.name.as_str());
            }
        }
        let verdicts = self.ask(recording, &changed, &touched);
        let caught = verdicts
            .into_iter()
            .filter(|(_, verdict)| *verdict != Verdict::Holds);
        caught
            .map(|(name, verdict)| (name, said(&verdict)))
            .collect()
    }

    /// Asks the matrix about some cases, replayed; beside them, what was recorded unchanged, so
    /// that the matrix can say what differs.
    fn ask<'a>(
        &self,
        recording: Recording,
        capabilities: &Capabilities,
        names: &[&'a str],
    ) -> Vec<(&'a str, Verdict)> {
        let directory = scratch();
        let column = |generation: &str, recording: Recording, capabilities: &Capabilities| {
            let id = self.engine.column.backend.id();
            let label: Label = format!("{id}@{generation}").parse().unwrap();
            let ready = Ready {
                capabilities: capabilities.clone(),
                ..self.engine.ready.clone()
            };
            let backend = Replayer::new(id, ready.clone(), recording);
            Column {
                label,
                backend: Arc::new(backend),
                availability: Availability::Ready(ready),
                required: true,
            }
        };
        let usual = &self.engine.ready.capabilities;
        let columns = vec![
            column("recorded", self.recording.clone(), usual),
            column("replayed", recording, capabilities),
        ];
        let label = columns[1].label.clone();
        let (_sender, never) = watch::channel(false);
        let suite = Arc::clone(&self.engine.suite);
        let matrix = Matrix::new(suite, columns, Vec::new(), site(&directory, never));
        let ask = |name: &&'a str| {
            let cell = Cell::Recorded {
                subject: (*name).to_owned(),
                column: label.clone(),
            };
            (*name, matrix.ask(&cell))
        };
        names.iter().map(ask).collect()
    }
}

/// Returns what the matrix says where a cell does not hold.
fn said(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Holds => String::new(),
        Verdict::Differs { why, .. } => why.clone(),
        Verdict::CannotRun { reason } => reason.clone(),
        Verdict::Fails(failing) => match &failing.contrast {
            None => failing.message.clone(),
            Some(contrast) => format!(
                "{}: expected {}, found {}",
                contrast.place, contrast.expected, contrast.found
            ),
        },
    }
}

/// Makes a directory where engines can build: not in /tmp, which may be small or in memory.
pub(crate) fn scratch() -> TempDir {
    tempfile::tempdir_in("/var/tmp").unwrap()
}

/// Returns a place to build in.
fn site(directory: &TempDir, interrupted: watch::Receiver<bool>) -> Site {
    Site {
        directory: path(directory),
        network: Network::Default,
        interrupted,
    }
}

/// Returns the path of a directory that is text.
pub(crate) fn path(directory: &TempDir) -> Utf8PathBuf {
    let path = Utf8Path::from_path(directory.path());
    path.expect("/var/tmp is text").to_owned()
}
