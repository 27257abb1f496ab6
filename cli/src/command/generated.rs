//! `stagex conformance --generate`, `--seconds` and `--again`: inputs that are made by chance, on every runtime and before
//! every oracle.

use std::fmt::Write as _;
use std::num::NonZeroUsize;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use conformance::{Column, Found, Harness, Known, NotPrepared, Oracle, Plan, Site};
use tempfile::TempDir;

use super::conformance::{SCRATCH, Work, programs, suite};
use crate::arguments;
use crate::context::Context;
use crate::exit::{ErrorKind, Exit};
use crate::failure::{Failure, print_problem, usage};
use crate::options::Format;
use crate::render::{self, inputs::Inputs};
use crate::wait;

/// The seed of the first input unless said.
const SEED: u64 = 1;
/// How many smaller inputs are tried for each that differs.
const BUDGET: usize = 200;
/// The directory of what differs, in one that is kept.
const FOUND: &str = "found";

pub(super) fn run(context: &Context, arguments: &arguments::Conformance) -> Result<Exit, Failure> {
    let (programs, required) = programs(context, arguments)?;
    let work = Work::of(context, arguments)?;
    let suite = suite(arguments, &work)?;
    let known =
        Known::read().map_err(|error| Failure::new(ErrorKind::Environment, &error, None))?;
    let scratch = scratch(arguments)?;
    let scratched = scratch
        .as_ref()
        .and_then(|scratch| Utf8Path::from_path(scratch.path()));
    let plan = Plan {
        seed: arguments.seed.unwrap_or(SEED),
        number: arguments.generate,
        time: arguments.seconds.map(Duration::from_secs),
        jobs: NonZeroUsize::new(context.settings.jobs()).unwrap_or(NonZeroUsize::MIN),
        budget: BUDGET,
        directory: scratched.map_or_else(|| work.directory.join(FOUND), Utf8Path::to_owned),
    };
    let again = arguments.again.as_ref();
    let again = again.map(|directory| context.directory.join(directory));
    let found = wait::block_on(async {
        let columns = Column::probe_all(&programs, &required).await?;
        let mut missing = columns.iter().filter(|column| column.required);
        if let Some(why) = missing.find_map(Column::absence) {
            return Err(Failure::of(ErrorKind::NoRuntime, [(why, None)]));
        }
        let oracles = if arguments.oracles.is_empty() {
            Oracle::find_all(&programs).await
        } else {
            named(&arguments.oracles).await?
        };
        let site = Site {
            directory: work.directory.join("trees"),
            network: backend_api::Network::None,
            interrupted: wait::watch(),
        };
        let progress = Inputs::new(context.verbosity, &plan);
        let trying = move || -> Result<Found, Failure> {
            let harness = Harness::new(&suite, columns, oracles, site, known)
                .map_err(|error| unprepared(&error))?;
            if harness.others().is_empty() {
                let message =
                    "there is nothing to compare with: one runtime is ready, and no oracle";
                let hint = "name a Docker with buildx and containerd's store: --oracle PROGRAM";
                return Err(Failure::of(
                    ErrorKind::NotCompared,
                    [(message.to_owned(), Some(hint.to_owned()))],
                ));
            }
            match again {
                Some(directory) => harness.again(&directory).map_err(|error| {
                    usage(
                        format!("cannot read the input in {directory}: {error}"),
                        None,
                    )
                }),
                None => Ok(harness.run(&plan, &|event| progress.hear(event))),
            }
        };
        let trying = tokio::task::spawn_blocking(trying).await;
        trying.expect("trying inputs does not panic")
    })?;
    let mut findings = found.findings.iter();
    if findings.any(|finding| finding.directory.is_some()) {
        // What differs stays.
        let _ = scratch.map(TempDir::keep);
    }
    Ok(tell(context, &found))
}

fn unprepared(error: &NotPrepared) -> Failure {
    let kind = match error {
        NotPrepared::NoColumn => ErrorKind::NoRuntime,
        NotPrepared::Base { .. } => ErrorKind::Package,
        NotPrepared::Absent(_) | NotPrepared::Io { .. } => ErrorKind::Environment,
    };
    Failure::new(kind, error, None)
}

/// Makes a directory for what differs, where none is kept. It goes again if nothing is written into it.
fn scratch(arguments: &arguments::Conformance) -> Result<Option<TempDir>, Failure> {
    if arguments.keep.is_some() {
        return Ok(None);
    }
    let made = tempfile::Builder::new()
        .prefix("stagex-found-")
        .tempdir_in(SCRATCH);
    made.map(Some)
        .map_err(|error| Failure::new(ErrorKind::Environment, &error, None))
}

async fn named(programs: &[Utf8PathBuf]) -> Result<Vec<Oracle>, Failure> {
    let mut oracles = Vec::new();
    for program in programs {
        let oracle = Oracle::of_program(program).await.ok_or_else(|| {
            let message = format!("{program} drives no BuildKit that can write an OCI layout");
            let hint = "it must be a Docker with buildx and containerd's image store whose daemon answers, or a buildctl";
            Failure::of(ErrorKind::NoRuntime, [(message, Some(hint.to_owned()))])
        })?;
        oracles.push(oracle);
    }
    Ok(oracles)
}

fn tell(context: &Context, found: &Found) -> Exit {
    match context.format {
        Format::Json => render::json(&found.document()),
        Format::Human => {
            for finding in &found.findings {
                print_problem("error", &problem(finding), None);
            }
            render::result(&summary(found));
        }
    }
    if found.interrupted {
        ErrorKind::Interrupted.into()
    } else if found.tallies.iter().any(|tally| tally.differs > 0) {
        ErrorKind::Differs.into()
    } else if found.compared() {
        Exit::Success
    } else {
        ErrorKind::NotCompared.into()
    }
}

fn problem(finding: &conformance::Finding) -> String {
    let contrast = &finding.contrast;
    let mut text = format!(
        "{} (seed {}, and {} more)\n  {}\n    {}: {}\n    {}: {}\n",
        finding.kind,
        finding.seed,
        finding.others.len(),
        contrast.place,
        finding.against,
        contrast.expected,
        finding.column,
        contrast.found
    );
    for line in finding.containerfile.lines() {
        let _ = writeln!(text, "    | {line}");
    }
    match (&finding.directory, &finding.unwritten) {
        (Some(directory), _) => {
            let _ = write!(text, "  written to {directory}");
        }
        (None, Some(why)) => {
            let _ = write!(text, "  it could not be written: {why}");
        }
        (None, None) => {}
    }
    text
}

fn summary(found: &Found) -> String {
    let mut text = String::new();
    for reason in &found.reasons {
        let first = reason.why.lines().next().unwrap_or_default();
        let _ = writeln!(
            text,
            "{:6}  {}: {}: {first} (seed {})",
            reason.count, reason.state, reason.who, reason.seed
        );
    }
    let _ = writeln!(
        text,
        "{} inputs, seeds from {}; {:.0} s",
        found.tried, found.seed, found.seconds
    );
    for tally in &found.tallies {
        let _ = writeln!(
            text,
            "{} and {}: {} equal, {} refused by both, {} refused while planning by one, {} differ as known, {} differ, \
             {} unsteady",
            tally.column,
            tally.against,
            tally.equal,
            tally.refused_by_both,
            tally.refused_while_planning,
            tally.known,
            tally.differs,
            tally.unsteady
        );
    }
    text.truncate(text.trim_end().len());
    text
}
