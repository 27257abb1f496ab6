//! `stagex conformance`: proves that every runtime gives the same images, and says where not.

use std::num::NonZeroUsize;
use std::sync::Arc;

use camino::{Utf8Path, Utf8PathBuf};
use conformance::{
    Answer, Column, Label, Matrix, Oracle, Programs, Results, Site, Suite, SuiteError, Verdict,
};
use runtimes::Choice;

use crate::arguments;
use crate::context::Context;
use crate::exit::{ErrorKind, Exit};
use crate::failure::{Failure, print_problem};
use crate::options::Format;
use crate::place;
use crate::render::{self, cells::Cells};
use crate::settings::Source;
use crate::wait;

/// Where images are built unless said: on a disk, which `/tmp` may not be.
pub(super) const SCRATCH: &str = "/var/tmp";

pub(super) fn run(context: &Context, arguments: &arguments::Conformance) -> Result<Exit, Failure> {
    if arguments.seed.is_some() || !arguments.oracles.is_empty() {
        let message = "--seed and --oracle are for generated inputs".to_owned();
        let hint = "say how many: --generate N, or for how long: --seconds S".to_owned();
        return Err(Failure::of(ErrorKind::Usage, [(message, Some(hint))]));
    }
    let (programs, required) = programs(context, arguments)?;
    let work = Work::of(context, arguments)?;
    let suite = Arc::new(suite(arguments, &work)?);
    let jobs = NonZeroUsize::new(context.settings.jobs()).unwrap_or(NonZeroUsize::MIN);

    let results = wait::block_on(async {
        let columns = Column::probe_all(&programs, &required).await;
        let columns = columns?;
        let oracles = Oracle::find_all(&programs).await;
        let site = Site {
            directory: work.directory.join("trees"),
            network: context.settings.network.value.into(),
            interrupted: wait::watch(),
        };
        let matrix = Arc::new(Matrix::new(suite, columns, oracles, site));
        if arguments.list {
            list(context, &matrix);
            return Ok(None);
        }
        let cells = Cells::new(context.verbosity, matrix.cells().len());
        let asking = move || conformance::run(&matrix, jobs, &|progress| cells.hear(progress));
        let results = tokio::task::spawn_blocking(asking).await;
        Ok(Some(results.expect("asking the cells does not panic")))
    })?;
    match results {
        None => Ok(Exit::Success),
        Some(results) => {
            if let Some(directory) = &arguments.report {
                let directory = place::directory(&context.directory, directory)?;
                conformance::report::write(&results, &directory).map_err(|error| {
                    let hint = "name a writable directory with --report";
                    Failure::new(ErrorKind::Environment, &error, Some(hint.to_owned()))
                })?;
            }
            Ok(tell(context, &results))
        }
    }
}

/// Returns the engines that `STAGEX_ENGINES` names, each with its program if that is said.
pub(super) fn engines() -> Result<Vec<arguments::Column>, Failure> {
    let words = crate::environment::engines()?;
    let engine = |word: String| {
        arguments::column(&word).map_err(|message| {
            let message = format!("STAGEX_ENGINES: {message}");
            Failure::of(ErrorKind::Usage, [(message, None)])
        })
    };
    words.into_iter().map(engine).collect()
}

