//! One build: its stages, all at once, and the layers of the image that is asked for.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;

use backend_api::StepId;
use camino::{Utf8Path, Utf8PathBuf};
use containerfile::{Base, Build, Platform, Scope, StageId, Step};
use sandbox::Inside;
use snapshot::{Mounted, Ownership, Stack, Stacking, Tree};

use super::failure::Result;
use super::folders::Folders;
use super::image::Image;
use super::report::Report;
use crate::backend::{layer_name, layers};
use crate::job::{BuildJob, Context, ContextKind, Failure, FailureKind, Message};

/// A build under way. Its stages are built at once, each on a thread of its own, which waits for
/// another stage only where it takes something from it.
pub(super) struct Builder {
    pub(super) job: BuildJob,
    pub(super) folders: Folders,
    pub(super) inside: Inside,
    pub(super) report: Arc<Report>,
    build: Build,
    images: BTreeMap<String, Image>,
    layers: Layers,
    places: Places,
    stacking: Stacking,
    unpacked: Mutex<BTreeMap<Utf8PathBuf, Unpacked>>,
    stages: Mutex<BTreeMap<StageId, Stack>>,
    /// Notified when a stage is built.
    built: Condvar,
}

/// The folder of a layer, once it is unpacked.
type Unpacked = Arc<Mutex<Option<PathBuf>>>;

/// Builds, and writes the layers of the steps that are asked for.
///
/// The first stage that fails fails the build: what the others are doing ends with this process.
pub(super) fn build(job: BuildJob, inside: Inside, report: &Arc<Report>) -> Result<()> {
    let mut images = BTreeMap::new();
    for context in &job.contexts {
        if context.kind == ContextKind::Image {
            images.insert(context.name.clone(), Image::read(&context.path)?);
        }
    }
    let build = resolve(&job, &images)?;
    super::step::refuse_what_is_unknown(&build)?;
    let layers = layers_of(&job, &build)?;
    let folders = Folders::enter(&job.work)?;
    let builder = Arc::new(Builder {
        layers,
        places: places_of(&job, &build),
        stacking: stacking(&folders, report)?,
        folders,
        job,
        inside,
        report: Arc::clone(report),
        build,
        images,
        unpacked: Mutex::default(),
        stages: Mutex::default(),
        built: Condvar::new(),
    });
    let (done, results) = mpsc::channel();
    for stage in &builder.build.stages {
        let (builder, done, id) = (Arc::clone(&builder), done.clone(), stage.id);
        thread::spawn(move || {
            // Nobody listens any more once a stage has failed.
            let _ = done.send(builder.stage(id));
        });
    }
    drop(done);
    results.into_iter().collect::<Result<()>>()?;
    if lock(&builder.stages).len() < builder.build.stages.len() {
        let message = "a stage ended without a word";
        return Err(Failure::new(FailureKind::Internal, message));
    }
    Ok(())
}

/// Finds out whether folders can be stacked where this build has its own: not on every file system.
fn stacking(folders: &Folders, report: &Report) -> Result<Stacking> {
    let trial = folders.snapshot()?;
    let (upper, work, at) = (&trial.upper, &trial.work, &trial.merged);
    let mounted = Stack::default().mount(upper, work, Folders::empty(), at);
    let Err(error) = mounted else {
        return Ok(Stacking::Overlay);
    };
    let message = format!(
        "every step copies all files of the step before it, since none can be stacked here: {error}"
    );
    report.say(&Message::Notice { message });
    Ok(Stacking::Copies)
}

/// A layer that is asked for: its place among the request's steps.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    pub(super) place: usize,
}

type Layers = BTreeMap<containerfile::StepId, Wanted>;

/// What steps are called outside, where their places are those of the original file.
type Places = BTreeMap<containerfile::StepId, StepId>;

/// Reads the Containerfile, and finds out what the target needs.
fn resolve(job: &BuildJob, images: &BTreeMap<String, Image>) -> Result<Build> {
    let path = &job.containerfile;
    let text = std::fs::read_to_string(path);
    let text = text.map_err(|error| Failure::io("read", path, &error))?;
    let platform: Platform = job.platform.parse().map_err(|_| {
        let message = format!("`{}` is no platform", job.platform);
        Failure::unsupported(message)
    })?;
    let mut scope = Scope::new(platform);
    scope.build_args.clone_from(&job.build_arguments);
    scope.target.clone_from(&job.target);
    let facts = images.iter();
    scope.images = facts
        .map(|(name, image)| (name.clone(), image.facts.clone()))
        .collect();
    let build = containerfile::parse(&text).and_then(|file| file.resolve(&scope));
    build.map_err(|error| Failure::build(format!("{path}: {error}")))
}

