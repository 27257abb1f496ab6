//! `stagex conformance`: proves that every runtime gives the same images, and says where not.

use std::num::NonZeroUsize;
use std::sync::Arc;

use camino::{Utf8Path, Utf8PathBuf};
use conformance::{Answer, Column, Label, Matrix, Oracle, Programs, Results, Suite, SuiteError, Verdict};
use runtimes::Choice;
use serde_json::json;

use super::{interruption, make};
use crate::arguments::{self, Format, Global};
use crate::exit::{ErrorKind, Exit};
use crate::failure::{Failure, print_problem};
use crate::place;
use crate::render::{self, cells::Cells};

/// Where images are built unless said: on a disk, which `/tmp` may not be.
const SCRATCH: &str = "/var/tmp";

pub(super) fn run(global: &Global, arguments: &arguments::Conformance) -> Result<Exit, Failure> {
    let (programs, required) = programs(global, arguments)?;
    let work = Work::new(&global.directory, arguments.keep.as_deref()).map_err(|error| {
        let hint = "name another folder with --keep";
        Failure::new(ErrorKind::Environment, &error, Some(hint.to_owned()))
    })?;
    let suite = Arc::new(suite(arguments, &work)?);
    let jobs = arguments
        .jobs
        .map_or_else(make::cores, |jobs| jobs as usize);
    let jobs = NonZeroUsize::new(jobs).unwrap_or(NonZeroUsize::MIN);

    let results = super::block_on(async {
        let columns = Column::probe_all(&programs, &required).await;
        let columns = columns.map_err(make::no_runtime)?;
        let oracles = Oracle::find_all(&programs).await;
        let interrupted = interruption::watch();
        let folder = work.folder.join("trees");
        let matrix = Arc::new(Matrix::new(suite, columns, oracles, &folder, interrupted));
        if arguments.list {
            list(global, &matrix);
            return Ok(None);
        }
        let cells = Cells::new(global, matrix.cells().len());
        let asking = move || conformance::run(&matrix, jobs, &|progress| cells.hear(progress));
        let results = tokio::task::spawn_blocking(asking).await;
        Ok(Some(results.expect("asking the cells does not panic")))
    })?;
    match results {
        None => Ok(Exit::Success),
        Some(results) => {
            if let Some(folder) = &arguments.report {
                let folder = place::directory(&global.directory, folder)?;
                conformance::report::write(&results, &folder).map_err(|error| {
                    let hint = "name a folder that can be written to with --report";
                    Failure::new(ErrorKind::Environment, &error, Some(hint.to_owned()))
                })?;
            }
            Ok(tell(global, &results))
        }
    }
}

/// Returns which program drives which column, and the columns that must be there.
fn programs(
    global: &Global,
    arguments: &arguments::Conformance,
) -> Result<(Programs, Vec<Label>), Failure> {
    let usage = |message: String| Failure::of(ErrorKind::Usage, [(message, None)]);
    let named = global.programs();
    let mut programs = Programs::new();
    for name in runtimes::NAMES {
        let label = name.parse().map_err(|error| usage(format!("{error}")))?;
        programs.insert(label, named.get(name).cloned());
    }
    for word in crate::environment::engines()? {
        let (label, program) = arguments::column(&word)
            .map_err(|message| usage(format!("STAGEX_ENGINES: {message}")))?;
        programs.insert(label, program);
    }
    let mut required = Vec::new();
    if !arguments.columns.is_empty() {
        let given = arguments.columns.iter().map(|(label, program)| {
            let known = programs.get(label).cloned().flatten();
            (label.clone(), program.clone().or(known))
        });
        programs = given.collect();
        required.extend(programs.keys().cloned());
    }
    if let Choice::Named(name) = &global.runtime() {
        programs.retain(|label, _| label.runtime() == name);
        required.extend(programs.keys().cloned());
    }
    Ok((programs, required))
}

/// The folder in which images are built.
struct Work {
    folder: Utf8PathBuf,
    /// Removes the folder at the end, unless it is to be kept.
    _temporary: Option<tempfile::TempDir>,
}

