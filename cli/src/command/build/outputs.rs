//! Where a built image goes: archives, a layout, files, engines' stores, registries. What can be refused is refused before
//! anything is built.
//!
//! It does not know how an image is built.

use std::collections::BTreeSet;
use std::io::{self, IsTerminal as _};
use std::os::fd::AsFd as _;
use std::sync::Arc;

use backend_api::Backend;
use beneath::Directory;
use build::{Archive, ImageSet, Recipe, Work};
use camino::{Utf8Path, Utf8PathBuf};
use delivery::Delivery;
use documents::{BuildOutput, BuildOutputKind, ImageDescriptor, ImageMetadata};
use registry::{Limits, Publication, Publisher, Reference, Version};
use state::Directories;
use tokio::runtime::Handle;
use tokio::sync::watch;

use super::files;
use crate::command::import::can_load;
use crate::command::pull::client;
use crate::context::{Context, Selected};
use crate::docker::Build;
use crate::failure::{Failure, usage};
use crate::output::{To, tagged};
use crate::place;
use crate::render;
use crate::wait;

/// Where a built image goes.
pub(super) struct Outputs {
    /// Where its layout is written, if it is.
    pub(super) layout: Option<Utf8PathBuf>,
    steps: Vec<Step>,
    /// Where its identifier, and what is known of it, are written.
    identifier: Option<Delivery>,
    metadata: Option<Delivery>,
    name: String,
    directories: Directories,
    quiet: bool,
}

/// One thing to do with an image. It is named as it is told.
struct Step {
    told: BuildOutput,
    what: What,
}

enum What {
    Deliver(Archive, Delivery),
    Files(Utf8PathBuf),
    Load(Arc<dyn Backend>),
    Push(Publisher, Reference),
}

impl Outputs {
    /// Prepares what the arguments ask for. `builds` is the runtime that builds.
    pub(super) async fn prepare(
        context: &Context,
        arguments: &Build,
        recipe: &Recipe,
        builds: &Selected,
        interrupted: &mut watch::Receiver<bool>,
    ) -> Result<Self, Failure> {
        let (trees, root) = (recipe.trees(), &context.directory);
        let name = format!("{}:{}", recipe.repository, recipe.tag);
        let mut outputs = Self {
            layout: None,
            steps: Vec::new(),
            identifier: None,
            metadata: None,
            name: name.clone(),
            directories: place::directories(context)?,
            quiet: context.verbosity.quiet,
        };
        for output in arguments.outputs()? {
            let path = |path: Utf8PathBuf, kind| (kind, path.into_string());
            let (what, (kind, destination)) = match output.to {
                To::Archive { file, docker } => {
                    let delivery = to_file(&trees, root, &file)?;
                    let (archive, kind) = if docker {
                        let archive = Archive::Docker(name.clone());
                        (archive, BuildOutputKind::DockerArchive)
                    } else {
                        (Archive::Oci, BuildOutputKind::Archive)
                    };
                    (What::Deliver(archive, delivery), path(file, kind))
                }
                To::Layout(directory) => {
                    let delivery = Delivery::to_path(&trees, root, &directory, false)?;
                    if let Delivery::Directory(full) = &delivery {
                        outputs.layout = Some(full.clone());
                    }
                    let what = What::Deliver(Archive::Oci, delivery);
                    (what, path(directory, BuildOutputKind::Layout))
                }
                To::Files(directory) => {
                    let full = delivery::to_files(&trees, root, &directory)?;
                    (What::Files(full), path(directory, BuildOutputKind::Files))
                }
                To::Store(engine) => {
                    let selected;
                    let store = if let Some(engine) = engine {
                        selected = context.select_named(&engine, interrupted).await?;
                        &selected
                    } else {
                        builds
                    };
                    can_load(store)?;
                    let backend = Arc::clone(&store.backend);
                    let engine = backend.id().to_owned();
                    (What::Load(backend), (BuildOutputKind::Store, engine))
                }
                To::Registry(reference) => {
                    let own = || tagged(&name).map_err(|error| usage(error, None));
                    let reference = reference.map_or_else(own, Ok)?;
                    let told = (BuildOutputKind::Registry, reference.to_string());
                    let publisher = client(context, "push")?.publisher();
                    (What::Push(publisher, reference), told)
                }
            };
            let told = BuildOutput { kind, destination };
            outputs.steps.push(Step { told, what });
        }
        let [identifier, metadata] = arguments.notes();
        let note = |path: Option<&Utf8Path>| {
            let delivery = path.map(|path| Delivery::to_path(&trees, root, path, true));
            delivery.transpose()
        };
        (outputs.identifier, outputs.metadata) = (note(identifier)?, note(metadata)?);
        let steps = outputs.steps.iter();
        let told = steps.map(|step| (step.told.kind.is_path(), step.told.destination.as_str()));
        let notes = [identifier, metadata].into_iter().flatten();
        let mut seen = BTreeSet::new();
        let mut all = told.chain(notes.map(|path| (true, path.as_str())));
        if let Some((_, twice)) = all.find(|each| !seen.insert(*each)) {
            let message = format!("two outputs go to `{twice}`");
            return Err(usage(message, Some("name another for one of them")));
        }
        Ok(outputs)
    }

