//! Makes what a plan asks for: decides what runs when, and is the one owner of what became of
//! each package. How one package is made is [`crate::package`]'s matter.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use build::{Error, Event, Failure, Listener, Space, blocking, check_space, unless};
use documents::ErrorKind;
use oci_image::Digest;
use package_tree::{Plan, PlannedPackage};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::job::{Job, Options};
use crate::memory::Memory;
use crate::package::{MadePackage, Maker};
use crate::refused::refusals;
use crate::scan::scan;
use crate::schedule::Schedule;
use crate::sources::Sources;

/// What became of a package.
#[derive(Debug)]
pub enum Outcome {
    /// It was there, made from the same inputs.
    Fresh(Digest),
    /// It was built.
    Built {
        /// The digest of its manifest.
        digest: Digest,
        /// How long it took.
        duration: Duration,
    },
    /// It could not be built.
    Failed(Box<Failure>),
    /// It was not tried: something that it needs failed, or the work was stopped before.
    Skipped,
}

impl Outcome {
    /// Returns the digest of the package's manifest, if it is there.
    pub fn digest(&self) -> Option<Digest> {
        match self {
            Self::Fresh(digest) | Self::Built { digest, .. } => Some(*digest),
            Self::Failed(_) | Self::Skipped => None,
        }
    }
}

/// What became of everything.
#[derive(Debug)]
pub struct Report {
    /// Each package of the plan, by its full name, in the plan's order.
    pub packages: Vec<(String, Outcome)>,
    /// Whether the work was interrupted.
    pub interrupted: bool,
}

impl Report {
    /// Returns of which kind the failure is that the work ended with; nothing if everything is there.
    pub fn failure(&self) -> Option<ErrorKind> {
        if self.interrupted {
            return Some(ErrorKind::Interrupted);
        }
        let outcomes = self.packages.iter().map(|(_, outcome)| outcome);
        if outcomes.clone().all(|outcome| outcome.digest().is_some()) {
            return None;
        }
        let failed = outcomes.filter_map(|outcome| match outcome {
            Outcome::Failed(failed) => Some(failed.kind()),
            Outcome::Fresh(_) | Outcome::Built { .. } | Outcome::Skipped => None,
        });
        // An image that is not one is what was looked for; and a package's own fault is what there is to mend.
        let of_package =
            |kind: ErrorKind| !matches!(kind, ErrorKind::Environment | ErrorKind::Transient);
        let kinds: Vec<ErrorKind> = failed.collect();
        match kinds.first() {
            _ if kinds.contains(&ErrorKind::Differs) => Some(ErrorKind::Differs),
            Some(kind) if !kinds.iter().copied().any(of_package) => Some(*kind),
            _ => Some(ErrorKind::Package),
        }
    }
}

/// Makes what the job's plan asks for, and tells `listener` what happens.
///
/// When `interrupted` becomes true, running builds are ended, what they put into the engine's
/// store is removed, and the report comes with what was finished.
///
/// # Errors
///
/// Only what concerns the work as a whole; a package that fails is in the report.
pub async fn make(
    job: Job,
    listener: Arc<dyn Listener>,
    interrupted: watch::Receiver<bool>,
) -> Result<Report, Error> {
    let directories = job.directories.clone();
    let executor = Arc::clone(&job.executor);
    let opening = executor.open(&directories, &listener);
    let session = unless(interrupted.clone(), opening).await?;

    listener.hear(Event::Began {
        packages: job.plan.packages.len(),
        runtime: executor.runtime().to_owned(),
    });
    let mut work = Work::new(job, listener, interrupted).await?;
    work.run().await;
    // That they cannot be written costs only time, the next time.
    let _ = work.maker.hashes.write();
    let _ = work.maker.outputs.write();
    executor.close(session).await?;
    Ok(work.report())
}

