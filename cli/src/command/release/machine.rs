//! The steps of a release that a machine may do: sources, reproducing, the report.

use std::collections::BTreeSet;

use camino::Utf8Path;
use documents::{AttemptVerdict, ReleaseBy, ReleaseStepName as Step};
use runtimes::Choice;
use sign::Refusal;

use super::facts::Facts;
use super::found::{Open, StepState, Words};
use crate::arguments::Building;
use crate::command::fetch;
use crate::command::proof::{self, Making};
use crate::command::reproduce::{self, Asked};
use crate::exit::{ErrorKind, Exit};
use crate::failure::Failure;
use crate::place;
use crate::render;

/// Does a step as far as a machine can.
pub(super) fn run(facts: &Facts, step: Step) -> Result<Exit, Failure> {
    match step {
        Step::Sources => fetch::bring(facts.context, &facts.planned()?.1),
        Step::Reproduced => {
            for (clean, targets) in again(&refused(facts)?) {
                let exit = reproduce::of(
                    facts.context,
                    &asked(facts, clean, targets, &Building::default()),
                )?;
                if exit != Exit::Success {
                    return Ok(exit);
                }
            }
            Ok(Exit::Success)
        }
        Step::Report => {
            if let Some(place) = &facts.arguments.report {
                made(facts, place, Making::Written)?;
            }
            Ok(Exit::Success)
        }
        _ => Ok(Exit::Success),
    }
}

/// Each source is here.
pub(super) fn sources(facts: &Facts) -> Result<StepState, Failure> {
    let listed = fetch::listed(facts.context, &facts.planned()?.1)?;
    let all = render::count(listed.len(), "source");
    let missing: Vec<String> = listed.iter().filter_map(fetch::line).collect();
    if missing.is_empty() {
        return Ok(StepState::Done(format!("{all} here")));
    }
    Ok(Open::new(
        ReleaseBy::Machine,
        ErrorKind::Package,
        format!("{} of {all} missing", missing.len()),
    )
    .problems(missing)
    .command(facts.stagex(&["fetch"]))
    .found())
}

/// This machine has reproduced each package, from what the tree has now.
pub(super) fn reproduced(facts: &Facts) -> Result<StepState, Failure> {
    let refused = refused(facts)?;
    let packages = facts.planned()?.1.packages.len();
    let all = render::count(packages, "package");
    if refused.is_empty() {
        return Ok(StepState::Done(format!(
            "this machine has reproduced {all}"
        )));
    }
    let names: BTreeSet<&str> = refused.iter().map(|one| one.package.as_str()).collect();
    let differs = |one: &sign::Refused| match &one.why {
        Refusal::NotReproduced { verdict, .. } => {
            matches!(verdict, AttemptVerdict::Differs | AttemptVerdict::Unstable)
        }
        _ => false,
    };
    let kind = if refused.iter().any(differs) {
        ErrorKind::Differs
    } else {
        ErrorKind::NotVerified
    };
    let found = format!("{} of {all} not reproduced by this machine", names.len());
    let problem = |one: &sign::Refused| {
        let platform = one.platform.as_ref().map(|platform| format!(" {platform}"));
        format!(
            "{}{}: {}",
            one.package,
            platform.unwrap_or_default(),
            one.why
        )
    };
    let mut open = Open::new(ReleaseBy::Machine, kind, found);
    for (clean, targets) in again(&refused) {
        open = open.command(words(facts, clean, &targets));
    }
    if kind == ErrorKind::Differs {
        open = open.hint("`stagex ledger` says what came out, and `stagex diff` how it differs");
    }
    Ok(open.problems(refused.iter().map(problem).collect()).found())
}

/// The report is written, and says what is known now.
pub(super) fn report(facts: &Facts, place: &Utf8Path) -> Result<StepState, Failure> {
    let is_there = match place::open_to_read(&facts.context.directory, place) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => false,
        Err(error) => return Err(place::cannot("read", place, &error)),
        Ok(_) => true,
    };
    if is_there && made(facts, place, Making::Compared)?.is_old {
        return Ok(StepState::Done(format!("{place} says what is known now")));
    }
    let found = if is_there {
        format!("{place} says something else than what is known now")
    } else {
        format!("{place} is not there")
    };
    // Only the user's settings say to `stagex report` who is believed.
    let whom = facts.whom(true);
    let words = if whom.is_empty() {
        facts.stagex(&["report", "--signed", place.as_str()])
    } else {
        let number = facts.number()?.to_string();
        let mut words = facts.stagex(&["release", &number, "--run", "--report", place.as_str()]);
        words.extend(whom);
        words
    };
    Ok(Open::new(ReleaseBy::Machine, ErrorKind::NotVerified, found)
        .command(words)
        .found())
}

fn made(facts: &Facts, place: &Utf8Path, making: Making) -> Result<proof::MadeReport, Failure> {
    let (_, plan, recorded) = facts.planned()?;
    let judged = facts.judged()?;
    proof::made(facts.context, place, (plan, recorded), Some(judged), making)
}

/// Returns what this machine may not sign.
fn refused(facts: &Facts) -> Result<Vec<sign::Refused>, Failure> {
    let (believed, _) = facts.believed()?;
    let images = crate::command::sign::may_sign(facts.context, &believed.policy.registry)?;
    Ok(images.into_iter().filter_map(Result::err).collect())
}

/// Returns what is to be reproduced for it: whether anew though it was before, and what. Nothing names everything.
fn again(refused: &[sign::Refused]) -> Vec<(bool, Vec<String>)> {
    let of = |is_dirty: bool| {
        let of_it = refused
            .iter()
            .filter(|one| (one.why == Refusal::Dirty) == is_dirty);
        of_it
            .map(|one| one.package.clone())
            .collect::<BTreeSet<_>>()
    };
    let (anew, others) = (of(true), of(false));
    let anew = (!anew.is_empty()).then(|| (true, anew.into_iter().collect()));
    let others = (!others.is_empty()).then(|| (false, Vec::new()));
    anew.into_iter().chain(others).collect()
}

fn asked<'a>(
    facts: &Facts,
    clean: bool,
    targets: Vec<String>,
    building: &'a Building,
) -> Asked<'a> {
    Asked {
        targets,
        runtimes: facts.arguments.runtimes.clone(),
        clean,
        against_record: false,
        images: Vec::new(),
        from: Vec::new(),
        rounds: 1,
        agree: None,
        prove_bootstrap: false,
        restart: false,
        silent: true,
        building,
    }
}

/// Returns the command that reproduces packages in the same way.
fn words(facts: &Facts, clean: bool, targets: &[String]) -> Words {
    let mut words = facts.stagex(&[]);
    if let Some(Choice::Named(runtime)) = facts.context.runtimes.first() {
        words.extend(["--runtime".to_owned(), runtime.clone()]);
    }
    words.push("reproduce".to_owned());
    if !facts.arguments.runtimes.is_empty() {
        let runtimes = facts
            .arguments
            .runtimes
            .iter()
            .map(|(label, program)| match program {
                Some(program) => format!("{label}={program}"),
                None => label.to_string(),
            });
        words.extend([
            "--runtimes".to_owned(),
            runtimes.collect::<Vec<_>>().join(","),
        ]);
    }
    if clean {
        words.push("--clean".to_owned());
    }
    words.extend(targets.iter().cloned());
    words
}