impl Work {
    fn new(tree: &Utf8Path, keep: Option<&Utf8Path>) -> std::io::Result<Self> {
        if let Some(folder) = keep {
            let directory = place::open_directory(tree, folder)?;
            if !directory.entries()?.is_empty() {
                let message = format!("`{folder}` is not empty");
                return Err(std::io::Error::other(message));
            }
            return Ok(Self {
                folder: folder.canonicalize_utf8()?,
                _temporary: None,
            });
        }
        let temporary = tempfile::Builder::new()
            .prefix("stagex-conformance-")
            .tempdir_in(SCRATCH)?;
        let folder = Utf8PathBuf::from_path_buf(temporary.path().to_owned())
            .map_err(|path| std::io::Error::other(format!("{} is not UTF-8", path.display())))?;
        Ok(Self {
            folder,
            _temporary: Some(temporary),
        })
    }
}

/// Opens the suite that was asked for.
fn suite(arguments: &arguments::Conformance, work: &Work) -> Result<Suite, Failure> {
    let opened = if let Some(tree) = &arguments.tree {
        Suite::of_tree(tree, &arguments.targets)
    } else {
        let folder = work.folder.join("suite");
        let unpacked = conformance::unpack(&folder);
        unpacked.map_err(|error| Failure::new(ErrorKind::Environment, &error, None))?;
        Suite::of_cases(&folder)
    };
    let mut suite = opened.map_err(|error| {
        let kind = match error {
            SuiteError::Read { .. } => ErrorKind::Environment,
            _ => ErrorKind::Tree,
        };
        Failure::new(kind, &error, None)
    })?;
    suite.keep(&arguments.cases);
    if suite.subjects.is_empty() {
        let message = format!("no case is named like {}", arguments.cases.join(", "));
        let hint = "stagex conformance --list names them all".to_owned();
        return Err(Failure::of(ErrorKind::Usage, [(message, Some(hint))]));
    }
    Ok(suite)
}

fn list(global: &Global, matrix: &Matrix) {
    let cells = matrix.cells();
    match global.format {
        Format::Json => {
            let cell = |cell| json!({ "cell": cell, "absence": matrix.absence(cell) });
            let cells: Vec<_> = cells.iter().map(cell).collect();
            render::json(&json!({ "version": 1, "cells": cells }));
        }
        Format::Human => {
            for cell in &cells {
                let absence = matrix.absence(cell).map(|why| format!("  ({why})"));
                render::result(&(cell.name() + &absence.unwrap_or_default()));
            }
        }
    }
}

/// Tells what came of it, and how the program ends.
fn tell(global: &Global, results: &Results) -> Exit {
    let counts = results.counts();
    match global.format {
        Format::Json => render::json(results),
        Format::Human => {
            for answer in &results.answers {
                if let Verdict::Fails(failing) = &answer.verdict {
                    let contrast = failing.contrast.as_ref().map(|contrast| {
                        format!(
                            "\n  {}\n    expected {}\n    found    {}",
                            contrast.place, contrast.expected, contrast.found
                        )
                    });
                    let message = format!("{}: {}", answer.cell.name(), failing.message);
                    print_problem("error", &(message + &contrast.unwrap_or_default()), None);
                }
            }
            for (reason, count) in &counts.reasons {
                render::note(&format!("{count:6}  {reason}"));
            }
            render::result(&conformance::report::table(results));
            render::result(&format!(
                "{} cells hold, {} differ as listed, {} cannot run here, {} fail; {:.0} s",
                counts.holds, counts.differs, counts.cannot_run, counts.fails, results.seconds
            ));
        }
    }
    if results.interrupted {
        ErrorKind::Interrupted.into()
    } else if counts.fails > 0 {
        // Where no image differs, something could not be built.
        let differs = |answer: &Answer| {
            matches!(&answer.verdict, Verdict::Fails(failing) if failing.contrast.is_some())
        };
        if results.answers.iter().any(differs) {
            ErrorKind::Differs.into()
        } else {
            ErrorKind::Package.into()
        }
    } else if counts.holds + counts.differs == 0 {
        ErrorKind::NoRuntime.into()
    } else {
        Exit::Success
    }
}