/// The one owner of what became of each package.
struct Work {
    names: Vec<String>,
    dependencies: Vec<Vec<usize>>,
    schedule: Schedule,
    memory: Memory,
    /// When each package that is being made was begun.
    begun: BTreeMap<usize, Instant>,
    /// The packages whose sources are being brought: they are not begun before.
    awaited: BTreeSet<usize>,
    outcomes: BTreeMap<usize, Outcome>,
    maker: Arc<Maker>,
    sources: Arc<dyn Sources>,
    listener: Arc<dyn Listener>,
    interrupted: watch::Receiver<bool>,
    options: Options,
}

impl Work {
    /// Finds out what is up to date already, and prepares the rest.
    async fn new(
        job: Job,
        listener: Arc<dyn Listener>,
        interrupted: watch::Receiver<bool>,
    ) -> Result<Self, Error> {
        let (plan, options) = (Arc::clone(&job.plan), job.options);
        let (sources, requiring) = (Arc::clone(&job.sources), Arc::clone(&job.sources));
        let dependencies = match &job.given {
            // Nothing waits for anything.
            Some(_) => vec![Vec::new(); plan.packages.len()],
            None => dependencies(&plan),
        };
        let (of_maker, of_scan) = (Arc::clone(&listener), interrupted.clone());
        let look = move || {
            let maker = Maker::new(job, of_maker);
            let found = scan(&maker, &dependencies, &of_scan);
            let packages = maker.plan.packages.iter().zip(&found.fresh);
            let stale = packages.filter_map(|(package, fresh)| fresh.is_none().then_some(package));
            let stale: Vec<_> = stale.collect();
            let refusals = refusals(
                &|recipe| maker.executor.refusals(recipe),
                maker.profile,
                &maker.directories,
                &stale,
                maker.hermetic.as_deref(),
            );
            if !refusals.is_empty() {
                let runtime = maker.executor.runtime().to_owned();
                return Err(Error::Refused { runtime, refusals });
            }
            requiring.require(&stale)?;
            if !stale.is_empty() && options.space == Space::Checked {
                let names = stale.iter().map(|package| package.name.as_str());
                check_space(&maker.directories, names)?;
            }
            Ok::<_, Error>((maker, found, dependencies))
        };
        let (maker, found, dependencies) = blocking(look).await?;
        let names = plan.packages.iter().map(|package| package.name.clone());
        let memory = if maker.executor.takes_memory_here() {
            Memory::of_machine()
        } else {
            Memory::of_others()
        };
        let mut work = Self {
            names: names.collect(),
            schedule: Schedule::new(&dependencies, &found.measured),
            memory,
            dependencies,
            begun: BTreeMap::new(),
            awaited: BTreeSet::new(),
            outcomes: BTreeMap::new(),
            maker: Arc::new(maker),
            sources,
            listener,
            interrupted,
            options,
        };
        let fresh = found.fresh.into_iter().enumerate();
        for (place, digest) in fresh.filter_map(|(place, digest)| Some((place, digest?))) {
            let package = work.names[place].clone();
            work.listener.hear(Event::Fresh { package, digest });
            work.schedule.there(place);
            work.outcomes.insert(place, Outcome::Fresh(digest));
        }
        work.estimate();
        Ok(work)
    }

    async fn run(&mut self) {
        let mut stopped = *self.interrupted.borrow();
        let mut bringing = JoinSet::new();
        if !stopped {
            self.bring(&mut bringing);
        }
        let mut running = JoinSet::new();
        loop {
            if stopped {
                // What has arrived of a download is kept; nothing waits for the rest.
                bringing.shutdown().await;
            }
            while !stopped && running.len() < self.options.jobs {
                let packages = &self.maker.plan.packages;
                let (memory, awaited) = (&self.memory, &self.awaited);
                let may = |place: usize| {
                    !awaited.contains(&place) && memory.suffices(packages[place].memory)
                };
                let Some(place) = self.schedule.next(may) else {
                    break;
                };
                self.take_memory(place);
                self.start(place, &mut running);
            }
            let failed = tokio::select! {
                Some(finished) = running.join_next() => {
                    let (place, duration, result) = finished.expect("making a package does not panic");
                    let failed = result.is_err();
                    self.finish(place, duration, result);
                    failed
                }
                Some(brought) = bringing.join_next() => {
                    let (place, result) = brought.expect("bringing sources does not panic");
                    self.brought(place, result)
                }
                else => return,
            };
            stopped |= *self.interrupted.borrow() || (failed && !self.options.keep_going);
        }
    }