/// Finds the steps that make the layers that are asked for: the same ones, in the same order.
fn layers_of(job: &BuildJob, build: &Build) -> Result<Layers> {
    let steps = build.image_steps().filter(|step| step.makes_layer());
    let steps: Vec<_> = steps.map(|step| step.id).collect();
    if steps.len() != job.steps.len() {
        let message = format!(
            "expected {} instructions that make a layer, found {}",
            job.steps.len(),
            steps.len()
        );
        return Err(Failure::new(FailureKind::Internal, message));
    }
    let wanted = (0..job.steps.len()).map(|place| Wanted { place });
    Ok(steps.into_iter().zip(wanted).collect())
}

fn places_of(job: &BuildJob, build: &Build) -> Places {
    let stages = build.stages.iter().zip(&job.stages);
    let steps = stages.flat_map(|(stage, names)| {
        let steps = stage.steps.iter().filter(|step| step.makes_layer());
        steps.map(|step| step.id).zip(names.iter().copied())
    });
    steps.collect()
}

impl Builder {
    /// Builds a stage, and makes its file system known to the others.
    fn stage(&self, id: StageId) -> Result<()> {
        let Some(stage) = self.build.stage(id) else {
            return Ok(());
        };
        let mut stack = self.base(&stage.base)?;
        let steps = stage.steps.iter().filter(|step| step.makes_layer());
        let steps: Vec<&Step> = steps.collect();
        for (number, step) in steps.iter().enumerate() {
            let wanted = self.layers.get(&step.id).copied();
            let place = self.places.get(&step.id).copied();
            let name = stage.name.clone().unwrap_or_else(|| id.0.to_string());
            let (number, count) = (number + 1, steps.len());
            let first = step.source.lines().next().unwrap_or_default();
            self.report
                .line(place, format!("[{name} {number}/{count}] {first}"));
            let done = self.step(step, &mut stack, place, wanted);
            done.map_err(|failure| failure.at(place))?;
        }
        lock(&self.stages).insert(id, stack);
        self.built.notify_all();
        Ok(())
    }

    fn base(&self, base: &Base) -> Result<Stack> {
        match base {
            Base::Scratch => Ok(self.stack()),
            Base::Stage(id) => Ok(self.wait_for(*id)),
            Base::Image(name) => self.image(name),
        }
    }

