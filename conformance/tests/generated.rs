//! Generated inputs of fixed seeds: `native` with Debian 13's Podman, and before its BuildKit. What is known to differ
//! is in `generated.toml`.
//!
//! A seed that differs here is a difference that somebody has made: seeds do not change by themselves. They do when
//! the grammar does, so whoever adds a rule runs them. `STAGEX_REQUIRE` turns absence into failure.

#![expect(
    clippy::unwrap_used,
    reason = "in a test, what cannot be made is a failure"
)]

use std::fmt::Write as _;
use std::num::NonZeroUsize;
use std::process::ExitCode;
use std::thread;

use backend_api::Network;
use camino::{Utf8Path, Utf8PathBuf};
use conformance::{Column, Found, Harness, Known, Label, Oracle, Plan, Programs, Site, Suite};
use libtest_mimic::{Arguments, Failed, Trial};
use tokio::sync::watch;

/// The columns beside `native`, and the oracle.
const PODMAN: &str = "podman@trixie";
const DOCKER: &str = "docker@trixie";
/// The first seed, and how many inputs there are: about two minutes on two cores.
const SEED: u64 = 1;
const INPUTS: u64 = 60;
/// How many smaller inputs are tried for one that differs.
const BUDGET: usize = 150;
/// How many inputs of 100 must have two equal images, or the rest proves little.
const EQUAL: u64 = 40;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let required = words("STAGEX_REQUIRE", ',');
    let engines = words("STAGEX_ENGINES", ' ');
    let program = |label: &str| {
        let mut found = engines.iter().filter_map(|word| word.split_once('='));
        let found = found.find(|(name, _)| *name == label);
        found.map(|(_, program)| Utf8PathBuf::from(program))
    };
    let trials = [(PODMAN, false), (DOCKER, true)].map(|(label, is_oracle)| {
        let found = program(label);
        let name = if is_oracle {
            format!("oracle-{label}")
        } else {
            label.to_owned()
        };
        let is_required = required.contains(&name);
        let absent = found.is_none();
        let reason = format!("{label} is not in STAGEX_ENGINES");
        let why = reason.clone();
        let test = move || match &found {
            Some(program) => agrees(label, program, is_oracle),
            None => Err(why.into()),
        };
        let trial = Trial::test(format!("generated::native_and_{name}"), test);
        if absent && !is_required {
            trial.with_ignored_flag(true).with_kind(reason)
        } else {
            trial
        }
    });
    // One after the other: each uses all cores.
    let arguments = Arguments {
        test_threads: Some(1),
        ..arguments
    };
    libtest_mimic::run(&arguments, trials.into()).exit_code()
}

/// Tries the inputs on `native` and one other side.
fn agrees(label: &str, program: &Utf8Path, is_oracle: bool) -> Result<(), Failed> {
    let here = Utf8Path::new(env!("CARGO_MANIFEST_DIR"));
    // Not in /tmp, which may be small or in memory.
    let temporary = tempfile::tempdir_in("/var/tmp").unwrap();
    let directory = Utf8PathBuf::from_path_buf(temporary.path().to_owned()).unwrap();
    let label: Label = label.parse().unwrap();
    let native: Label = "native".parse().unwrap();
    let other = Programs::from([(label.clone(), Some(program.to_owned()))]);
    let mut programs = Programs::from([(native.clone(), None)]);
    if !is_oracle {
        programs.extend(other.clone());
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (columns, oracles) = runtime.block_on(async {
        let columns = Column::probe_all(&programs, &[]).await.unwrap();
        let oracles = if is_oracle {
            Oracle::find_all(&other).await
        } else {
            Vec::new()
        };
        (columns, oracles)
    });
    if let Some(why) = columns.iter().find_map(Column::absence) {
        return Err(why.into());
    }
    if is_oracle && oracles.is_empty() {
        return Err(format!("{label} does not write canonical bytes by itself").into());
    }
    let (_sender, never) = watch::channel(false);
    let site = Site {
        directory: directory.join("trees"),
        network: Network::None,
        interrupted: never,
    };
    let suite = Suite::of_cases(here).unwrap();
    let harness = Harness::new(&suite, columns, oracles, site, Known::read().unwrap());
    let harness = harness.map_err(|error| error.to_string())?;
    let plan = Plan {
        seed: SEED,
        number: Some(INPUTS),
        time: None,
        jobs: thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
        budget: BUDGET,
        directory: directory.join("found"),
    };
    judge(&harness.run(&plan, &|_| ()))
}

fn judge(found: &Found) -> Result<(), Failed> {
    let tally = &found.tallies[0];
    let mut text = format!(
        "{} inputs from seed {}: {tally:?}\n",
        found.tried, found.seed
    );
    for finding in &found.findings {
        let contrast = &finding.contrast;
        let _ = write!(
            text,
            "\n{} (seed {}, others {:?})\n{}\n  {}: {}\n  {}: {}\n{}",
            finding.kind,
            finding.seed,
            finding.others,
            contrast.place,
            finding.against,
            contrast.expected,
            finding.column,
            contrast.found,
            finding.containerfile
        );
    }
    for reason in &found.reasons {
        let _ = writeln!(text, "{reason:?}");
    }
    let is_enough = tally.equal * 100 >= EQUAL * found.tried;
    if found.findings.is_empty() && tally.differs == 0 && is_enough && found.tried == INPUTS {
        return Ok(());
    }
    Err(text.into())
}

#[expect(
    clippy::disallowed_methods,
    reason = "a test program reads its own variables"
)]
fn words(name: &str, separator: char) -> Vec<String> {
    let text = std::env::var(name).unwrap_or_default();
    let words = text.split(separator).map(str::trim);
    words
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}