    /// Begins to bring the sources of all that is to be built, in the order in which builds need them.
    fn bring(&mut self, bringing: &mut JoinSet<(usize, Result<(), Error>)>) {
        for place in self.schedule.order() {
            let package = &self.maker.plan.packages[place];
            if self.outcomes.contains_key(&place) || package.sources.is_empty() {
                continue;
            }
            self.awaited.insert(place);
            let (sources, interrupted) = (Arc::clone(&self.sources), self.interrupted.clone());
            let plan = Arc::clone(&self.maker.plan);
            bringing.spawn(async move {
                let package = &plan.packages[place];
                (place, unless(interrupted, sources.bring(package)).await)
            });
        }
    }

    /// Records that the sources of a package are there, or that it fails for want of them. Tells
    /// whether it failed.
    fn brought(&mut self, place: usize, result: Result<(), Error>) -> bool {
        self.awaited.remove(&place);
        let Err(error) = result else {
            return false;
        };
        if self.outcomes.contains_key(&place) {
            // Something that it needs failed before.
            return false;
        }
        let log = self.maker.directories.log(&self.names[place]);
        let failure = Failure {
            error,
            log,
            last_lines: Vec::new(),
        };
        self.finish(place, Duration::ZERO, Err(failure));
        true
    }

    fn take_memory(&mut self, place: usize) {
        let needed = self.maker.plan.packages[place].memory;
        if let (Some(available), Some(needed)) = (self.memory.take(place, needed), needed) {
            let gibibytes =
                |bytes: u64| format!("{}.{} GiB", bytes >> 30, (bytes >> 20) % 1024 * 10 / 1024);
            let message = format!(
                "it says that it needs {} of memory, and {} are available",
                gibibytes(needed),
                gibibytes(available)
            );
            let package = self.names[place].clone();
            self.listener.hear(Event::Notice { package, message });
        }
    }

    fn start(
        &mut self,
        place: usize,
        running: &mut JoinSet<(usize, Duration, Result<MadePackage, Failure>)>,
    ) {
        let needed = self.dependencies[place].iter().map(|need| {
            let digest = self.outcomes[need]
                .digest()
                .expect("what is needed was made before");
            (self.names[*need].clone(), digest)
        });
        let needed = match &self.maker.given {
            Some(given) => given.digests(self.maker.plan.packages[place].dependencies()),
            None => needed.collect(),
        };
        let (maker, interrupted) = (Arc::clone(&self.maker), self.interrupted.clone());
        let start = Instant::now();
        self.begun.insert(place, start);
        running.spawn(async move {
            let result = maker.make(place, needed, interrupted).await;
            (place, start.elapsed(), result)
        });
    }

    fn finish(&mut self, place: usize, duration: Duration, result: Result<MadePackage, Failure>) {
        let package = self.names[place].clone();
        let (event, outcome) = match result {
            Ok(MadePackage {
                digest,
                fresh: true,
            }) => (Event::Fresh { package, digest }, Outcome::Fresh(digest)),
            Ok(MadePackage {
                digest,
                fresh: false,
            }) => {
                let event = Event::Built {
                    package,
                    digest,
                    duration,
                };
                (event, Outcome::Built { digest, duration })
            }
            Err(Failure {
                error: Error::Interrupted,
                ..
            }) => (Event::Skipped { package }, Outcome::Skipped),
            Err(failure) => {
                let event = Event::Failed {
                    package,
                    message: failure.message(),
                    kind: failure.kind(),
                    hint: failure.error.hint(),
                    last_lines: failure.last_lines.clone(),
                };
                (event, Outcome::Failed(Box::new(failure)))
            }
        };
        self.begun.remove(&place);
        self.memory.give_back(place);
        self.listener.hear(event);
        if outcome.digest().is_some() {
            self.schedule.done(place);
        } else {
            for lost in self.schedule.failed(place) {
                self.listener.hear(Event::Skipped {
                    package: self.names[lost].clone(),
                });
                self.outcomes.insert(lost, Outcome::Skipped);
            }
        }
        self.outcomes.insert(place, outcome);
        self.estimate();
    }

