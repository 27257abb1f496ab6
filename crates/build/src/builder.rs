//! Has one image built from its recipe: in a work directory of its own, by one engine, to a canonical
//! layout. Whatever becomes of it, the work directory and what the engine stored are gone afterwards.
//!
//! It does not know who needs the image, nor whether it is there already.

use std::fs;
use std::sync::Arc;

use backend_api::{BuildKey, BuiltImage, EngineImage, StepId, Variations};
use camino::{Utf8Path, Utf8PathBuf};
use oci_image::{Digest, ImageSet, Layout};
use package_tree::Seed;
use tokio::sync::watch;

use crate::cleanup::{CleanupRecord, Work};
use crate::context;
use crate::engine::Engine;
use crate::error::Error;
use crate::image;
use crate::log::Log;
use crate::platform::check_platforms;
use crate::request::{self, Prepared};
use crate::resolve::{Resolved, first_line};
use crate::seed;
use crate::wait::{blocking, stopped};
use state::{Directories, IoContext as _};

/// Builds images.
#[derive(Debug)]
pub struct Builder {
    /// Where it works.
    pub directories: Directories,
    /// What with.
    pub engine: Engine,
}

/// An image to build.
pub struct Order {
    /// What it is built from, for each of its platforms; at least one.
    pub resolved: Vec<Resolved>,
    /// Where its layout is written.
    pub destination: Destination,
    /// What is varied around its builds.
    pub varied: Variations,
    /// What to do with the image as soon as it is there.
    pub keep: Keep,
}

/// What is done with an image that is there.
pub type Keep = Box<dyn FnOnce(&ImageSet) -> Result<(), Error> + Send>;

/// One of the builds that an image takes: there is one for each of its platforms, or for each of its seeds.
struct Part {
    resolved: Resolved,
    seed: Option<Seed>,
}

/// Where an image is built, or a part of it.
struct Place {
    /// The directory that its build works in.
    directory: Utf8PathBuf,
    /// What its build is called in the engine's store.
    key: BuildKey,
    /// What is varied around its build.
    varied: Variations,
    /// Where its layout is written.
    image: Utf8PathBuf,
}

/// Where an image's layout is written.
pub enum Destination {
    /// To this directory, whole or not at all.
    Directory(Utf8PathBuf),
    /// Into the work directory, to be gone with it.
    Work,
}

impl Builder {
    /// Has an image built, and returns its digest.
    pub async fn build(
        self: &Arc<Self>,
        order: Order,
        log: &Arc<Log>,
        interrupted: &mut watch::Receiver<bool>,
    ) -> Result<Digest, Error> {
        let recipe = &order.resolved[0].recipe;
        check_platforms(&self.engine.ready, &recipe.platforms)?;
        let (this, name) = (Arc::clone(self), recipe.name.clone());
        let work = blocking(move || Work::begin(&this.directories, &name)).await?;
        let result = self.build_all(&work, order, log, interrupted).await;
        // After an interruption the claim stays: a daemon may not have noticed yet.
        let keep_claim = matches!(result, Err(Error::Interrupted));
        if let Err(error) = blocking(move || work.end(keep_claim)).await {
            log.notice(&error.to_string());
        }
        result
    }

    /// Has the image of each platform built, one after the other, and puts them together; or that of each seed, which
    /// must be one.
    async fn build_all(
        self: &Arc<Self>,
        work: &Work,
        order: Order,
        log: &Arc<Log>,
        interrupted: &mut watch::Receiver<bool>,
    ) -> Result<Digest, Error> {
        let directory = work.directory();
        let destination = match order.destination {
            Destination::Directory(directory) => directory,
            Destination::Work => directory.join("image"),
        };
        let name = work.name();
        let recipe = order.resolved[0].recipe.clone();
        let parts = parts(order.resolved);
        let count = parts.len();
        if !recipe.seeds().1.is_empty() {
            let (directories, name) = (self.directories.clone(), recipe.name.clone());
            blocking(move || directories.clear_seeds(&name)).await?;
        }
        let mut images = Vec::new();
        for (number, part) in (1..).zip(parts) {
            if let Some(seed) = &part.seed {
                log.seed(&seed.name, number, count);
            } else if count > 1 {
                log.line(&format!("for {}:", part.resolved.name));
            }
            let place = if count > 1 {
                let label = match &part.seed {
                    Some(_) => &format!("seed-{number}"),
                    None => &part.resolved.name,
                };
                // What makes a key unique stays its last part.
                let (package, unique) = name.rsplit_once('-').unwrap_or((name, ""));
                let key = BuildKey::new(&format!("{package}-{label}-{unique}"));
                let directory = directory.join(key.as_str());
                context::make_directory(&directory)?;
                let image = directory.join("image");
                Place {
                    directory,
                    key,
                    varied: order.varied.clone(),
                    image,
                }
            } else {
                Place {
                    directory: directory.to_owned(),
                    key: BuildKey::new(name),
                    varied: order.varied.clone(),
                    image: destination.clone(),
                }
            };
            images.push(place.image.clone());
            self.build_part(work, place, part, log, interrupted).await?;
        }
        let directories = self.directories.clone();
        blocking(move || {
            let (_, seeds) = recipe.seeds();
            if !seeds.is_empty() {
                seed::agree(seeds, &images, &recipe.name, &directories)?;
                images.truncate(1);
            }
            if count > 1 {
                let images = images.iter().map(|image| Layout::open(image));
                let images: Vec<Layout> = images.collect::<Result<_, _>>()?;
                oci_image::put_together(&images, recipe.profile, &destination)?;
            }
            let image = ImageSet::open(&destination)?;
            (order.keep)(&image)?;
            Ok(image.digest())
        })
        .await
    }