    /// Returns the file system of a stage, when it is built. If it is never built, neither is this
    /// one: the build has failed, and the process ends.
    fn wait_for(&self, id: StageId) -> Stack {
        let mut stages = lock(&self.stages);
        loop {
            if let Some(stack) = stages.get(&id) {
                return stack.clone();
            }
            let waited = self.built.wait(stages);
            stages = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Returns the file system of an image; its layers are unpacked if they have not been yet.
    fn image(&self, name: &str) -> Result<Stack> {
        let image = self.images.get(name).ok_or_else(|| unknown(name))?;
        if self.stacking == Stacking::Copies {
            return self.image_in_one(name, image);
        }
        let mut stack = self.stack();
        for layer in image.layers() {
            let unpacked = Arc::clone(lock(&self.unpacked).entry(layer.clone()).or_default());
            let mut unpacked = lock(&unpacked);
            if unpacked.is_none() {
                let folder = self.folders.folder()?;
                self.unpack(layer, &Tree::open(&folder)?)?;
                *unpacked = Some(folder);
            }
            stack.push(unpacked.as_deref().unwrap_or(Folders::empty()));
        }
        Ok(stack)
    }

    fn unpack(&self, layer: &Utf8Path, into: &Tree) -> Result<()> {
        let file = File::open(layer).map_err(|error| Failure::io("open", layer, &error))?;
        Ok(snapshot::unpack(file, layer.as_str(), into, self.stacking)?)
    }

    /// Returns the file system of an image as one folder.
    fn image_in_one(&self, name: &str, image: &Image) -> Result<Stack> {
        let unpacked = Arc::clone(lock(&self.unpacked).entry(name.into()).or_default());
        let mut unpacked = lock(&unpacked);
        if unpacked.is_none() {
            let folder = self.folders.folder()?;
            let into = Tree::open(&folder)?;
            for layer in image.layers() {
                self.unpack(layer, &into)?;
            }
            *unpacked = Some(folder);
        }
        let mut stack = self.stack();
        stack.push(unpacked.as_deref().unwrap_or(Folders::empty()));
        Ok(stack)
    }

    /// Returns a stack of nothing.
    pub(super) fn stack(&self) -> Stack {
        Stack::new(self.stacking)
    }

    /// Does a step, and puts its changes on the stack.
    fn step(
        &self,
        step: &Step,
        stack: &mut Stack,
        place: Option<StepId>,
        wanted: Option<Wanted>,
    ) -> Result<()> {
        let snapshot = self.folders.snapshot()?;
        let stubs = {
            let (upper, work) = (&snapshot.upper, &snapshot.work);
            let root = stack.mount(upper, work, Folders::empty(), &snapshot.merged)?;
            self.carry_out(step, place, root.path())?
            // Whatever was mounted in it goes with it.
        };
        let upper = Tree::open(&snapshot.upper)?;
        stubs.remove(&upper)?;
        if let Some(wanted) = wanted {
            self.write_layer(&upper, stack, wanted)?;
        }
        let is_empty = upper.names(&snapshot::Place::root())?.is_empty();
        stack.grow(snapshot.upper, is_empty);
        Ok(())
    }

    fn write_layer(&self, upper: &Tree, below: &Stack, wanted: Wanted) -> Result<()> {
        let lower = self.view(below)?;
        let tree = lower.as_ref().map(View::tree).transpose()?;
        let changes = snapshot::changes(upper, tree.as_ref(), self.stacking)?;
        let path = layers(&self.job.work).join(layer_name(wanted.place));
        let file = File::options()
            .write(true)
            .read(true)
            .create_new(true)
            .mode(0o600)
            .open(&path);
        let file = file.map_err(|error| Failure::io("make", &path, &error))?;
        Ok(snapshot::write_archive(&changes, upper, file)?)
    }

    /// Returns a stack as a tree to be read; nothing where it has no folder.
    fn view(&self, stack: &Stack) -> Result<Option<View>> {
        match stack.folders() {
            [] => Ok(None),
            [only] => Ok(Some(View::Folder(only.clone()))),
            _ => {
                let at = self.folders.folder()?;
                let mounted = stack.mount_to_read(Folders::empty(), &at)?;
                Ok(Some(View::Mounted(mounted)))
            }
        }
    }

    /// Returns what a `COPY`, an `ADD` or a mount takes files from.
    pub(super) fn source(&self, from: Option<&str>) -> Result<(View, Ownership)> {
        let Some(from) = from else {
            let folder = self.job.context.clone().into();
            return Ok((View::Folder(folder), Ownership::Root));
        };
        let stack = match self.build.source(from) {
            Base::Scratch => self.stack(),
            Base::Stage(id) => self.wait_for(id),
            Base::Image(name) => match self.context(&name) {
                Some(context) if context.kind == ContextKind::Folder => {
                    let folder = context.path.clone().into();
                    return Ok((View::Folder(folder), Ownership::Root));
                }
                Some(_) => self.image(&name)?,
                None => return Err(unknown(&name)),
            },
        };
        let view = self.view(&stack)?;
        let empty = || View::Folder(Folders::empty().to_owned());
        Ok((view.unwrap_or_else(empty), Ownership::Kept))
    }

    fn context(&self, name: &str) -> Option<&Context> {
        let mut contexts = self.job.contexts.iter();
        contexts.find(|context| context.name == name)
    }
}

/// What is behind the lock is whole whenever it is released, so a poisoned one is as good.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A file system that is only read.
#[derive(Debug)]
pub(super) enum View {
    Folder(PathBuf),
    Mounted(Mounted),
}

impl View {
    pub(super) fn path(&self) -> &Path {
        match self {
            Self::Folder(path) => path,
            Self::Mounted(mounted) => mounted.path(),
        }
    }

    pub(super) fn tree(&self) -> Result<Tree> {
        Ok(Tree::open(self.path())?)
    }
}

fn unknown(name: &str) -> Failure {
    let message = format!("the build was given nothing for `{name}`");
    Failure::new(FailureKind::Internal, message)
}
