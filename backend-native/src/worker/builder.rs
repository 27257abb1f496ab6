//! One build: its stages in order, and the layers of the image that is asked for.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use backend_api::StepId;
use camino::Utf8PathBuf;
use containerfile::{Base, Build, Platform, ResolvedStage, Scope, StageId, Step};
use sandbox::Rights;
use snapshot::{Mounted, Ownership, Stack, Tree};

use super::failure::Result;
use super::folders::Folders;
use super::image::Image;
use super::report::Report;
use crate::backend::{layer_name, layers};
use crate::job::{BuildJob, Context, ContextKind, Failure, FailureKind};

/// A build under way.
pub(super) struct Builder<'a> {
    pub(super) job: &'a BuildJob,
    pub(super) build: &'a Build,
    pub(super) folders: &'a Folders,
    pub(super) rights: Rights,
    pub(super) report: &'a Report,
    images: BTreeMap<&'a str, Image>,
    unpacked: BTreeMap<Utf8PathBuf, PathBuf>,
    stages: BTreeMap<StageId, Stack>,
}

/// Builds, and writes the layers of the steps that are asked for.
pub(super) fn build(job: &BuildJob, rights: Rights, report: &Report) -> Result<()> {
    let mut images = BTreeMap::new();
    for context in &job.contexts {
        if context.kind == ContextKind::Image {
            images.insert(context.name.as_str(), Image::read(&context.path)?);
        }
    }
    let build = resolve(job, &images)?;
    super::step::refuse_what_is_unknown(&build)?;
    let layers = layers_of(job, &build)?;
    let folders = Folders::enter(&job.work)?;
    let mut builder = Builder {
        job,
        build: &build,
        folders: &folders,
        rights,
        report,
        images,
        unpacked: BTreeMap::new(),
        stages: BTreeMap::new(),
    };
    for stage in &build.stages {
        let stack = builder.stage(stage, &layers)?;
        builder.stages.insert(stage.id, stack);
    }
    Ok(())
}

/// A layer that is asked for: its place among the request's steps, and the step's name there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    pub(super) place: usize,
    pub(super) step: StepId,
}

type Layers = BTreeMap<containerfile::StepId, Wanted>;

/// Reads the Containerfile, and finds out what the target needs.
fn resolve(job: &BuildJob, images: &BTreeMap<&str, Image>) -> Result<Build> {
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
        .map(|(name, image)| ((*name).to_owned(), image.facts.clone()))
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
    let wanted = job.steps.iter().enumerate();
    let wanted = wanted.map(|(place, step)| Wanted { place, step: *step });
    Ok(steps.into_iter().zip(wanted).collect())
}

impl Builder<'_> {
    fn stage(&mut self, stage: &ResolvedStage, layers: &Layers) -> Result<Stack> {
        let mut stack = self.base(&stage.base)?;
        let steps: Vec<&Step> = stage
            .steps
            .iter()
            .filter(|step| step.makes_layer())
            .collect();
        for (number, step) in steps.iter().enumerate() {
            let wanted = layers.get(&step.id).copied();
            let place = wanted.map(|wanted| wanted.step);
            let name = stage.name.clone().unwrap_or_else(|| stage.id.0.to_string());
            let (number, count) = (number + 1, steps.len());
            let first = step.source.lines().next().unwrap_or_default();
            self.report
                .line(place, format!("[{name} {number}/{count}] {first}"));
            self.step(step, &mut stack, wanted)?;
        }
        Ok(stack)
    }

    fn base(&mut self, base: &Base) -> Result<Stack> {
        match base {
            Base::Scratch => Ok(Stack::default()),
            Base::Stage(id) => Ok(self.stages.get(id).cloned().unwrap_or_default()),
            Base::Image(name) => self.image(name),
        }
    }

    fn image(&mut self, name: &str) -> Result<Stack> {
        match self.images.get(name) {
            Some(image) => image.stack(self.folders, &mut self.unpacked),
            None => Err(unknown(name)),
        }
    }

    /// Does a step, and puts its changes on the stack.
    fn step(&mut self, step: &Step, stack: &mut Stack, wanted: Option<Wanted>) -> Result<()> {
        let snapshot = self.folders.snapshot()?;
        let place = wanted.map(|wanted| wanted.step);
        {
            let (upper, work) = (&snapshot.upper, &snapshot.work);
            let root = stack.mount(upper, work, Folders::empty(), &snapshot.merged)?;
            self.carry_out(step, place, root.path())?;
        }
        let upper = Tree::open(&snapshot.upper)?;
        if let Some(wanted) = wanted {
            self.write_layer(&upper, stack, wanted)?;
        }
        if !upper.names(&snapshot::Place::root())?.is_empty() {
            stack.push(snapshot.upper);
        }
        Ok(())
    }

    fn write_layer(&self, upper: &Tree, below: &Stack, wanted: Wanted) -> Result<()> {
        let lower = self.view(below)?;
        let tree = lower.as_ref().map(View::tree).transpose()?;
        let changes = snapshot::changes(upper, tree.as_ref())?;
        let path = layers(&self.job.work).join(layer_name(wanted.place));
        let file = File::options()
            .write(true)
            .read(true)
            .create_new(true)
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
    pub(super) fn source(&mut self, from: Option<&str>) -> Result<(View, Ownership)> {
        let Some(from) = from else {
            let folder = self.job.context.clone().into();
            return Ok((View::Folder(folder), Ownership::Root));
        };
        let stack = match self.build.source(from) {
            Base::Scratch => Stack::default(),
            Base::Stage(id) => self.stages.get(&id).cloned().unwrap_or_default(),
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
