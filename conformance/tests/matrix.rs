//! The matrix: every case on every column, the agreement of all, and the oracles; and the
//! example tree in the same way. One test for each cell.
//!
//! Every cell is listed, whatever is here. A cell that cannot run is listed as ignored with the
//! reason as its kind, and fails with that reason if it is asked for all the same.
//! `STAGEX_REQUIRE=docker,podman,buildah` turns absence into failure, as `oracle-docker@trixie` does
//! for an oracle, and `STAGEX_ENGINES="docker@trixie=/path/to/docker"` adds columns.

#![expect(
    clippy::unwrap_used,
    reason = "in a test, what cannot be made is a failure"
)]

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::sync::Arc;

use backend_api::Network;
use camino::{Utf8Path, Utf8PathBuf};
use conformance::{Cell, Column, Label, Matrix, Oracle, Programs, Site, Suite, Verdict};
use libtest_mimic::{Arguments, Failed, Trial};
use tokio::sync::watch;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let here = Utf8Path::new(env!("CARGO_MANIFEST_DIR"));
    let temporary = tempfile::tempdir_in(scratch()).unwrap();
    let directory = Utf8PathBuf::from_path_buf(temporary.path().to_owned()).unwrap();

    let programs = programs();
    // What is required beside runtimes, as Go's toolchain is, is for other tests to ask for.
    let required: Vec<Label> = words("STAGEX_REQUIRE", ',')
        .iter()
        .filter_map(|word| word.parse().ok())
        .filter(|label: &Label| runtimes::NAMES.contains(&label.runtime()))
        .collect();
    let (columns, oracles) = block_on(async {
        let columns = Column::probe_all(&programs, &required).await.unwrap();
        (columns, Oracle::find_all(&programs).await)
    });

    let mut trials: Vec<Trial> = words("STAGEX_REQUIRE", ',')
        .iter()
        .filter_map(|word| word.strip_prefix("oracle-")?.parse().ok())
        .map(|label| an_oracle_is_here(&label, &oracles))
        .collect();
    let (_sender, never) = watch::channel(false);
    let suites = [
        ("cases", Suite::of_cases(here).unwrap()),
        ("tree", Suite::of_tree(&here.join(".."), &[]).unwrap()),
    ];
    for (name, mut suite) in suites {
        suite.all_recorded = true;
        trials.push(every_record_has_a_case(name, &suite));
        let (columns, oracles) = (columns.clone(), oracles.clone());
        let site = Site {
            directory: directory.join(name),
            network: Network::Default,
            interrupted: never.clone(),
        };
        let matrix = Matrix::new(Arc::new(suite), columns, oracles, site);
        let matrix = Arc::new(matrix);
        trials.extend(matrix.cells().into_iter().map(|cell| trial(&matrix, cell)));
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn trial(matrix: &Arc<Matrix>, cell: Cell) -> Trial {
    let absence = matrix.absence(&cell);
    let ignored = absence.is_some() && !matrix.is_required(&cell);
    let matrix = Arc::clone(matrix);
    let trial = Trial::test(cell.name(), move || answer(matrix.ask(&cell)));
    match absence {
        Some(reason) if ignored => trial.with_ignored_flag(true).with_kind(reason),
        _ => trial,
    }
}

fn answer(verdict: Verdict) -> Result<(), Failed> {
    match verdict {
        Verdict::Holds | Verdict::Differs { .. } => Ok(()),
        Verdict::CannotRun { reason } => Err(reason.into()),
        Verdict::Fails(failing) => {
            let contrast = failing.contrast.map(|contrast| {
                format!(
                    "\n{}: expected {}, found {}",
                    contrast.place, contrast.expected, contrast.found
                )
            });
            Err((failing.message + &contrast.unwrap_or_default()).into())
        }
    }
}

/// An oracle that is required and not found would have no cells at all.
fn an_oracle_is_here(label: &Label, oracles: &[Oracle]) -> Trial {
    let here = oracles.iter().any(|oracle| oracle.label() == label);
    let why = format!("{label} is not here, or does not write canonical bytes by itself");
    Trial::test(format!("oracle-{label}::is_here"), move || {
        if here { Ok(()) } else { Err(why.into()) }
    })
}

/// A digest or a difference that names a case which is gone is a leftover.
fn every_record_has_a_case(name: &str, suite: &Suite) -> Trial {
    let known: BTreeSet<&str> = suite
        .subjects
        .iter()
        .map(|each| each.name.as_str())
        .collect();
    let named = suite.recorded.names().chain(suite.differences.cases());
    let stray: Vec<_> = named
        .filter(|name| !known.contains(name))
        .map(str::to_owned)
        .collect();
    let test = move || match stray.as_slice() {
        [] => Ok(()),
        _ => Err(format!("digests or differences of what is not there: {stray:?}").into()),
    };
    let title = format!("every_record_of_the_{name}_is_of_something");
    Trial::test(title, test)
}

/// Returns where images are built: not in /tmp, which may be small or in memory.
fn scratch() -> &'static Utf8Path {
    Utf8Path::new("/var/tmp")
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

/// Returns the columns: the host's runtimes, each with the program that `STAGEX_DOCKER` and the
/// like name, and those of `STAGEX_ENGINES`.
fn programs() -> Programs {
    let mut programs = Programs::new();
    for name in runtimes::NAMES {
        let program = words(&format!("STAGEX_{}", name.to_uppercase()), '\n').pop();
        programs.insert(name.parse().unwrap(), program.map(Utf8PathBuf::from));
    }
    for word in words("STAGEX_ENGINES", ' ') {
        let (label, program) = word.split_once('=').unwrap();
        programs.insert(label.parse().unwrap(), Some(program.into()));
    }
    programs
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(future)
}
