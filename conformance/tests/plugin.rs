//! The example of a plugin, held to the contract of backends and to a handful of cases, like any
//! runtime; and what a plugin's truncated layer comes to.
//!
//! It needs Python 3 and the engine that the example drives. Without them the tests are ignored
//! with the reason, unless `STAGEX_REQUIRE` has the word `python3`: then they fail.

#![expect(
    clippy::unwrap_used,
    reason = "in a test, what cannot be made is a failure"
)]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::ExitCode;
use std::sync::Arc;

use backend_api::{Backend, Network, contract};
use camino::{Utf8Path, Utf8PathBuf};
use conformance::{Cell, Column, Matrix, Site, Suite, Verdict};
use libtest_mimic::{Arguments, Failed, Trial};
use tokio::sync::watch;

/// A handful of cases: whiteouts, links, what is equal, attributes, long names.
const CASES: [&str; 5] = [
    "a-deleted-folder-is-one-whiteout",
    "a-hard-link-to-a-file-of-the-base",
    "an-equal-file-is-dropped",
    "file-capabilities-of-hard-links-stay",
    "hard-links-to-long-names",
];
/// A case in which the engine that the example drives is listed as differing.
const LISTED: &str = "copy-onto-a-dangling-symlink";

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let here = Utf8Path::new(env!("CARGO_MANIFEST_DIR"));
    let temporary = tempfile::tempdir_in("/var/tmp").unwrap();
    let directory = Utf8PathBuf::from_path_buf(temporary.path().to_owned()).unwrap();
    let example = here.join("plugins/stagex-runtime-example");
    let truncating = directory.join("stagex-runtime-truncating");
    write_truncating(&truncating, &example);

    let is_required = is_required();
    let backend = plugin("example", &example);
    let mut trials = contract::trials(&backend, is_required);
    let columns = block_on(async {
        let example = Column::probe("example".parse().unwrap(), backend).await;
        let backend = plugin("truncating", &truncating);
        let truncating = Column::probe("truncating".parse().unwrap(), backend).await;
        [example, truncating].map(|column| Column {
            required: is_required,
            ..column
        })
    });

    let mut suite = Suite::of_cases(here).unwrap();
    suite
        .subjects
        .retain(|subject| CASES.contains(&subject.name.as_str()) || subject.name == LISTED);
    assert_eq!(suite.subjects.len(), CASES.len() + 1, "each case exists");
    let (_sender, interrupted) = watch::channel(false);
    let site = Site {
        directory,
        network: Network::Default,
        interrupted,
    };
    let matrix = Matrix::new(Arc::new(suite), columns.into(), Vec::new(), site);
    let matrix = Arc::new(matrix);
    for cell in matrix.cells() {
        let expected: Expected = match &cell {
            Cell::Recorded { subject, column } => match (column.runtime(), subject.as_str()) {
                ("example", LISTED) => differs,
                ("example", _) => holds,
                (_, subject) if subject == CASES[0] => names_the_layer,
                _ => continue,
            },
            _ => continue,
        };
        trials.push(trial(&matrix, cell, is_required, expected));
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}

type Expected = fn(Verdict) -> Result<(), Failed>;

fn trial(matrix: &Arc<Matrix>, cell: Cell, is_required: bool, expected: Expected) -> Trial {
    let absence = matrix.absence(&cell);
    let matrix = Arc::clone(matrix);
    let trial = Trial::test(cell.name(), move || expected(matrix.ask(&cell)));
    match absence {
        Some(reason) => trial.with_kind(reason).with_ignored_flag(!is_required),
        None => trial,
    }
}

fn holds(verdict: Verdict) -> Result<(), Failed> {
    match verdict {
        Verdict::Holds => Ok(()),
        other => Err(format!("{other:?}").into()),
    }
}

fn differs(verdict: Verdict) -> Result<(), Failed> {
    match verdict {
        Verdict::Differs { .. } => Ok(()),
        other => Err(format!("{other:?}").into()),
    }
}

fn names_the_layer(verdict: Verdict) -> Result<(), Failed> {
    match verdict {
        Verdict::Fails(failing)
            if failing.message.contains("truncating could not build")
                && failing.message.contains("the engine's layer of `") =>
        {
            Ok(())
        }
        other => Err(format!("{other:?}").into()),
    }
}

fn plugin(name: &str, program: &Utf8Path) -> Arc<dyn Backend> {
    let programs = [(name.to_owned(), program.to_owned())].into();
    runtimes::backend(name, &programs, &runtimes::ProbeCache::none()).unwrap()
}

/// Writes a plugin that does what `example` does, and then cuts off the ends of layers.
fn write_truncating(path: &Utf8Path, example: &Utf8Path) {
    let example = example.as_str().replace('\'', r"'\''");
    let script = format!(
        r#"#!/bin/sh
read -r asked
answer=$(printf '%s\n' "$asked" | '{example}')
case "$asked" in
*'"operation":"export"'*)
    directory=$(printf '%s\n' "$asked" | sed 's/.*"folder":"\([^"]*\)".*/\1/')
    truncate --size=700 "$directory"/*
    ;;
esac
printf '%s\n' "$answer"
"#
    );
    fs::write(path, script).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

#[expect(
    clippy::disallowed_methods,
    reason = "a test program reads its own variables"
)]
fn is_required() -> bool {
    let words = std::env::var("STAGEX_REQUIRE").unwrap_or_default();
    words.split(',').any(|word| word.trim() == "python3")
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.unwrap().block_on(future)
}
