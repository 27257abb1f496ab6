//! The matrix: every case on every runtime, and the agreement of all, one test each.
//!
//! Every cell is listed, whatever is here. A cell that cannot run is listed as ignored with the
//! reason as its kind, and fails with that reason if it is asked for all the same.
//! `STAGEX_REQUIRE=docker,podman,buildah` turns absence into failure.

#![expect(
    clippy::unwrap_used,
    reason = "in a test, what cannot be made is a failure"
)]

use std::process::ExitCode;
use std::sync::Arc;

use camino::{Utf8Path, Utf8PathBuf};
use conformance::{Bench, Cell, Matrix, Recorded, Runtime, Verdict, cases, probe_all};
use libtest_mimic::{Arguments, Failed, Trial};

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let here = Utf8Path::new(env!("CARGO_MANIFEST_DIR"));
    let temporary = tempfile::tempdir_in(scratch()).unwrap();
    let folder = Utf8PathBuf::from_path_buf(temporary.path().to_owned()).unwrap();

    let required = list("STAGEX_REQUIRE");
    let runtimes = block_on(probe_all(&programs(), &required));
    let support = support(here, &folder.join("support"));
    let cases = cases(&here.join("cases")).unwrap();
    let recorded = Recorded::read(&here.join("digests.txt")).unwrap();
    let names: Vec<String> = cases.iter().map(|case| case.name.clone()).collect();

    let absent: Vec<Option<String>> = runtimes
        .iter()
        .map(|runtime| {
            runtime
                .absence()
                .or_else(|| support.as_ref().err().cloned())
        })
        .collect();
    let benches = runtimes
        .iter()
        .zip(&absent)
        .filter(|(_, absent)| absent.is_none())
        .filter_map(|(runtime, _)| {
            Bench::new(
                runtime.clone(),
                support.as_ref().ok()?,
                &folder.join("benches"),
            )
        });
    let matrix = Arc::new(Matrix::new(cases, recorded.clone(), benches.collect()));

    let mut trials = Vec::new();
    for name in &names {
        for (runtime, absence) in runtimes.iter().zip(&absent) {
            let cell = Cell::Recorded {
                case: name.clone(),
                runtime: runtime.name,
            };
            let title = format!("{name}::{}", runtime.name);
            trials.push(trial(
                &matrix,
                title,
                cell,
                absence.as_deref(),
                runtime.required,
            ));
        }
        trials.push(agreement(&matrix, name, &runtimes, &absent));
    }
    for (runtime, absence) in runtimes.iter().zip(&absent) {
        let cell = Cell::Tree {
            tree: here.join(".."),
            runtime: runtime.name,
        };
        let title = format!("the-example-tree::{}", runtime.name);
        trials.push(trial(
            &matrix,
            title,
            cell,
            absence.as_deref(),
            runtime.required,
        ));
    }
    trials.push(every_record_has_a_case(&recorded, &names));
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn trial(
    matrix: &Arc<Matrix>,
    title: String,
    cell: Cell,
    absence: Option<&str>,
    required: bool,
) -> Trial {
    let matrix = Arc::clone(matrix);
    let reason = absence.map(str::to_owned);
    let trial = Trial::test(title, move || match reason {
        Some(reason) => Err(reason.into()),
        None => answer(&matrix.ask(&cell)),
    });
    match absence {
        Some(reason) if !required => trial.with_ignored_flag(true).with_kind(reason),
        _ => trial,
    }
}

/// Agreement is a cell of its own. Fewer than two runtimes cannot agree: that is no pass.
fn agreement(
    matrix: &Arc<Matrix>,
    case: &str,
    runtimes: &[Runtime],
    absent: &[Option<String>],
) -> Trial {
    let here = absent.iter().filter(|absence| absence.is_none()).count();
    let reason = (here < 2).then_some("inconclusive: fewer than two runtimes are ready");
    let required = runtimes.iter().filter(|runtime| runtime.required).count() > 1;
    let cell = Cell::Agreement {
        case: case.to_owned(),
    };
    trial(matrix, format!("{case}::agreement"), cell, reason, required)
}

fn answer(verdict: &Verdict) -> Result<(), Failed> {
    match verdict {
        Verdict::Holds => Ok(()),
        Verdict::Fails(why) | Verdict::Inconclusive(why) => Err(why.into()),
    }
}

fn every_record_has_a_case(recorded: &Recorded, names: &[String]) -> Trial {
    let known = |name: &&str| names.iter().any(|case| case == name);
    let stray: Vec<_> = recorded
        .names()
        .filter(|name| !known(name))
        .map(str::to_owned)
        .collect();
    Trial::test("every_record_has_a_case", move || match stray.as_slice() {
        [] => Ok(()),
        _ => Err(format!("digests.txt has digests of cases that are not there: {stray:?}").into()),
    })
}

/// Lays out what cases are built from: the packages in `conformance/support`, and among them
/// Debian's static busybox, which gives build stages a shell and is in no recorded image.
fn support(here: &Utf8Path, to: &Utf8Path) -> Result<Utf8PathBuf, String> {
    let busybox = ["/bin/busybox", "/usr/bin/busybox"].map(Utf8Path::new);
    let found = busybox.into_iter().find(|path| path.exists());
    let found = found.ok_or("busybox is not here: install Debian's busybox-static")?;
    conformance::copy_folder(&here.join("support"), &to.join("support"))
        .map_err(|error| error.to_string())?;
    std::fs::copy(found, to.join("support/busybox/busybox")).map_err(|error| error.to_string())?;
    Ok(to.to_owned())
}

/// Returns where images are built: not in /tmp, which may be small or in memory.
fn scratch() -> &'static Utf8Path {
    Utf8Path::new("/var/tmp")
}

#[expect(
    clippy::disallowed_methods,
    reason = "a test program reads its own variables"
)]
fn list(name: &str) -> Vec<String> {
    let text = std::env::var(name).unwrap_or_default();
    text.split(',')
        .filter(|part| !part.is_empty())
        .map(str::to_owned)
        .collect()
}

/// Returns the programs named by `STAGEX_DOCKER` and the like.
fn programs() -> runtimes::Programs {
    let named = |name: &&str| {
        let program = list(&format!("STAGEX_{}", name.to_uppercase())).pop()?;
        Some(((*name).to_owned(), Utf8PathBuf::from(program)))
    };
    runtimes::NAMES.iter().filter_map(named).collect()
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(future)
}
