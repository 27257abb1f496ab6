//! Makes attempts of what happens while packages are built, and puts each into the ledger as soon as it is over.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use build::{Event, Listener};
use documents::{
    Attempt, AttemptFailure, AttemptMachine, AttemptRuntime, AttemptTree, AttemptVerdict,
    DependencyOrigin, Material, MaterialKind, Round, Version,
};
use ledger::Ledger;
use oci_image::{Digest, Profile};
use package_tree::{Plan, PlannedPackage};
use state::{Digests, Directories, Inputs, Record};
use tokio::sync::watch;

use crate::rounds::{Rebuilt, Rounds};

/// What all attempts of one runtime have in common.
#[derive(Debug, Clone)]
pub(crate) struct Subject {
    pub(crate) id: String,
    pub(crate) profile: &'static Profile,
    pub(crate) tree: AttemptTree,
    pub(crate) runtime: AttemptRuntime,
    pub(crate) machine: AttemptMachine,
    pub(crate) stagex: String,
    pub(crate) dependencies: DependencyOrigin,
}

/// Hears what happens, hands it on, and records what came of packages.
pub(crate) struct Recorder {
    subject: Subject,
    plan: Arc<Plan>,
    directories: Directories,
    recorded: Arc<Digests>,
    rounds: Arc<Rounds>,
    ledger: Arc<Mutex<Ledger>>,
    listener: Arc<dyn Listener>,
    /// Told when something cannot be recorded: what is built after that would be built in vain.
    stop: watch::Sender<bool>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// When each package was begun.
    started: BTreeMap<String, String>,
    /// What a server calls the worker that built each package.
    workers: BTreeMap<String, String>,
    made: Vec<Attempt>,
    error: Option<crate::Error>,
}

impl Recorder {
    pub(crate) fn new(
        subject: Subject,
        plan: Arc<Plan>,
        directories: Directories,
        recorded: Arc<Digests>,
        rounds: Arc<Rounds>,
        ledger: Arc<Mutex<Ledger>>,
        listener: Arc<dyn Listener>,
    ) -> Self {
        Self {
            subject,
            plan,
            directories,
            recorded,
            rounds,
            ledger,
            listener,
            stop: watch::Sender::new(false),
            state: Mutex::default(),
        }
    }

    /// Returns what the work is stopped by, here or by the user.
    pub(crate) fn stop(&self) -> watch::Sender<bool> {
        self.stop.clone()
    }