    /// Has a part of an image built, from its seed if it has one.
    async fn build_part(
        self: &Arc<Self>,
        work: &Work,
        place: Place,
        part: Part,
        log: &Arc<Log>,
        interrupted: &mut watch::Receiver<bool>,
    ) -> Result<(), Error> {
        let Part { mut resolved, seed } = part;
        let planted = place.directory.join("seed");
        let of_seed = seed.is_some();
        if let Some(seed) = seed {
            let below = planted.clone();
            let plant = move || {
                let (fetch, _) = resolved.recipe.seeds();
                let fetch = fetch.to_owned();
                seed::plant(&mut resolved, &seed, &fetch, &below)?;
                Ok::<_, Error>(resolved)
            };
            resolved = blocking(plant).await?;
        }
        self.build_one(work, place, Arc::new(resolved), log, interrupted)
            .await?;
        if of_seed {
            // The next one may need the room.
            let remove = move || fs::remove_dir_all(&planted).at("remove", &planted);
            blocking(remove).await?;
        }
        Ok(())
    }

    async fn build_one(
        self: &Arc<Self>,
        work: &Work,
        place: Place,
        resolved: Arc<Resolved>,
        log: &Arc<Log>,
        interrupted: &mut watch::Receiver<bool>,
    ) -> Result<(), Error> {
        let Place {
            directory,
            key,
            varied,
            image,
        } = place;
        let (this, subject, below) = (Arc::clone(self), Arc::clone(&resolved), directory.clone());
        let prepare = move || request::prepare(&this.engine, &subject, varied, key, &below);
        let prepared = blocking(prepare).await?;
        for notice in &prepared.notices {
            log.notice(notice);
        }

        if prepared.request.steps.is_empty() {
            // There is nothing that an engine could make, and some refuse to make nothing.
            let nothing = EngineImage { layers: Vec::new() };
            return self.write(nothing, resolved, image, log).await;
        }
        log.follow(steps(&resolved, &prepared));
        let claim = CleanupRecord {
            runtime: self.engine.backend.id().to_owned(),
            image: abandoned(&prepared),
        };
        work.claim(&claim)?;
        let built = tokio::select! {
            built = self.engine.backend.build(&prepared.request, log.as_ref()) => {
                built.map_err(|error| resolved.place(error))?
            }
            () = stopped(interrupted) => {
                // Whatever of it came into the engine's store goes away again.
                self.remove(claim.image, log).await;
                return Err(Error::Interrupted);
            }
        };
        let exported = self.export(&directory, &built, interrupted).await;
        // The layers are ours now: the engine's image goes while they are read.
        let write = async { self.write(exported?, resolved, image, log).await };
        tokio::join!(write, self.remove(built, log)).0
    }

    /// Takes the layers of a built image.
    async fn export(
        &self,
        work: &Utf8Path,
        built: &BuiltImage,
        interrupted: &mut watch::Receiver<bool>,
    ) -> Result<EngineImage, Error> {
        let directory = work.join("layers");
        context::make_directory(&directory)?;
        tokio::select! {
            layers = self.engine.backend.export(built, &directory) => Ok(layers?),
            () = stopped(interrupted) => Err(Error::Interrupted),
        }
    }

    /// Writes the canonical image to `destination`.
    async fn write(
        self: &Arc<Self>,
        layers: EngineImage,
        resolved: Arc<Resolved>,
        destination: Utf8PathBuf,
        log: &Arc<Log>,
    ) -> Result<(), Error> {
        let (this, log) = (Arc::clone(self), Arc::clone(log));
        blocking(move || image::write(&this.engine, &resolved, &layers, &destination, &log)).await
    }

    /// Removes an image from the engine's store. That this fails is no reason to fail a build.
    async fn remove(&self, image: BuiltImage, log: &Log) {
        if let Err(error) = self.engine.backend.remove(image).await {
            log.notice(&error.to_string());
        }
    }
}

/// Returns the builds that an image takes.
fn parts(resolved: Vec<Resolved>) -> Vec<Part> {
    let (_, seeds) = resolved[0].recipe.seeds();
    if seeds.is_empty() {
        let part = |resolved| Part {
            resolved,
            seed: None,
        };
        return resolved.into_iter().map(part).collect();
    }
    assert_eq!(resolved.len(), 1, "a plan has seeds on one platform only");
    let part = |seed: &Seed| Part {
        resolved: resolved[0].clone(),
        seed: Some(seed.clone()),
    };
    seeds.iter().map(part).collect()
}

/// Returns how a build that was ended is named to the backend, so that it can clean up.
fn abandoned(prepared: &Prepared) -> BuiltImage {
    let request = &prepared.request;
    BuiltImage::of(request, request.key.name())
}

/// Returns the steps that the engine will do, each with its instruction in one line.
fn steps(resolved: &Resolved, prepared: &Prepared) -> Vec<(StepId, String)> {
    let stages = prepared.request.stages.iter();
    let steps = stages.flat_map(|stage| &stage.steps);
    let steps = steps.filter_map(|step| Some((step.id, resolved.step(step.id)?)));
    steps.map(|(id, step)| (id, first_line(step))).collect()
}
