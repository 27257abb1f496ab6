//! From a recipe's Containerfile to the build that its target needs: every variable expanded,
//! with what the base images hand on.

use std::collections::BTreeMap;
use std::sync::Arc;

use containerfile::{
    Build, Containerfile, ImageFacts, Platform, Position, ReferenceKind, Scope, StageId, Step,
    StepId,
};
use oci_image::{ImageSet, Layout, LayoutError};

use crate::error::Error;
use crate::listing::{self, ContextFile};
use crate::recipe::{Context, Recipe};
use state::IoContext as _;

/// A recipe with its Containerfile read and understood, for one of its platforms.
#[derive(Clone)]
pub struct Resolved {
    /// The recipe.
    pub recipe: Recipe,
    /// The platform, as it was asked for.
    pub name: String,
    /// The platform.
    pub platform: Platform,
    /// The Containerfile as it was parsed.
    pub file: Containerfile,
    /// The build that its target needs.
    pub build: Build,
    /// The image that each name stands for which the build uses.
    pub images: BTreeMap<String, Layout>,
    /// The files of the context.
    pub files: Arc<[ContextFile]>,
}

impl Resolved {
    /// Returns the image that the build begins with, if it begins with one.
    pub fn base(&self) -> Option<&Layout> {
        self.images.get(self.build.base_image()?)
    }

    /// Returns the step that a backend knows as `id`.
    pub fn step(&self, id: backend_api::StepId) -> Option<&Step> {
        self.build.step(StepId {
            stage: StageId(id.stage),
            index: id.index,
        })
    }

    /// Says where the instruction stands that an engine failed with, if it says which.
    pub fn place(&self, error: backend_api::Error) -> Error {
        match error.step().and_then(|id| self.step(id)) {
            Some(step) => Error::Instruction {
                path: self.recipe.containerfile.clone(),
                position: Position::in_source(&self.file.source, step.span.start),
                instruction: first_line(step),
                source: Box::new(error),
            },
            None => error.into(),
        }
    }
}

/// Reads and resolves the Containerfile of a recipe for each of its platforms. `files` are those of
/// its context.
pub fn resolve(recipe: &Recipe, files: Vec<ContextFile>) -> Result<Vec<Resolved>, Error> {
    let file = read(recipe)?;
    let containerfile = recipe.within_context(&recipe.containerfile);
    listing::check(&files, containerfile, &file.source)?;
    let files: Arc<[ContextFile]> = files.into();
    let resolved = |name: &String| {
        let platform = name.parse::<Platform>()?;
        let (mut build, images) = resolve_for(recipe, &file, name, &platform)?;
        recipe.deny_network(&mut build);
        Ok(Resolved {
            recipe: recipe.clone(),
            name: name.clone(),
            platform,
            file: file.clone(),
            build,
            images,
            files: Arc::clone(&files),
        })
    };
    recipe.platforms.iter().map(resolved).collect()
}

/// Reads the Containerfile of a recipe.
pub(crate) fn read(recipe: &Recipe) -> Result<Containerfile, Error> {
    let path = recipe.root.join(&recipe.containerfile);
    let typed = recipe.typed(&recipe.containerfile);
    let text = typed.and_then(|typed| typed.read_text(beneath::TEXT));
    let text = text.at("read", &path)?;
    let mut file = containerfile::parse(&text).map_err(|error| wrong(recipe, error))?;
    // A tree's own directory of sources takes no stage's place: older trees have a stage of that name.
    file.replace_stages(|stage| {
        let mut contexts = recipe.contexts.iter();
        let found = contexts.find(|(name, context)| {
            !matches!(context, Context::Sources | Context::Seed) && name.eq_ignore_ascii_case(stage)
        });
        found.map(|(name, _)| name.clone())
    });
    Ok(file)
}

/// Returns what the Containerfile of a recipe is resolved with, but for its images.
pub(crate) fn scope_of(recipe: &Recipe, platform: &Platform) -> Scope {
    let mut scope = Scope::new(platform.clone());
    scope.build_platform = build_platform();
    scope.build_args.clone_from(&recipe.build_arguments);
    scope.target.clone_from(&recipe.target);
    scope
}

