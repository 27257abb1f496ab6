//! Makes one package: is it up to date; if not, lower it, have it built, and write its image.
//!
//! Knows nothing of other packages but the digests of those that this one needs.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use backend_api::{BuiltImage, EngineImage};
use camino::Utf8PathBuf;
use containerfile::{Build, Containerfile};
use oci_image::{Digest, Layout};
use package_tree::PlannedPackage;
use tokio::sync::watch;
use tokio::task::spawn_blocking;

use crate::claim::Claim;
use crate::context;
use crate::error::{Error, IoContext};
use crate::event::{Event, Listener};
use crate::folders::{Folders, remove_folder};
use crate::hashes::Hashes;
use crate::image;
use crate::log::Log;
use crate::make::Job;
use crate::record::{Inputs, Record};
use crate::request::{self, Prepared};
use crate::resolve;

/// A package that is there.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Made {
    pub digest: Digest,
    /// It was there before, made from the same inputs.
    pub fresh: bool,
}

/// A package that could not be made.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct Failure {
    /// Why.
    #[source]
    pub error: Error,
    /// The log of its build.
    pub log: Utf8PathBuf,
    /// The last lines of the log; none if the engine was never started.
    pub last_lines: Vec<String>,
}

/// Makes packages of one job.
pub(crate) struct Maker {
    pub job: Job,
    pub folders: Folders,
    pub hashes: Hashes,
    pub listener: Arc<dyn Listener>,
}

impl Maker {
    /// Makes the package at `place` of the plan. `needed` are the digests of what it needs.
    pub(crate) async fn make(
        self: Arc<Self>,
        place: usize,
        needed: BTreeMap<String, Digest>,
        mut interrupted: watch::Receiver<bool>,
    ) -> Result<Made, Failure> {
        let name = self.package(place).name.clone();
        let log = self.folders.log(&name);
        let bare = |error| Failure {
            error,
            log: log.clone(),
            last_lines: Vec::new(),
        };

        let this = Arc::clone(&self);
        let studied = blocking(move || this.study(place, &needed))
            .await
            .map_err(bare)?;
        let subject = match studied {
            Studied::Fresh(digest) => {
                let this = Arc::clone(&self);
                blocking(move || this.archive(place)).await.map_err(bare)?;
                return Ok(Made {
                    digest,
                    fresh: true,
                });
            }
            Studied::Stale(subject) => subject,
        };
        self.listener.hear(Event::Started {
            package: name.clone(),
        });
        let writer = Log::begin(&name, &log, Arc::clone(&self.listener)).map_err(bare)?;
        let writer = Arc::new(writer);
        let digest = self.build(place, *subject, &writer, &mut interrupted).await;
        let last_lines = writer.end();
        digest
            .map(|digest| Made {
                digest,
                fresh: false,
            })
            .map_err(|error| Failure {
                error,
                log,
                last_lines,
            })
    }

    fn package(&self, place: usize) -> &PlannedPackage {
        &self.job.plan.packages[place]
    }

    /// Finds out what a package's image is a function of, and whether that is what it was made
    /// from last time.
    fn study(&self, place: usize, needed: &BTreeMap<String, Digest>) -> Result<Studied, Error> {
        let package = self.package(place);
        let folder = self.job.root.join(&package.context);
        let files = context::list(&folder)?;
        let key = key(package, &folder, &files, needed, &self.hashes)?;
        let again = self.job.options.no_cache && package.requested;
        if !again && let Some(digest) = self.fresh(&package.name, &key)? {
            return Ok(Studied::Fresh(digest));
        }
        let (file, build) = resolve::resolve(&self.job.root, &self.folders, package)?;
        Ok(Studied::Stale(Box::new(Subject {
            file,
            build,
            files,
            key,
        })))
    }

