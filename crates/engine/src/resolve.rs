//! From a recipe's Containerfile to the build that its target needs: every variable expanded,
//! with what the base images hand on.

use std::fs;

use containerfile::{
    Build, Containerfile, Platform, Position, ReferenceKind, Scope, StageId, Step, StepId,
};
use oci_image::Layout;

use crate::context::ContextFile;
use crate::error::{Error, IoContext};
use crate::recipe::Recipe;

/// A recipe with its Containerfile read and understood.
pub(crate) struct Resolved {
    pub recipe: Recipe,
    pub file: Containerfile,
    pub build: Build,
    /// The files of the context.
    pub files: Vec<ContextFile>,
}

impl Resolved {
    /// Returns the layout of the image that the build begins with, if it begins with one.
    pub(crate) fn base(&self) -> Result<Option<Layout>, Error> {
        match self.build.base_image() {
            Some(name) => Ok(self.recipe.image(name)?),
            None => Ok(None),
        }
    }

    /// Returns the step that a backend knows as `id`.
    pub(crate) fn step(&self, id: backend_api::StepId) -> Option<&Step> {
        self.build.step(StepId {
            stage: StageId(id.stage),
            index: id.index,
        })
    }

    /// Says where the instruction stands that an engine failed with, if it says which.
    pub(crate) fn place(&self, error: backend_api::Error) -> Error {
        match error.step().and_then(|id| self.step(id)) {
            Some(step) => Error::Instruction {
                path: self.recipe.containerfile.clone(),
                position: Position::in_source(&self.file.source, step.span.start),
                source: Box::new(error),
            },
            None => error.into(),
        }
    }
}

/// Reads and resolves the Containerfile of a recipe. `files` are those of its context.
pub(crate) fn resolve(recipe: Recipe, files: Vec<ContextFile>) -> Result<Resolved, Error> {
    let path = recipe.root.join(&recipe.containerfile);
    let wrong = |error: containerfile::Error| Error::Containerfile {
        path: recipe.containerfile.clone(),
        source: Box::new(error),
    };
    let text = fs::read_to_string(&path).at("read", &path)?;
    let file = containerfile::parse(&text).map_err(wrong)?;

    let name = recipe.platform()?;
    let wanted: Platform = name.parse().map_err(|_| Error::Platform {
        platform: name.to_owned(),
    })?;
    let mut scope = Scope::new(wanted);
    scope.build_platform = build_platform();
    scope.build_args.clone_from(&recipe.build_arguments);
    scope.target.clone_from(&recipe.target);
    for reference in file.references(&scope).map_err(wrong)? {
        if reference.kind == ReferenceKind::Base
            && let Some(base) = recipe.image(&reference.name)?
        {
            let facts = oci_image::image_facts(base.config())?;
            scope.images.insert(reference.name, facts);
        }
    }
    let build = file.resolve(&scope).map_err(wrong)?;
    Ok(Resolved {
        recipe,
        file,
        build,
        files,
    })
}

/// Returns the platform that builds run on, as BUILDPLATFORM names it.
fn build_platform() -> Platform {
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "x86" => "386",
        "aarch64" => "arm64",
        other => other,
    };
    Platform {
        os: "linux".to_owned(),
        architecture: architecture.to_owned(),
        variant: None,
    }
}