    /// Returns the attempts that were made.
    ///
    /// # Errors
    ///
    /// One of them could not be recorded.
    pub(crate) fn finish(&self) -> Result<Vec<Attempt>, crate::Error> {
        let mut state = self.state();
        match state.error.take() {
            Some(error) => Err(error),
            None => Ok(std::mem::take(&mut state.made)),
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn record(&self, package: &str, attempts: Result<Vec<Attempt>, state::Error>) {
        let mut state = self.state();
        state.started.remove(package);
        let appended = attempts.map_err(crate::Error::from).and_then(|attempts| {
            let mut ledger = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
            ledger.append(&attempts)?;
            Ok(attempts)
        });
        match appended {
            Ok(attempts) => state.made.extend(attempts),
            Err(error) => {
                state.error.get_or_insert(error);
                self.stop.send_replace(true);
            }
        }
    }

    fn package(&self, name: &str) -> &PlannedPackage {
        let mut packages = self.plan.packages.iter();
        let found = packages.find(|package| package.name == name);
        found.expect("only packages of the plan are built")
    }

    fn attempt(&self, package: &PlannedPackage, seconds: f64) -> Attempt {
        let subject = self.subject.clone();
        let (started, worker) = {
            let state = self.state();
            let started = state.started.get(&package.name).cloned();
            (started, state.workers.get(&package.name).cloned())
        };
        Attempt {
            version: Version,
            reproduction: subject.id,
            package: package.name.clone(),
            platform: None,
            package_version: package.version.clone(),
            key: None,
            profile: subject.profile.name.to_owned(),
            tree: subject.tree,
            runtime: subject.runtime,
            machine: AttemptMachine {
                worker,
                ..subject.machine
            },
            stagex: subject.stagex,
            started: started.unwrap_or_else(ledger::now),
            seconds,
            dependencies: subject.dependencies,
            materials: Vec::new(),
            seeds: Vec::new(),
            rounds: Vec::new(),
            recorded: None,
            digest: None,
            verdict: AttemptVerdict::Failed,
            failure: None,
            broken_by: None,
            log: Some(self.directories.log(&package.name).into_string()),
        }
    }

    /// Returns the attempts at a package that was built: one for each platform.
    fn built(&self, name: &str, duration: Duration) -> Result<Vec<Attempt>, state::Error> {
        let package = self.package(name);
        let Rebuilt { rounds, broken_by } = self.rounds.take(name);
        let record = Record::read(&self.directories, name)?.record();
        let first = rounds.first().map(|round| round.images.clone());
        let images = first.unwrap_or_default().into_iter().enumerate();
        let attempt = |(place, (platform, _)): (usize, (String, Digest))| {
            let mut attempt = self.attempt(package, duration.as_secs_f64());
            attempt.platform = Some(platform).filter(|_| place > 0);
            if let Some(record) = &record {
                attempt.key = Some(record.key.clone());
                attempt.seeds.clone_from(&record.seeds);
                attempt.materials = materials(package, &record.inputs);
            }
            let digest_of =
                |images: &[(String, Digest)]| images.get(place).map(|(_, digest)| *digest);
            let digests: Vec<_> = rounds
                .iter()
                .map(|round| digest_of(&round.images))
                .collect();
            attempt.rounds = rounds
                .iter()
                .zip(&digests)
                .map(|(round, digest)| Round {
                    variations: round
                        .varied
                        .varied()
                        .map(|varied| (varied.name().to_owned(), varied.value().to_owned()))
                        .collect(),
                    digest: digest.map(Into::into),
                    seconds: round.duration.as_secs_f64(),
                })
                .collect();
            let recorded = self.recorded_of(package, attempt.platform.as_deref());
            attempt.recorded = recorded.map(Into::into);
            let one = digests[0].filter(|one| digests.iter().all(|digest| digest == &Some(*one)));
            attempt.digest = one.map(Into::into);
            attempt.verdict = verdict(one, recorded);
            if attempt.verdict == AttemptVerdict::Unstable {
                attempt.broken_by.clone_from(&broken_by);
            }
            attempt
        };
        Ok(images.map(attempt).collect())
    }

    fn recorded_of(&self, package: &PlannedPackage, platform: Option<&str>) -> Option<Digest> {
        self.recorded.of(&package.stage, &package.name, platform)
    }
}

/// Returns what came of an image: `digest` is that of all rounds, if they agree.
fn verdict(digest: Option<Digest>, recorded: Option<Digest>) -> AttemptVerdict {
    match (digest, recorded) {
        (None, _) => AttemptVerdict::Unstable,
        (Some(_), None) => AttemptVerdict::NotRecorded,
        (Some(digest), Some(recorded)) if digest == recorded => AttemptVerdict::Reproduced,
        (Some(_), Some(_)) => AttemptVerdict::Differs,
    }
}

/// Returns what a package was built from, as its record has it.
fn materials(package: &PlannedPackage, inputs: &Inputs) -> Vec<Material> {
    let digest = |hash: &str| {
        let hash = hash.strip_prefix("sha256:").unwrap_or(hash);
        format!("sha256:{hash}").parse::<Digest>().ok()
    };
    let material = |((kind, name), value): ((String, String), String)| {
        let digest = digest(&value)?.into();
        let (kind, name, mirrors) = match kind.as_str() {
            "file" | "program" => {
                let path = package.context.join(&name);
                let kind = if path == package.containerfile() {
                    MaterialKind::Containerfile
                } else {
                    MaterialKind::File
                };
                (kind, path.into_string(), Vec::new())
            }
            "source" => {
                let mut sources = package.sources.iter();
                let source = sources.find(|source| source.file == name);
                let mirrors = source.map(|source| source.mirrors.clone());
                let path = package.fetch().join(&name);
                (
                    MaterialKind::Source,
                    path.into_string(),
                    mirrors.unwrap_or_default(),
                )
            }
            documents::DEPENDENCY => (MaterialKind::Dependency, name, Vec::new()),
            _ => return None,
        };
        Some(Material {
            kind,
            name,
            digest,
            mirrors,
        })
    };
    inputs.by_name().into_iter().filter_map(material).collect()
}

impl Listener for Recorder {
    fn hear(&self, event: Event) {
        match &event {
            Event::Started { package, .. } => {
                self.state().started.insert(package.clone(), ledger::now());
            }
            Event::Worker { package, worker } => {
                let mut state = self.state();
                state.workers.insert(package.clone(), worker.clone());
            }
            Event::Built {
                package, duration, ..
            } => {
                let attempts = self.built(package, *duration);
                self.record(package, attempts);
            }
            Event::Failed {
                package,
                message,
                kind,
                hint,
                last_lines,
            } => {
                let planned = self.package(package);
                let mut attempt = self.attempt(planned, 0.0);
                attempt.recorded = self.recorded_of(planned, None).map(Into::into);
                attempt.failure = Some(AttemptFailure {
                    kind: *kind,
                    message: message.clone(),
                    hint: hint.clone(),
                    last_lines: last_lines.clone(),
                });
                self.record(package, Ok(vec![attempt]));
            }
            _ => {}
        }
        self.listener.hear(event);
    }
}