    /// Returns the digest of what lies in `out/`, if it was made from the inputs with `key`.
    fn fresh(&self, name: &str, key: &str) -> Result<Option<Digest>, Error> {
        let Some(record) = Record::read(&self.folders.record(name))? else {
            return Ok(None);
        };
        let there = Layout::open(&self.folders.output(name)).map(|layout| layout.manifest_digest());
        let same = record.key == key && there.is_ok_and(|digest| digest == record.digest);
        Ok(same.then_some(record.digest))
    }

    /// Has a package built in a work folder of its own, which is gone afterwards.
    async fn build(
        self: &Arc<Self>,
        place: usize,
        subject: Subject,
        log: &Arc<Log>,
        interrupted: &mut watch::Receiver<bool>,
    ) -> Result<Digest, Error> {
        let start = Instant::now();
        let parent = self.folders.work();
        let prefix = format!("{}-", self.package(place).name);
        let work = tempfile::Builder::new()
            .prefix(&prefix)
            .rand_bytes(8)
            .tempdir_in(&parent)
            .at("make folder in", &parent)?
            .keep();
        let work = Utf8PathBuf::from_path_buf(work).expect("what is below UTF-8 is UTF-8");
        let result = self
            .build_in(place, subject, &work, start, log, interrupted)
            .await;
        let clear = work.clone();
        // After an interruption the claim stays: the next make looks once more.
        let claim = match &result {
            Err(Error::Interrupted) => Claim::read(&work),
            _ => None,
        };
        let cleared = blocking(move || {
            remove_folder(&clear).at("remove", &clear)?;
            claim.map_or(Ok(()), |claim| claim.write(&clear))
        });
        if let Err(error) = cleared.await {
            log.notice(&error.to_string());
        }
        result
    }

    async fn build_in(
        self: &Arc<Self>,
        place: usize,
        subject: Subject,
        work: &Utf8PathBuf,
        start: Instant,
        log: &Arc<Log>,
        interrupted: &mut watch::Receiver<bool>,
    ) -> Result<Digest, Error> {
        let (this, folder) = (Arc::clone(self), work.clone());
        let (prepared, subject) = blocking(move || {
            let package = this.package(place);
            let prepared = request::prepare(&this.job, &this.folders, package, &subject, &folder)?;
            Ok((prepared, subject))
        })
        .await?;
        for notice in &prepared.notices {
            log.notice(notice);
        }

        if prepared.request.steps.is_empty() {
            // There is nothing that an engine could make, and some refuse to make nothing.
            let nothing = EngineImage { layers: Vec::new() };
            return self.keep(place, nothing, subject, start, log).await;
        }
        let backend = &self.job.backend;
        let claim = Claim {
            runtime: backend.id().to_owned(),
            image: abandoned(&prepared),
        };
        claim.write(work)?;
        let built = tokio::select! {
            built = backend.build(&prepared.request, log.as_ref()) => built?,
            () = stopped(interrupted) => {
                // Whatever of it came into the engine's store goes away again.
                self.remove(claim.image, log).await;
                return Err(Error::Interrupted);
            }
        };
        let written = self
            .write(place, &built, subject, work, start, log, interrupted)
            .await;
        self.remove(built, log).await;
        written
    }

