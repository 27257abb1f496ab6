//! `stagex import`: puts images from `out/` into the store of an engine's user.

use std::sync::Arc;

use build::Listener;
use camino::Utf8Path;
use documents::{Import, ImportedImage, Version};
use make::Import as Wanted;
use package_tree::PlannedPackage;
use registry::Reference;
use state::Directories;

use crate::arguments;
use crate::context::{Context, Selected};
use crate::exit::{ErrorKind, Exit};
use crate::failure::{Failure, usage};
use crate::options::Format;
use crate::place;
use crate::render::{self, Show};
use crate::wait;

pub(super) fn run(context: &Context, arguments: &arguments::Import) -> Result<Exit, Failure> {
    let tree = super::tree::open(context)?;
    let plan = super::tree::plan(context, &tree, &arguments.targets)?;
    let packages = plan.packages.iter().filter(|package| package.requested);
    let directories = place::directories(context)?;
    let mut wanted = Vec::new();
    let mut problems = Vec::new();
    for package in packages {
        if !is_there(&directories, &package.name)? {
            let message = format!("{}: there is no image in out/", package.name);
            let hint = format!("`stagex make {}` builds it", package.name);
            problems.push((message, Some(hint)));
        }
        wanted.extend(names(package, arguments)?);
    }
    if !problems.is_empty() {
        return Err(Failure::of(ErrorKind::Usage, problems));
    }
    let document = import(context, &directories, &wanted)?;
    match context.format {
        Format::Json => render::json(&document),
        Format::Human => {
            let line =
                |image: &ImportedImage| format!("{} {}", image.digest.hex(), image.reference);
            let lines: Vec<String> = document.images.iter().map(line).collect();
            render::result(&lines.join("\n"));
        }
    }
    Ok(Exit::Success)
}

/// Returns the names that a package's image is to have.
fn names(package: &PlannedPackage, arguments: &arguments::Import) -> Result<Vec<Wanted>, Failure> {
    let repository = arguments.registry.join(&package.name);
    let repository = repository.map_err(registry::Error::from)?;
    let own = [package.tag().to_owned()];
    let tags = if arguments.tags.is_empty() {
        &own[..]
    } else {
        &arguments.tags
    };
    let name = |tag: &String| {
        let reference = format!("{repository}:{tag}");
        let parsed = reference.parse::<Reference>();
        parsed.map_err(|error| usage(error.to_string(), Some("name another with --tag")))?;
        Ok(Wanted::of(package, reference))
    };
    tags.iter().map(name).collect()
}

fn is_there(directories: &Directories, name: &str) -> Result<bool, Failure> {
    let found = directories
        .open_out()?
        .map(|out| out.metadata(Utf8Path::new(name)));
    let found = found.transpose();
    let found = found.map_err(|error| place::cannot("read", &directories.output(name), &error))?;
    Ok(found.flatten().is_some())
}

/// Puts images into the store of the engine that was asked for.
pub(super) fn import(
    context: &Context,
    directories: &Directories,
    wanted: &[Wanted],
) -> Result<Import, Failure> {
    let listener: Arc<dyn Listener> = render::listener(context.verbosity, Show::default());
    wait::block_on(async {
        let mut interrupted = wait::watch();
        let selected = context.select(&mut interrupted).await?;
        can_load(&selected)?;
        let backend = selected.backend.as_ref();
        let importing = make::import(directories, wanted, backend, &listener, &interrupted);
        let digests = importing.await?;
        let images = digests.into_iter().zip(wanted);
        let images = images.map(|(digest, wanted)| ImportedImage {
            name: wanted.name.clone(),
            platform: wanted.platform.clone(),
            reference: wanted.reference.clone(),
            digest: digest.into(),
        });
        Ok(Import {
            version: Version,
            runtime: selected.runtime().to_owned(),
            images: images.collect(),
        })
    })
}

/// Refuses a runtime that has no store for images.
pub(super) fn can_load(selected: &Selected) -> Result<(), Failure> {
    if selected.backend.can_load() {
        return Ok(());
    }
    let runtime = selected.runtime();
    let message = format!("{runtime} cannot import images: it has no store for them");
    let hint = "use docker, podman or buildah; without import, the image is an OCI layout in out/";
    Err(Failure::of(
        ErrorKind::Usage,
        [(message, Some(hint.to_owned()))],
    ))
}
