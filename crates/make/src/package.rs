//! Makes one package: is it up to date; if not, have it built, and keep its image.
//!
//! Knows nothing of other packages but the digests of those that this one needs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use backend_api::Variations;
use build::{
    Destination, Error, Event, Failure, Listener, Log, Order, Recipe, Resolved, blocking,
    inputs_of_files, resolve,
};
use documents::Reason;
use oci_image::{Digest, ImageSet, Profile};
use package_tree::{Hermetic, Plan, PlannedPackage, Seed};
use state::{Directories, Hashes, Inputs, IoContext as _, Outputs, Record, RecordedSeed, Trust};
use tokio::sync::watch;

use crate::executor::Executor;
use crate::explain::Situation;
use crate::given::Given;
use crate::inputs::Rules;
use crate::job::Job;

/// A package that is there.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MadePackage {
    pub digest: Digest,
    /// It was there before, made from the same inputs.
    pub fresh: bool,
}

/// Makes packages of one plan.
pub(crate) struct Maker {
    pub profile: &'static Profile,
    pub directories: Directories,
    pub plan: Arc<Plan>,
    pub executor: Arc<dyn Executor>,
    /// What was asked for is built even if it is up to date.
    pub no_cache: bool,
    /// What is kept from builds, where they are hermetic.
    pub hermetic: Option<Arc<Hermetic>>,
    /// What stands for the dependencies of all packages.
    pub given: Option<Arc<Given>>,
    /// The images that packages have to have, which are never built here.
    pub proven: Arc<BTreeMap<String, Digest>>,
    /// Whether some image of the plan has RUNs for what begins with it: all packages are looked at for that.
    triggers: bool,
    pub hashes: Hashes,
    pub outputs: Outputs,
    pub listener: Arc<dyn Listener>,
}

impl Maker {
    /// Reads what is remembered of the tree in which a job is done.
    pub(crate) fn new(job: Job, listener: Arc<dyn Listener>) -> Self {
        let directories = job.directories;
        let (hashes, outputs) = rayon::join(
            || Hashes::of_tree(&directories),
            || Outputs::of_tree(&directories, Trust::FileSystem),
        );
        Self {
            profile: job.profile,
            directories,
            triggers: job.plan.has_triggers(),
            plan: job.plan,
            executor: job.executor,
            no_cache: job.options.no_cache,
            hermetic: job.hermetic,
            given: job.given,
            proven: job.proven,
            hashes,
            outputs,
            listener,
        }
    }

    /// Makes the package at `place` of the plan. `needed` are the digests of what it needs.
    pub(crate) async fn make(
        self: Arc<Self>,
        place: usize,
        needed: BTreeMap<String, Digest>,
        mut interrupted: watch::Receiver<bool>,
    ) -> Result<MadePackage, Failure> {
        let name = self.package(place).name.clone();
        let log = self.directories.log(&name);
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
                return Ok(MadePackage {
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
        let writer =
            Log::begin(&name, &self.directories, Arc::clone(&self.listener)).map_err(bare)?;
        let writer = Arc::new(writer);
        for notice in &subject.notices {
            writer.notice(notice);
        }
        let digest = self.build(place, *subject, &writer, &mut interrupted).await;
        let last_lines = writer.end();
        digest
            .map(|digest| MadePackage {
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
        &self.plan.packages[place]
    }

    /// Finds out what a package's image is a function of, and whether that is what it was made
    /// from last time.
    fn study(&self, place: usize, needed: &BTreeMap<String, Digest>) -> Result<Studied, Error> {
        let package = self.package(place);
        let rules = self.rules();
        let (mut files, unseen) = rules.list(self.directories.root(), &package.context)?;
        let of_files = inputs_of_files(&package.context, &mut files, &self.hashes)?;
        let inputs = rules.inputs(package, &of_files, needed);
        let output = self.outputs.look(&package.name)?;
        let whole = output.as_ref().is_some_and(|output| output.whole);
        if self.may_stay(package)
            && let Some(output) = output
            && whole
            && inputs.have(&output.key, self.profile)
            && self.may_be(package, output.digest)
        {
            return Ok(Studied::Fresh(output.digest));
        }
        if self.proven.contains_key(&package.name) {
            let package = package.name.clone();
            return Err(Error::NotProven { package });
        }
        let record = Record::read(&self.directories, &package.name)?;
        let situation = Situation {
            profile: self.profile,
            record: &record,
            whole,
            asked: !self.may_stay(package),
            pending: &BTreeSet::new(),
        };
        let reasons = situation.reasons(inputs.beside(&record));
        let mut recipe = Recipe::of_package(self.profile, &self.directories, package);
        if let Some(given) = &self.given {
            given.give(&mut recipe);
        }
        let mut notices: Vec<String> = unseen.into_iter().collect();
        if let Some(hermetic) = &self.hermetic {
            recipe.keep_network = Some(hermetic.excepted(package));
            notices.extend(package.network.iter().map(|exception| {
                format!(
                    "the stage `{}` keeps its network: {}",
                    exception.stage, exception.reason
                )
            }));
        }
        self.executor.check_platforms(&recipe.platforms)?;
        let resolved = resolve(&recipe, files)?;
        Ok(Studied::Stale(Box::new(Subject {
            resolved,
            inputs: inputs.recorded(),
            reasons,
            notices,
        })))
    }

    /// Returns what counts as an input.
    pub(crate) fn rules(&self) -> Rules<'_> {
        Rules::new(self.hermetic.as_deref(), self.triggers)
    }

    /// Tells whether a package may stay as it is, if that is up to date.
    pub(crate) fn may_stay(&self, package: &PlannedPackage) -> bool {
        !(self.no_cache && package.requested)
    }

    /// Tells whether a package may have this image: the one that runtimes agreed on, if they were asked.
    pub(crate) fn may_be(&self, package: &PlannedPackage, digest: Digest) -> bool {
        let proven = self.proven.get(&package.name);
        proven.is_none_or(|proven| *proven == digest)
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
                key: subject.inputs.key(this.profile),
                digest: image.digest(),
                runtime: this.executor.runtime().to_owned(),
                milliseconds: u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX),
                inputs: subject.inputs,
                seeds: seeds(this.package(place)),
            };
            record.write(&this.directories, &this.package(place).name)?;
            this.archive(place)
        };
        let order = Order {
            resolved: subject.resolved,
            destination: Destination::Directory(self.directories.output(&self.package(place).name)),
            varied: Variations::default(),
            keep: Box::new(keep),
        };
        self.executor.execute(order, log, interrupted).await
    }

    /// Writes the archives of a package that were asked for.
    fn archive(&self, place: usize) -> Result<(), Error> {
        let package = self.package(place);
        for name in &package.archives {
            let image = self.directories.images(&package.name)?;
            let path = self.directories.archive(name);
            self.directories.free_archive(name)?;
            oci_image::write_archive(&image, self.profile, &path).at("write", &path)?;
        }
        Ok(())
    }
}

/// Returns the seeds that have given the image of a package, once it is there.
fn seeds(package: &PlannedPackage) -> Vec<RecordedSeed> {
    let seed = |seed: &Seed| RecordedSeed {
        name: seed.name.clone(),
        hash: seed.source.hash.clone(),
    };
    package.seeds.iter().map(seed).collect()
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
    /// What a person should know of it.
    notices: Vec<String>,
}
