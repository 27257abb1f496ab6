//! The suite is tested: it must notice what it claims to notice. One real engine builds all cases
//! once, and what it handed over is kept; then each mutant, a backend or an encoder with one
//! thing wrong, must be caught by the case that names the property, and by no unrelated one.
//! A mutant that this engine cannot show, as an ordinary user's cannot where no device is made, is
//! shown by the next one that can, which then builds all cases as well.
//!
//! Without any engine every test is listed as ignored with the reason as its kind, and fails if
//! it is asked for, or if `STAGEX_REQUIRE` names a runtime.

#![expect(
    clippy::unwrap_used,
    reason = "in a test, what cannot be made is a failure"
)]

mod backends;
mod comparison;
mod config;
mod entries;
mod harmless;
mod image;
mod member;
mod mutant;
mod recording;
mod related;
mod whole;
mod world;

use std::process::ExitCode;
use std::sync::{Arc, LazyLock};

use camino::{Utf8Path, Utf8PathBuf};
use conformance::{Column, Label, Programs, Suite};
use libtest_mimic::{Arguments, Failed, Trial};

use crate::mutant::{Harmless, Mutant};
use crate::world::{Engine, World};

/// What was recorded. The first test that needs it has it recorded.
type Recorded = Arc<LazyLock<World, Box<dyn FnOnce() -> World + Send>>>;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let required: Vec<Label> = words("STAGEX_REQUIRE")
        .iter()
        .filter_map(|word| word.parse().ok())
        .filter(|label: &Label| runtimes::NAMES.contains(&label.runtime()))
        .collect();
    let columns = block_on(Column::probe_all(&programs(), &required)).unwrap();
    let suite = Suite::of_cases(Utf8Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap();

    let trials: Vec<Trial> = match Engine::rank(columns, suite) {
        Err(reason) => {
            let required = !required.is_empty();
            let trial = |test: Test| absent(test.name(), &reason, required);
            tests().map(trial).collect()
        }
        Ok(engines) => {
            let engines: Vec<_> = engines.into_iter().map(Arc::new).collect();
            let record = |engine: &Arc<Engine>| -> Recorded {
                let engine = Arc::clone(engine);
                Arc::new(LazyLock::new(Box::new(move || engine.record())))
            };
            let recorded: Vec<Recorded> = engines.iter().map(record).collect();
            let trial = |test: Test| {
                let mut absences = engines.iter().map(|engine| test.absence(engine));
                let Some(shows) = absences.position(|absence| absence.is_none()) else {
                    let reason = test.absence(&engines[0]).unwrap_or_default();
                    return absent(test.name(), &reason, false);
                };
                let recorded = Arc::clone(&recorded[shows]);
                Trial::test(test.name(), move || test.run(&recorded))
            };
            tests().map(trial).collect()
        }
    };
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// A test of what was recorded.
enum Test {
    /// One of all cases.
    Whole(&'static str, fn(&World) -> Result<(), Failed>),
    /// One of a mutant, behind what it is a mutant of.
    Mutant(&'static str, &'static Mutant),
    /// One of what may not be noticed.
    Harmless(&'static Harmless),
}

fn tests() -> impl Iterator<Item = Test> {
    let whole = [
        Test::Whole("the_unmutated_replay_holds", replay_holds),
        Test::Whole("an_image_put_together_again_is_the_same", images_stay),
    ];
    let backends = backends::MUTANTS.iter().map(|each| ("backend", each));
    let encoders = [
        entries::MUTANTS,
        comparison::MUTANTS,
        whole::MUTANTS,
        config::MUTANTS,
    ];
    let encoders = encoders.into_iter().flatten();
    let mutants = backends.chain(encoders.map(|each| ("encoder", each)));
    whole
        .into_iter()
        .chain(harmless::MUTANTS.iter().map(Test::Harmless))
        .chain(mutants.map(|(of, mutant)| Test::Mutant(of, mutant)))
}

impl Test {
    fn name(&self) -> String {
        match self {
            Self::Whole(name, _) => (*name).to_owned(),
            Self::Mutant(of, mutant) => format!("{of}::{}", mutant.name),
            Self::Harmless(harmless) => format!("harmless::{}", harmless.name),
        }
    }

    /// Returns why an engine cannot show it, if so.
    fn absence(&self, engine: &Engine) -> Option<String> {
        match self {
            Self::Whole(..) => None,
            Self::Mutant(_, mutant) => mutant.absence(engine),
            Self::Harmless(harmless) => harmless.change.absence(&engine.ready.capabilities),
        }
    }

    fn run(&self, world: &World) -> Result<(), Failed> {
        match self {
            Self::Whole(_, run) => run(world),
            Self::Mutant(_, mutant) => mutant.judge(world),
            Self::Harmless(harmless) => harmless.judge(world),
        }
    }
}

/// Makes a test that cannot run here: never a pass.
fn absent(name: String, reason: &str, required: bool) -> Trial {
    let message = reason.to_owned();
    let trial = Trial::test(name, move || Err(message.into()));
    trial.with_ignored_flag(!required).with_kind(reason)
}

/// The recording and the replay change nothing by themselves.
fn replay_holds(world: &World) -> Result<(), Failed> {
    fail_with(&world.failures())
}

/// Taking an image apart and putting it together changes nothing by itself.
fn images_stay(world: &World) -> Result<(), Failed> {
    let changed = world.cases.values().filter_map(|case| {
        let again = case.image.clone().encode().digest;
        let line = format!("{}: expected {}, found {again}", case.name, case.digest);
        (again != case.digest).then_some(line)
    });
    fail_with(&changed.collect::<Vec<_>>())
}

fn fail_with(lines: &[String]) -> Result<(), Failed> {
    match lines {
        [] => Ok(()),
        lines => Err(lines.join("\n").into()),
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a test program reads its own variables"
)]
fn words(name: &str) -> Vec<String> {
    let text = std::env::var(name).unwrap_or_default();
    let words = text.split(',').map(str::trim);
    words
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

/// Returns the host's runtimes, each with the program that `STAGEX_DOCKER` and the like name.
fn programs() -> Programs {
    let program = |name: &str| words(&format!("STAGEX_{}", name.to_uppercase())).pop();
    let column = |name: &str| (name.parse().unwrap(), program(name).map(Utf8PathBuf::from));
    runtimes::NAMES.into_iter().map(column).collect()
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(future)
}
