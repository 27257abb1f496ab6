//! A reproduction: every runtime builds the packages, one after the other, and what came out is put side by side.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use backend_api::Variation;
use build::Listener;
use documents::{Attempt, AttemptRuntime, AttemptTree, AttemptVerdict, DependencyOrigin};
use ledger::Ledger;
use make::{Executor, Given, Options, Outcome as Made, Sources, make};
use oci_image::Profile;
use package_tree::{Hermetic, Plan, PlannedPackage};
use state::{Access, Digests, Directories, Record};
use tokio::sync::watch;

use crate::error::Error;
use crate::outcome::{Image, OfRuntime, Outcome, Report};
use crate::recorder::{Recorder, Subject};
use crate::rounds::Rounds;

/// A runtime that builds packages again.
#[derive(Debug, Clone)]
pub struct Runtime {
    /// Its name, with a label where several of one name are asked for: `docker@trixie`.
    pub label: String,
    /// The version of its program.
    pub version: String,
    /// What surrounds a build that it can vary.
    pub varies: BTreeSet<Variation>,
    /// What builds with it. It uses nothing that earlier builds have left.
    pub executor: Arc<dyn Executor>,
    /// The server whose machines it builds on, if they are not this one: nobody here has seen how.
    pub server: Option<String>,
}

/// What is to be reproduced, from what, with what.
#[derive(Debug, Clone)]
pub struct Job {
    /// The name of the reproduction.
    pub id: String,
    /// The encoding of the images.
    pub profile: &'static Profile,
    /// The tree's directories.
    pub directories: Directories,
    /// What is checked out.
    pub tree: AttemptTree,
    /// What is built again.
    pub plan: Arc<Plan>,
    /// What is recorded.
    pub recorded: Arc<Digests>,
    /// What builds it; at least one.
    pub runtimes: Vec<Runtime>,
    /// How often each package is built.
    pub rounds: u32,
    /// How many runtimes have to make one image, if not all of them.
    pub agree: Option<usize>,
    /// The recorded images of dependencies, where those are not built as well.
    pub given: Option<Arc<Given>>,
    /// Whether packages that were reproduced before are built again.
    pub clean: bool,
    /// What brings the sources of packages that are built.
    pub sources: Arc<dyn Sources>,
    /// What is kept from builds, where they are hermetic.
    pub hermetic: Option<Arc<Hermetic>>,
    /// How. Nothing that engines have kept is ever used.
    pub options: Options,
    /// The version of `stagex`.
    pub stagex: String,
}

/// Has each runtime build the packages, and puts what came out side by side. Every attempt is in `ledger` as soon as it
/// is over; what was reproduced before from the same inputs, by the same version of the same runtime, is not built again.
///
/// # Errors
///
/// What concerns the work as a whole; a package that fails or differs is in the report.
pub async fn reproduce(
    job: &Job,
    ledger: &Arc<Mutex<Ledger>>,
    listener: &Arc<dyn Listener>,
    interrupted: &watch::Receiver<bool>,
) -> Result<Report, Error> {
    // Nobody cleans the tree meanwhile, and nobody else reproduces in it.
    let (of, hearing) = (job.directories.clone(), Arc::clone(listener));
    let opening = move || {
        let waiting = &mut |process| hearing.hear(build::Event::Waiting { process });
        let tree = of.open(Access::Beside, waiting)?;
        Ok::<_, state::Error>((tree, of.of_reproductions().open(Access::Alone, waiting)?))
    };
    let opening = async { Ok(build::blocking(opening).await?) };
    let _locks = build::unless(interrupted.clone(), opening).await?;
    lock(ledger).refresh()?;

    let mut tried = BTreeMap::new();
    let mut stopped = false;
    for runtime in &job.runtimes {
        if stopped {
            break;
        }
        stopped = of_runtime(job, runtime, ledger, listener, interrupted, &mut tried).await?;
    }
    let mut images = Vec::new();
    for package in &job.plan.packages {
        for (place, platform) in package.platforms.iter().enumerate() {
            let platform = Some(platform.clone()).filter(|_| place > 0);
            let of = |runtime: &Runtime| OfRuntime {
                runtime: runtime.label.clone(),
                outcome: tried
                    .remove(&(
                        package.name.clone(),
                        platform.clone(),
                        runtime.label.clone(),
                    ))
                    .unwrap_or(Outcome::Skipped),
            };
            images.push(Image {
                package: package.name.clone(),
                recorded: job
                    .recorded
                    .of(&package.stage, &package.name, platform.as_deref()),
                runtimes: job.runtimes.iter().map(of).collect(),
                agree: job.agree,
                platform: platform.clone(),
            });
        }
    }
    Ok(Report {
        images,
        interrupted: *interrupted.borrow(),
    })
}

/// What came of each package and platform with each runtime.
type Tried = BTreeMap<(String, Option<String>, String), Outcome>;