    /// Has an image delivered. Returns what was done.
    pub(super) fn deliver(
        self,
        image: &ImageSet,
        interrupted: &watch::Receiver<bool>,
    ) -> Result<Vec<BuildOutput>, Failure> {
        let mut done = Vec::new();
        for Step { mut told, what } in self.steps {
            match what {
                What::Deliver(archive, delivery) => build::deliver(image, &archive, delivery)?,
                What::Files(directory) => files::write(image, &directory, interrupted)?,
                What::Load(backend) => {
                    let to = (self.name.as_str(), backend.as_ref());
                    load(image, &self.directories, to, interrupted)?;
                }
                What::Push(publisher, reference) => {
                    let pushing = push(image, &publisher, &reference, self.quiet);
                    Handle::current()
                        .block_on(wait::unless(&mut interrupted.clone(), pushing))??;
                    told.destination = format!("{}@{}", told.destination, image.digest());
                }
            }
            done.push(told);
        }
        if let Some(metadata) = self.metadata {
            let text = render::foreign_text(&metadata_of(image, &self.name));
            metadata.write(text.as_bytes())?;
        }
        if let Some(identifier) = self.identifier {
            identifier.write(identifier_of(image).as_bytes())?;
        }
        Ok(done)
    }
}

/// Finds where an archive goes.
fn to_file(trees: &[Utf8PathBuf], root: &Utf8Path, file: &Utf8Path) -> Result<Delivery, Failure> {
    if file == "-" {
        let stdout = io::stdout();
        let is_terminal = stdout.is_terminal();
        return Ok(Delivery::to_output(stdout.as_fd(), is_terminal, true)?);
    }
    Ok(Delivery::to_path(trees, root, file, true)?)
}

/// Puts the image into an engine's store, under its name.
fn load(
    image: &ImageSet,
    directories: &Directories,
    (name, backend): (&str, &dyn Backend),
    interrupted: &watch::Receiver<bool>,
) -> Result<(), Failure> {
    let image = image.first();
    let layout = image.directory().to_owned();
    let work = Work::begin(directories, "load")?;
    let loading = build::load_layout(image, layout, name, backend, work.directory());
    let loaded = Handle::current().block_on(wait::unless(&mut interrupted.clone(), loading));
    work.end(false)?;
    loaded??;
    Ok(())
}

/// Pushes the image to a registry.
async fn push(
    image: &ImageSet,
    publisher: &Publisher,
    reference: &Reference,
    quiet: bool,
) -> Result<(), Failure> {
    let Version::Tag(tag) = &reference.version else {
        unreachable!("an output has a name with a tag");
    };
    let layout = image.first().directory();
    let blobs = Directory::open(&layout.join("blobs/sha256"));
    let blobs = blobs.map_err(|error| place::cannot("read", layout, &error))?;
    let repository = &reference.repository;
    let top = image.digest();
    let publication = Publication::open(repository, Some(tag), blobs, top, &Limits::DEFAULT)?;
    let pushed = publisher.push(&publication).await?;
    if !quiet {
        render::note(&format!("{reference}: {}", pushed.sent));
        if let Some(before) = pushed.before {
            render::note(&format!("{reference} was {before} before"));
        }
    }
    Ok(())
}

/// Returns what Docker and Podman call an image: the digest of its configuration; of several, that of the index.
fn identifier_of(image: &ImageSet) -> String {
    match image.images() {
        [only] => only.manifest().config.digest.to_string(),
        _ => image.digest().to_string(),
    }
}

/// Returns what is known of an image, as `docker buildx build --metadata-file` writes it.
fn metadata_of(image: &ImageSet, name: &str) -> ImageMetadata {
    let digest = image.digest();
    let top = image.blobs().into_iter().find(|blob| blob.digest == digest);
    let top = top.expect("what an image is called is one of its documents");
    let config = match image.images() {
        [only] => Some(only.manifest().config.digest.into()),
        _ => None,
    };
    ImageMetadata {
        config,
        descriptor: ImageDescriptor {
            media_type: top.media_type.clone(),
            digest: digest.into(),
            size: top.size,
        },
        digest: digest.into(),
        name: name.to_owned(),
    }
}
