//! Makes one package: is it up to date; if not, have it built, and keep its image.
//!
//! Knows nothing of other packages but the digests of those that this one needs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use camino::{Utf8Path, Utf8PathBuf};
use oci_image::{Digest, ImageSet};
use package_tree::PlannedPackage;
use tokio::sync::watch;

use crate::builder::{Builder, Destination, Order, blocking, cache};
use crate::context::{self, Fetched};
use crate::error::{Error, IoContext};
use crate::event::{Event, Listener};
use crate::explain::{Reason, Situation};
use crate::folders::Folders;
use crate::hashes::Hashes;
use crate::log::Log;
use crate::make::Job;
use crate::outputs::{Outputs, Trust};
use crate::platform::check_platforms;
use crate::recipe::Recipe;
use crate::record::{DEPENDENCY, Inputs, Record};
use crate::resolve::{self, Resolved};

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
    pub builder: Arc<Builder>,
    pub hashes: Hashes,
    pub outputs: Outputs,
    pub listener: Arc<dyn Listener>,
}

impl Maker {
    /// Reads what is remembered of the tree that the job is for.
    pub(crate) fn new(job: Job, listener: Arc<dyn Listener>) -> Result<Self, Error> {
        let folders = job.folders.clone();
        let (hashes, outputs) = rayon::join(
            || Hashes::of_tree(&folders),
            || Outputs::of_tree(&folders, Trust::FileSystem),
        );
        let options = job.options;
        let builder = Builder {
            cache: cache(options.no_cache, &folders, job.backend.as_ref())?,
            folders,
            backend: Arc::clone(&job.backend),
            ready: job.ready.clone(),
            network: options.network,
        };
        Ok(Self {
            job,
            builder: Arc::new(builder),
            hashes,
            outputs,
            listener,
        })
    }

    /// Makes the package at `place` of the plan. `needed` are the digests of what it needs.
    pub(crate) async fn make(
        self: Arc<Self>,
        place: usize,
        needed: BTreeMap<String, Digest>,
        mut interrupted: watch::Receiver<bool>,
    ) -> Result<Made, Failure> {
        let name = self.package(place).name.clone();
        let log = self.folders().log(&name);
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
            reasons: subject.reasons.clone(),
        });
        let writer = Log::begin(&name, self.folders(), Arc::clone(&self.listener)).map_err(bare)?;
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

    fn folders(&self) -> &Folders {
        &self.builder.folders
    }

    fn package(&self, place: usize) -> &PlannedPackage {
        &self.job.plan.packages[place]
    }

    /// Finds out what a package's image is a function of, and whether that is what it was made
    /// from last time.
    fn study(&self, place: usize, needed: &BTreeMap<String, Digest>) -> Result<Studied, Error> {
        let package = self.package(place);
        let folder = context::of_package(self.job.folders.root(), &package.context)?;
        let mut files = context::list(&folder, Fetched::Foreign)?;
        let of_files = inputs_of_files(&package.context, &mut files, &self.hashes)?;
        let inputs = inputs(package, &of_files, needed);
        let output = self.outputs.look(&package.name)?;
        let whole = output.as_ref().is_some_and(|output| output.whole);
        if self.may_stay(package)
            && let Some(output) = output
            && whole
            && output.key == inputs.key()
        {
            return Ok(Studied::Fresh(output.digest));
        }
        let record = Record::read(self.folders(), &package.name)?;
        let situation = Situation {
            record: &record,
            whole,
            asked: !self.may_stay(package),
            pending: &BTreeSet::new(),
        };
        let reasons = situation.reasons(&inputs);
        let recipe = Recipe::of_package(self.folders(), package);
        check_platforms(&self.job.ready, &recipe.platforms)?;
        let resolved = resolve::resolve(&recipe, files)?;
        Ok(Studied::Stale(Box::new(Subject {
            resolved,
            inputs,
            reasons,
        })))
    }

    /// Tells whether a package may stay as it is, if that is up to date.
    pub(crate) fn may_stay(&self, package: &PlannedPackage) -> bool {
        !(self.job.options.no_cache && package.requested)
    }

    /// Has a package built; its record and its archives follow as soon as it is there.
    async fn build(
        self: &Arc<Self>,
        place: usize,
        subject: Subject,
        log: &Arc<Log>,
        interrupted: &mut watch::Receiver<bool>,
    ) -> Result<Digest, Error> {
        let (this, start) = (Arc::clone(self), Instant::now());
        let keep = move |image: &ImageSet| {
            let record = Record {
                key: subject.inputs.key(),
                digest: image.digest(),
                runtime: this.builder.backend.id().to_owned(),
                milliseconds: u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX),
                inputs: subject.inputs,
            };
            record.write(this.folders(), &this.package(place).name)?;
            this.archive(place)
        };
        let order = Order {
            resolved: subject.resolved,
            destination: Destination::Folder(self.folders().output(&self.package(place).name)),
            keep: Box::new(keep),
        };
        self.builder.build(order, log, interrupted).await
    }

    /// Writes the archives of a package that were asked for.
    fn archive(&self, place: usize) -> Result<(), Error> {
        let package = self.package(place);
        for name in &package.archives {
            let image = self.folders().images(&package.name)?;
            let path = self.folders().archive(name);
            self.folders().free_archive(name)?;
            oci_image::write_archive(&image, &path).at("write", &path)?;
        }
        Ok(())
    }
}

/// What came of looking at a package.
enum Studied {
    Fresh(Digest),
    Stale(Box<Subject>),
}

/// A package that has to be built.
struct Subject {
    resolved: Vec<Resolved>,
    inputs: Inputs,
    /// Why it has to be.
    reasons: Vec<Reason>,
}

/// Writes down everything that a package's image is a function of: `files` are its files, and
/// `needed` what it needs.
pub(crate) fn inputs(
    package: &PlannedPackage,
    files: &Inputs,
    needed: &BTreeMap<String, Digest>,
) -> Inputs {
    let mut inputs = Inputs::default();
    inputs.add("output", &package.name, package.tag());
    inputs.add("platforms", "", &package.platforms.join(","));
    inputs.add("target", "", package.target.as_deref().unwrap_or_default());
    for (name, value) in &package.build_arguments() {
        inputs.add("argument", name, value);
    }
    inputs.extend(files);
    for source in &*package.sources {
        inputs.add("source", &source.file, &source.hash);
    }
    for (name, digest) in needed {
        inputs.add(DEPENDENCY, name, &digest.to_string());
    }
    inputs
}

/// Writes down the files of a package, which lie in `folder` of the tree, and with each of them the hash by
/// which it is known from now on.
pub(crate) fn inputs_of_files(
    folder: &Utf8Path,
    files: &mut [context::ContextFile],
    hashes: &Hashes,
) -> Result<Inputs, Error> {
    use context::ContextFileKind::{File, Folder, Special, Symlink};

    let mut inputs = Inputs::default();
    for file in files {
        match &mut file.kind {
            Folder => inputs.add("folder", file.path.as_str(), ""),
            Symlink(target) => inputs.add("symlink", file.path.as_str(), target.as_str()),
            Special(found) => inputs.add("special", file.path.as_str(), found),
            File {
                executable,
                identity,
                hash: known,
            } => {
                let path = folder.join(&file.path);
                let hash = hashes.sha256(&path, *identity).at("read", &path)?;
                let kind = if *executable { "program" } else { "file" };
                inputs.add(kind, file.path.as_str(), &hash);
                *known = Some(hash);
            }
        }
    }
    Ok(inputs)
}