/// Has one runtime build the packages. Tells whether the others are not to begin.
async fn of_runtime(
    job: &Job,
    runtime: &Runtime,
    ledger: &Arc<Mutex<Ledger>>,
    listener: &Arc<dyn Listener>,
    interrupted: &watch::Receiver<bool>,
    tried: &mut Tried,
) -> Result<bool, Error> {
    let directories = job.directories.of_reproduction(&runtime.label);
    let subject = Subject {
        id: job.id.clone(),
        profile: job.profile,
        tree: job.tree.clone(),
        runtime: AttemptRuntime {
            name: runtime.label.clone(),
            version: runtime.version.clone(),
        },
        machine: match &runtime.server {
            Some(server) => ledger::machine_of_server(server),
            None => ledger::machine(),
        },
        stagex: job.stagex.clone(),
        dependencies: match job.given {
            Some(_) => DependencyOrigin::Recorded,
            None => DependencyOrigin::Built,
        },
    };
    let before = {
        let (known, subject, job) = (
            lock(ledger).attempts().to_vec(),
            subject.clone(),
            job.clone(),
        );
        let directories = directories.clone();
        build::blocking(move || keep_what_stands(&job, &directories, &subject, &known)).await?
    };
    let executor = Arc::clone(&runtime.executor);
    let rounds = Rounds::new(executor, directories.clone(), job.rounds, &runtime.varies);
    let rounds = Arc::new(rounds);
    let recorder = Arc::new(Recorder::new(
        subject,
        Arc::clone(&job.plan),
        directories.clone(),
        Arc::clone(&job.recorded),
        Arc::clone(&rounds),
        Arc::clone(ledger),
        Arc::clone(listener),
    ));
    let work = make::Job {
        profile: job.profile,
        directories,
        plan: Arc::clone(&job.plan),
        executor: rounds,
        sources: Arc::clone(&job.sources),
        hermetic: job.hermetic.clone(),
        given: job.given.clone(),
        proven: Arc::default(),
        options: Options {
            no_cache: false,
            ..job.options
        },
    };
    let hearing: Arc<dyn Listener> = Arc::clone(&recorder) as _;
    let stop = recorder.stop();
    let making = make(work, hearing, stop.subscribe());
    let report = until(interrupted.clone(), stop, making).await?;
    for attempt in recorder.finish()? {
        let key = (
            attempt.package.clone(),
            attempt.platform.clone(),
            runtime.label.clone(),
        );
        let attempt = Box::new(attempt);
        tried.insert(key, Outcome::Tried { attempt, now: true });
    }
    let fresh = report.packages.iter();
    let fresh = fresh.filter(|(_, outcome)| matches!(outcome, Made::Fresh(_)));
    for (name, _) in fresh {
        for attempt in before.iter().filter(|attempt| attempt.package == *name) {
            let key = (
                name.clone(),
                attempt.platform.clone(),
                runtime.label.clone(),
            );
            let attempt = Box::new(attempt.clone());
            tried.insert(
                key,
                Outcome::Tried {
                    attempt,
                    now: false,
                },
            );
        }
    }
    // Where others may do without it, they are asked.
    let needs_all = !job.options.keep_going && job.agree.is_none();
    let failed = report.failure().is_some() && needs_all;
    Ok(report.interrupted || failed)
}

/// Does the work to its end, and has it stopped when the user interrupts it.
async fn until<T>(
    mut interrupted: watch::Receiver<bool>,
    stop: watch::Sender<bool>,
    work: impl Future<Output = T>,
) -> T {
    let stopping = async move {
        // Where nobody is left who could interrupt it, it goes on.
        if interrupted.wait_for(|stop| *stop).await.is_ok() {
            stop.send_replace(true);
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        done = work => done,
        () = stopping => unreachable!("it waits for ever"),
    }
}

/// Removes the records of what is to be built again, and returns the attempts at what is not: what this machine has
/// reproduced before from the same inputs with the same runtime, or has tried in the same reproduction.
fn keep_what_stands(
    job: &Job,
    directories: &Directories,
    subject: &Subject,
    attempts: &[Attempt],
) -> Result<Vec<Attempt>, state::Error> {
    let mut standing = Vec::new();
    for package in &job.plan.packages {
        let Some(record) = Record::read(directories, &package.name)?.record() else {
            continue;
        };
        let mut found = Vec::new();
        for (place, platform) in package.platforms.iter().enumerate() {
            let platform = Some(platform.as_str()).filter(|_| place > 0);
            let mut latest_first = attempts.iter().rev();
            let of_record = latest_first.find(|attempt| {
                attempt.package == package.name
                    && attempt.platform.as_deref() == platform
                    && attempt.key.as_deref() == Some(record.key.as_str())
                    && is_by(attempt, subject)
            });
            found.extend(of_record.filter(|of| stands(job, package, of)).cloned());
        }
        if found.len() == package.platforms.len() {
            standing.extend(found);
        } else {
            Record::remove(directories, &package.name)?;
        }
    }
    Ok(standing)
}

fn is_by(attempt: &Attempt, subject: &Subject) -> bool {
    attempt.machine.whose == subject.machine.whose
        && attempt.runtime == subject.runtime
        && attempt.dependencies == subject.dependencies
        && attempt.profile == subject.profile.name
}

/// Tells whether an attempt need not be made again.
fn stands(job: &Job, package: &PlannedPackage, attempt: &Attempt) -> bool {
    let platform = attempt.platform.as_deref();
    let recorded = job.recorded.of(&package.stage, &package.name, platform);
    let recorded = recorded.map(documents::Digest::from);
    let rounds = u32::try_from(attempt.rounds.len()).unwrap_or(u32::MAX);
    if attempt.recorded != recorded || rounds < job.rounds {
        return false;
    }
    attempt.reproduction == job.id || (!job.clean && attempt.verdict == AttemptVerdict::Reproduced)
}

fn lock(ledger: &Mutex<Ledger>) -> std::sync::MutexGuard<'_, Ledger> {
    ledger.lock().unwrap_or_else(PoisonError::into_inner)
}