/// Resolves a Containerfile for one platform, called `name`, and chooses the images that it uses.
fn resolve_for(
    recipe: &Recipe,
    file: &Containerfile,
    name: &str,
    platform: &Platform,
) -> Result<(Build, BTreeMap<String, Layout>), Error> {
    let wrong = |error| wrong(recipe, error);
    let mut scope = scope_of(recipe, platform);
    // Which image of a name is meant stands in the file, whose arguments may be an image's: at first it
    // is taken to be the one for the platform that is built for.
    let mut bases = BTreeMap::new();
    for reference in file.references(&scope).map_err(wrong)? {
        if reference.kind == ReferenceKind::Base
            && let Some(images) = images_of(recipe, &reference.name)?
        {
            let image = images.for_platform(name).unwrap_or(images.first());
            scope.images.insert(reference.name.clone(), facts(image)?);
            bases.insert(reference.name, image.manifest_digest());
        }
    }
    let build = file.resolve(&scope).map_err(wrong)?;
    let images = choose(recipe, &build, name)?;
    let is_other = |(name, image): &(&String, &Layout)| {
        let taken = bases.get(*name);
        taken.is_some_and(|digest| *digest != image.manifest_digest())
    };
    let others: Vec<_> = images.iter().filter(is_other).collect();
    if others.is_empty() {
        return Ok((build, images));
    }
    for (name, image) in others {
        scope.images.insert(name.clone(), facts(image)?);
    }
    Ok((file.resolve(&scope).map_err(wrong)?, images))
}

/// Returns the first line of an instruction, without what leads to the next.
pub(crate) fn first_line(step: &Step) -> String {
    let line = step.source.lines().next().unwrap_or_default();
    line.trim_end_matches(['\\', ' ']).to_owned()
}

fn wrong(recipe: &Recipe, error: containerfile::Error) -> Error {
    Error::Containerfile {
        path: recipe.containerfile.clone(),
        source: Box::new(error),
    }
}

/// Opens the images that `reference` names, if it names any: those that were given, and no others.
fn images_of(recipe: &Recipe, reference: &str) -> Result<Option<ImageSet>, Error> {
    let opened = recipe.images(reference);
    let opened = opened.map_err(|source| unusable(reference, source))?;
    if let (Some(images), Some((_, Context::Given(_, expected)))) =
        (&opened, recipe.named(reference))
        && images.digest() != *expected
    {
        return Err(Error::Replaced {
            name: reference.to_owned(),
            found: images.digest(),
            expected: *expected,
        });
    }
    Ok(opened)
}

/// Says which image it is whose layout is not what it should be.
pub(crate) fn unusable(reference: &str, source: LayoutError) -> Error {
    Error::NamedImage {
        reference: reference.to_owned(),
        source,
    }
}

fn facts(image: &Layout) -> Result<ImageFacts, Error> {
    Ok(oci_image::image_facts(image.config())?)
}

/// Chooses an image for each name that a build for `platform` uses: the one for the platform that
/// the FROM asks for, or that is built for.
fn choose(
    recipe: &Recipe,
    build: &Build,
    platform: &str,
) -> Result<BTreeMap<String, Layout>, Error> {
    let mut chosen: BTreeMap<String, Layout> = BTreeMap::new();
    for reference in &build.references {
        let Some(images) = images_of(recipe, &reference.name)? else {
            continue;
        };
        let wanted = match (reference.kind, build.stage(reference.stage)) {
            (ReferenceKind::Base, Some(stage)) => stage.platform.to_string(),
            _ => platform.to_owned(),
        };
        let image = images.for_platform(&wanted)?;
        let known = chosen.insert(reference.name.clone(), image.clone());
        if known.is_some_and(|known| known.manifest_digest() != image.manifest_digest()) {
            return Err(Error::TwoPlatforms {
                path: recipe.containerfile.clone(),
                reference: reference.name.clone(),
            });
        }
    }
    Ok(chosen)
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