    /// Takes the layers of a built image and writes the package's image.
    #[expect(
        clippy::too_many_arguments,
        reason = "a step of one long way, which shares its state"
    )]
    async fn write(
        self: &Arc<Self>,
        place: usize,
        built: &BuiltImage,
        subject: Subject,
        work: &Utf8PathBuf,
        start: Instant,
        log: &Arc<Log>,
        interrupted: &mut watch::Receiver<bool>,
    ) -> Result<Digest, Error> {
        let folder = work.join("layers");
        context::make_folder(&folder)?;
        let layers: EngineImage = tokio::select! {
            layers = self.job.backend.export(built, &folder) => layers?,
            () = stopped(interrupted) => return Err(Error::Interrupted),
        };
        self.keep(place, layers, subject, start, log).await
    }

    /// Writes the package's image, and its record.
    async fn keep(
        self: &Arc<Self>,
        place: usize,
        layers: EngineImage,
        subject: Subject,
        start: Instant,
        log: &Arc<Log>,
    ) -> Result<Digest, Error> {
        let (this, log) = (Arc::clone(self), Arc::clone(log));
        blocking(move || {
            let package = this.package(place);
            let digest = image::write(
                &this.job,
                &this.folders,
                package,
                &subject.build,
                &layers,
                &log,
            )?;
            let record = Record {
                key: subject.key,
                digest,
                runtime: this.job.backend.id().to_owned(),
                milliseconds: u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX),
            };
            record.write(&this.folders.record(&package.name))?;
            this.archive(place)?;
            Ok(digest)
        })
        .await
    }

    /// Writes the archives of a package that were asked for.
    fn archive(&self, place: usize) -> Result<(), Error> {
        let package = self.package(place);
        for name in &package.archives {
            let layout = Layout::open(&self.folders.output(&package.name))?;
            let path = self.folders.archive(name);
            oci_image::write_archive(&layout, &path).at("write", &path)?;
        }
        Ok(())
    }

    /// Removes an image from the engine's store. That this fails is no reason to fail a package.
    async fn remove(&self, image: BuiltImage, log: &Log) {
        if let Err(error) = self.job.backend.remove(image).await {
            log.notice(&error.to_string());
        }
    }
}

/// What came of looking at a package.
enum Studied {
    Fresh(Digest),
    Stale(Box<Subject>),
}

/// A package that has to be built.
pub(crate) struct Subject {
    pub file: Containerfile,
    pub build: Build,
    pub files: Vec<context::ContextFile>,
    pub key: String,
}

/// Writes down everything that a package's image is a function of, and hashes it.
fn key(
    package: &PlannedPackage,
    folder: &camino::Utf8Path,
    files: &[context::ContextFile],
    needed: &BTreeMap<String, Digest>,
    hashes: &Hashes,
) -> Result<String, Error> {
    use context::ContextFileKind::{File, Folder, Symlink};

    let mut inputs = Inputs::default();
    inputs.add("output", &package.name, package.tag());
    inputs.add("platforms", "", &package.platforms.join(","));
    inputs.add("target", "", package.target.as_deref().unwrap_or_default());
    for (name, value) in &package.build_args {
        inputs.add("argument", name, value);
    }
    for file in files {
        match &file.kind {
            Folder => inputs.add("folder", file.path.as_str(), ""),
            Symlink(target) => inputs.add("symlink", file.path.as_str(), target.as_str()),
            File { executable } => {
                let path = folder.join(&file.path);
                let hash = hashes.sha256(&path).at("read", &path)?;
                let kind = if *executable { "program" } else { "file" };
                inputs.add(kind, file.path.as_str(), &hash);
            }
        }
    }
    for source in &package.sources {
        inputs.add("source", &source.file, &source.hash);
    }
    for (name, digest) in needed {
        inputs.add("dependency", name, &digest.to_string());
    }
    Ok(inputs.key())
}

/// Returns how a build that was ended is named to the backend, so that it can clean up.
fn abandoned(prepared: &Prepared) -> BuiltImage {
    let request = &prepared.request;
    BuiltImage {
        key: request.key.clone(),
        reference: request.key.name(),
        also_made: Vec::new(),
        steps: request.steps.clone(),
        base_layers: request.base_layers,
        work: request.work.clone(),
    }
}

/// Ends when the user has interrupted the work.
async fn stopped(interrupted: &mut watch::Receiver<bool>) {
    if interrupted.wait_for(|stop| *stop).await.is_err() {
        // Nobody is left who could interrupt it.
        std::future::pending::<()>().await;
    }
}

/// Runs work that blocks where it does not hold up others.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    spawn_blocking(work)
        .await
        .expect("work on a package does not panic")
}