/// Returns which program drives which column, and the columns that must be there.
pub(super) fn programs(
    context: &Context,
    arguments: &arguments::Conformance,
) -> Result<(Programs, Vec<Label>), Failure> {
    let usage = |message: String| Failure::of(ErrorKind::Usage, [(message, None)]);
    let by_name = context.programs();
    let known = |name: &str| by_name.get(name).cloned();
    let mut programs = Programs::new();
    // Plugins are columns only where they are asked for.
    for name in runtimes::NAMES {
        let label = name.parse().map_err(|error| usage(format!("{error}")))?;
        programs.insert(label, known(name));
    }
    programs.extend(engines()?);
    let mut required = Vec::new();
    if !arguments.columns.is_empty() {
        let given = arguments.columns.iter().map(|(label, program)| {
            let known = || {
                programs
                    .get(label)
                    .cloned()
                    .unwrap_or_else(|| known(label.as_str()))
            };
            (label.clone(), program.clone().or_else(known))
        });
        programs = given.collect();
        required.extend(programs.keys().cloned());
    }
    // A matrix is of all engines: which one is usual, as a file says, does not matter to it.
    let usual = matches!(context.settings.runtime.source, Source::File(..));
    let named = match context.runtimes.as_slice() {
        [] if usual => &[],
        [] => std::slice::from_ref(&context.settings.runtime.value),
        named => named,
    };
    let named: Vec<&str> = named
        .iter()
        .filter_map(|choice| match choice {
            Choice::Named(name) => Some(name.as_str()),
            Choice::Auto => None,
        })
        .collect();
    if arguments.columns.is_empty() {
        for name in &named {
            let label: Label = name.parse().map_err(|error| usage(format!("{error}")))?;
            programs.entry(label).or_insert_with(|| known(name));
        }
    }
    if !named.is_empty() {
        programs.retain(|label, _| named.contains(&label.runtime()));
        required.extend(programs.keys().cloned());
    }
    Ok((programs, required))
}

/// The directory in which images are built.
pub(super) struct Work {
    pub(super) directory: Utf8PathBuf,
    /// Removes the directory at the end, unless it is to be kept.
    _temporary: Option<tempfile::TempDir>,
}

impl Work {
    pub(super) fn of(
        context: &Context,
        arguments: &arguments::Conformance,
    ) -> Result<Self, Failure> {
        Self::new(&context.directory, arguments.keep.as_deref()).map_err(|error| {
            let hint = "name another directory with --keep";
            Failure::new(ErrorKind::Environment, &error, Some(hint.to_owned()))
        })
    }

    fn new(tree: &Utf8Path, keep: Option<&Utf8Path>) -> std::io::Result<Self> {
        if let Some(directory) = keep {
            let opened = place::open_directory(tree, directory)?;
            if !opened.entries()?.is_empty() {
                let message = format!("`{directory}` is not empty");
                return Err(std::io::Error::other(message));
            }
            return Ok(Self {
                directory: directory.canonicalize_utf8()?,
                _temporary: None,
            });
        }
        let temporary = tempfile::Builder::new()
            .prefix("stagex-conformance-")
            .tempdir_in(SCRATCH)?;
        let directory = Utf8PathBuf::from_path_buf(temporary.path().to_owned())
            .map_err(|path| std::io::Error::other(format!("{} is not UTF-8", path.display())))?;
        Ok(Self {
            directory,
            _temporary: Some(temporary),
        })
    }
}

/// Opens the suite that was asked for.
pub(super) fn suite(arguments: &arguments::Conformance, work: &Work) -> Result<Suite, Failure> {
    let opened = if let Some(tree) = &arguments.tree {
        Suite::of_tree(tree, &arguments.targets)
    } else {
        let directory = work.directory.join("suite");
        let unpacked = conformance::unpack(&directory);
        unpacked.map_err(|error| Failure::new(ErrorKind::Environment, &error, None))?;
        Suite::of_cases(&directory)
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
        let message = format!("no case has {} in its name", arguments.cases.join(", "));
        let hint = "list all cases: stagex conformance --list".to_owned();
        return Err(Failure::of(ErrorKind::Usage, [(message, Some(hint))]));
    }
    Ok(suite)
}

fn list(context: &Context, matrix: &Matrix) {
    match context.format {
        Format::Json => render::json(&matrix.document()),
        Format::Human => {
            for cell in &matrix.cells() {
                let absence = matrix.absence(cell).map(|why| format!("  ({why})"));
                render::result(&(cell.name() + &absence.unwrap_or_default()));
            }
        }
    }
}

/// Tells what came of it, and how the program ends.
fn tell(context: &Context, results: &Results) -> Exit {
    let counts = results.counts();
    match context.format {
        Format::Json => render::json(&results.document()),
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
        let differs = |answer: &Answer| matches!(&answer.verdict, Verdict::Fails(failing) if failing.contrast.is_some());
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