    /// Says how long the rest may take, where anybody can know.
    fn estimate(&self) {
        let spent = |(&place, start): (&usize, &Instant)| (place, start.elapsed());
        let running = self.begun.iter().map(spent).collect();
        if let Some(duration) = self.schedule.remaining(self.options.jobs, &running) {
            self.listener.hear(Event::Remaining { duration });
        }
    }

    fn report(mut self) -> Report {
        let interrupted = *self.interrupted.borrow();
        let mut packages = Vec::with_capacity(self.names.len());
        for (place, name) in self.names.into_iter().enumerate() {
            packages.push((
                name,
                self.outcomes.remove(&place).unwrap_or(Outcome::Skipped),
            ));
        }
        Report {
            packages,
            interrupted,
        }
    }
}

/// Returns the places of what each package of a plan needs.
pub(crate) fn dependencies(plan: &Plan) -> Vec<Vec<usize>> {
    let places: BTreeMap<&str, usize> = plan
        .packages
        .iter()
        .enumerate()
        .map(|(place, package)| (package.name.as_str(), place))
        .collect();
    let needs =
        |package: &PlannedPackage| package.dependencies().map(|name| places[name]).collect();
    plan.packages.iter().map(needs).collect()
}

#[cfg(test)]
mod tests {
    use std::io;

    use backend_api::{Error as BackendError, ErrorKind as OfBackend, Operation};

    use super::*;

    fn full() -> build::Error {
        let source = io::ErrorKind::StorageFull.into();
        let (action, path) = ("write", "out/core-a".into());
        state::Error::Io {
            action,
            path,
            source,
        }
        .into()
    }

    fn of_engine(kind: OfBackend) -> build::Error {
        BackendError::new("native", Operation::Build, kind, "it did not go well").into()
    }

    fn failure(errors: impl IntoIterator<Item = build::Error>) -> Option<ErrorKind> {
        let failed = |error| {
            let failure = Failure {
                error,
                log: "log".into(),
                last_lines: Vec::new(),
            };
            ("core-a".to_owned(), Outcome::Failed(Box::new(failure)))
        };
        let report = Report {
            packages: errors.into_iter().map(failed).collect(),
            interrupted: false,
        };
        report.failure()
    }

    #[test]
    fn a_disk_that_is_full_is_no_packages_fault() {
        for error in [full(), of_engine(OfBackend::Storage)] {
            assert_eq!(failure([error]), Some(ErrorKind::Environment));
        }
        let own_fault = || of_engine(OfBackend::BuildFailed);
        assert_eq!(failure([own_fault()]), Some(ErrorKind::Package));
        assert_eq!(failure([full(), own_fault()]), Some(ErrorKind::Package));
        assert_eq!(failure([]), None);
    }

    #[test]
    fn seeds_that_differ_are_told_before_what_could_not_be_built() {
        let differ = || build::Error::SeedsDiffer(Vec::new());
        let own_fault = || of_engine(OfBackend::BuildFailed);
        assert_eq!(failure([differ()]), Some(ErrorKind::Differs));
        for errors in [[own_fault(), differ()], [differ(), full()]] {
            assert_eq!(failure(errors), Some(ErrorKind::Differs));
        }
    }

    #[test]
    fn what_may_pass_by_itself_is_told_from_what_does_not() {
        let gone = failure([of_engine(OfBackend::DaemonUnreachable)]).unwrap();
        assert!(gone.may_pass());
        let full = failure([full()]).unwrap();
        assert_eq!(
            (full.may_pass(), full.exit_code()),
            (false, gone.exit_code())
        );
    }
}
