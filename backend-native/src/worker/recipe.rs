//! What a build is to make: the job, and its Containerfile, read and resolved for the images that are given.
//!
//! It does not change while the build goes on, and does not know how far that has come.

use std::collections::BTreeMap;
use std::path::PathBuf;

use backend_api::StepId;
use containerfile::{Base, Build, Platform, Scope, Step};

use crate::job::{BuildJob, ContextKind, Failure, FailureKind, layer_name, layers};
use crate::worker::failure::Result;
use crate::worker::image::Image;

/// A job, understood.
#[derive(Debug)]
pub(crate) struct Recipe {
    pub(crate) job: BuildJob,
    pub(crate) build: Build,
    images: BTreeMap<String, Image>,
    layers: Layers,
    names: Names,
}

/// The steps that make a layer that is asked for, and the place of each among the request's steps.
type Layers = BTreeMap<containerfile::StepId, usize>;

/// What steps are called outside, where their places are those of the original file.
type Names = BTreeMap<containerfile::StepId, StepId>;

/// Where a `COPY`, an `ADD` or a mount takes files from.
pub(crate) enum Origin<'a> {
    Nothing,
    /// Somebody's directory.
    Directory(PathBuf),
    Stage(containerfile::StageId),
    Image(&'a Image),
}

impl Recipe {
    /// Reads the Containerfile and the images, and finds out what the target needs.
    pub(crate) fn read(job: BuildJob) -> Result<Self> {
        let mut images = BTreeMap::new();
        for context in &job.contexts {
            if context.kind == ContextKind::Image {
                let image = Image::read(&context.name, &context.path)?;
                images.insert(context.name.clone(), image);
            }
        }
        let build = resolve(&job, &images)?;
        Ok(Self {
            layers: layers_of(&job, &build)?,
            names: names_of(&job, &build),
            build,
            images,
            job,
        })
    }

    /// Tells whether a step makes a layer that is asked for.
    pub(crate) fn makes_layer(&self, step: &Step) -> bool {
        self.layers.contains_key(&step.id)
    }

    /// Returns the path of the layer that a step makes, if it is asked for.
    pub(crate) fn layer(&self, step: &Step) -> Option<PathBuf> {
        let place = self.layers.get(&step.id)?;
        let path = layers(&self.job.work).join(layer_name(*place));
        Some(path.into_std_path_buf())
    }

    /// Returns what a step is called outside.
    pub(crate) fn name(&self, step: &Step) -> Option<StepId> {
        self.names.get(&step.id).copied()
    }

    /// Returns an image that the build was given.
    pub(crate) fn image(&self, name: &str) -> Result<&Image> {
        self.images.get(name).ok_or_else(|| {
            let message = format!("the build has no image or context `{name}`");
            Failure::new(FailureKind::Internal, message)
        })
    }

    /// Returns what a `--from`, or the lack of one, stands for.
    pub(crate) fn origin(&self, from: Option<&str>) -> Result<Origin<'_>> {
        let Some(from) = from else {
            return Ok(Origin::Directory(self.job.context.clone().into()));
        };
        Ok(match self.build.source(from) {
            Base::Scratch => Origin::Nothing,
            Base::Stage(id) => Origin::Stage(id),
            Base::Image(name) => {
                let mut contexts = self.job.contexts.iter();
                match contexts.find(|context| context.name == name) {
                    Some(context) if context.kind == ContextKind::Directory => {
                        Origin::Directory(context.path.clone().into())
                    }
                    _ => Origin::Image(self.image(&name)?),
                }
            }
        })
    }
}

/// Reads the Containerfile, and finds out what the target needs.
fn resolve(job: &BuildJob, images: &BTreeMap<String, Image>) -> Result<Build> {
    let path = &job.containerfile;
    let text = beneath::read_text(path, beneath::DOCUMENT);
    let text = text.map_err(|error| Failure::io("read", path, &error))?;
    let platform: Platform = job.platform.parse().map_err(|_| {
        let message = format!("`{}` is not a valid platform", job.platform);
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
    Ok(steps.into_iter().zip(0..).collect())
}

/// Finds out what steps are called outside.
fn names_of(job: &BuildJob, build: &Build) -> Names {
    let stages = build.stages.iter().zip(&job.stages);
    let steps = stages.flat_map(|(stage, names)| {
        let steps = stage.steps.iter().filter(|step| step.makes_layer());
        steps.map(|step| step.id).zip(names.iter().copied())
    });
    steps.collect()
}
