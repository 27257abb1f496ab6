//! `stagex fetch`: downloads sources, or says what is missing.

mod fetching;
mod mirrors;
mod seed;
mod verify;

use std::fmt::Write as _;

use documents::{FailedMirror, FetchedSource, SourceOutcome, Version};
use fetch::{How, Listed, Report, State, Store, Unfetched, Wanted, Which};
use indicatif::HumanBytes;
use make::Cleaned;
use package_tree::{DEFAULT_PLATFORM, Plan};

use crate::arguments;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::options::{Format, Progress};
use crate::place;
use crate::render;

pub(super) use fetching::{configuration, is_offline, transfer};
use fetching::{exit, fetch, fetcher, store};

pub(super) fn run(context: &Context, arguments: &arguments::Fetch) -> Result<Exit, Failure> {
    if let Some(from) = &arguments.import {
        return seed::import(context, from, arguments.progress);
    }
    let tree = super::tree::open(context)?;
    super::tree::warn(context, &tree, &arguments.targets);
    let plan = super::tree::plan_for(context, &tree, &arguments.targets, DEFAULT_PLATFORM)?;
    if arguments.list {
        return list(context, &plan);
    }
    if let Some(to) = &arguments.export {
        return seed::export(context, &plan, to, arguments.progress);
    }
    if arguments.verify {
        let which = if arguments.targets.is_empty() {
            Which::All
        } else {
            Which::Wanted
        };
        return verify::verify(context, &plan, which, arguments.progress);
    }
    if let Some(depth) = arguments.check_mirrors {
        return mirrors::check(context, &plan, depth, arguments.progress);
    }
    if arguments.update_hash {
        return verify::update_hash(context, &plan);
    }
    of_plan(context, &plan, arguments.progress)
}

/// Fetches the sources of all packages of a plan.
pub(super) fn of_plan(context: &Context, plan: &Plan, progress: Progress) -> Result<Exit, Failure> {
    let report = fetch(
        context,
        &fetcher(context)?,
        &Wanted::of(&plan.packages),
        progress,
    )?;
    match context.format {
        Format::Json => render::json(&document(&report)),
        Format::Human => render::result(&summary(&report)),
    }
    Ok(exit(&report))
}

/// Does the same, and says only what cannot be had.
pub(super) fn bring(context: &Context, plan: &Plan) -> Result<Exit, Failure> {
    let wanted = Wanted::of(&plan.packages);
    let report = fetch(context, &fetcher(context)?, &wanted, Progress::default())?;
    Ok(exit(&report))
}

/// Says of the sources of all packages of a plan which are here.
pub(super) fn listed(context: &Context, plan: &Plan) -> Result<Vec<Listed>, Failure> {
    Ok(fetcher(context)?.list(&Wanted::of(&plan.packages))?)
}

/// Removes the store.
pub(super) fn clear_store(context: &Context) -> Result<Cleaned, Failure> {
    let path = store(context)?;
    let cleared = Store::open(&path).and_then(|store| store.clear());
    let removed = cleared.map_err(|error| place::cannot("clear the store", &path, &error))?;
    Ok(Cleaned {
        files: removed.files,
        bytes: removed.bytes,
    })
}

fn list(context: &Context, plan: &Plan) -> Result<Exit, Failure> {
    let listed = listed(context, plan)?;
    match context.format {
        Format::Json => render::json(&documents::Fetch {
            version: Version,
            sources: listed.iter().map(of_listed).collect(),
        }),
        Format::Human => {
            for each in &listed {
                if let Some(line) = line(each) {
                    render::result(&line);
                }
            }
            if !context.verbosity.quiet {
                let missing = listed.iter().filter(|each| !each.state.is_here()).count();
                let all = render::count(listed.len(), "source");
                render::note(&format!("{missing} of {all} missing"));
            }
        }
    }
    Ok(Exit::Success)
}

/// Says what is missing of a source, if anything is.
pub(super) fn line(listed: &Listed) -> Option<String> {
    let State::Missing { arrived, instead } = &listed.state else {
        return None;
    };
    let mut text = format!("{} {}", listed.wanted.source.hash, listed.wanted.path());
    let arrived = HumanBytes(*arrived);
    let _ = match listed.bytes.map(HumanBytes) {
        Some(bytes) => write!(text, ", {arrived} of {bytes} arrived"),
        None if arrived.0 > 0 => write!(text, ", {arrived} arrived"),
        None => Ok(()),
    };
    if let Some(instead) = instead {
        let _ = write!(text, ", in its place is another file: {instead}");
    }
    Some(text)
}

fn summary(report: &Report) -> String {
    let (mut present, mut stored, mut fetched, mut total) = (0, 0, 0, 0);
    for (_, came) in &report.sources {
        match came {
            Ok(How::Present) => present += 1,
            Ok(How::Stored) => stored += 1,
            Ok(How::Fetched { bytes, .. }) => {
                fetched += 1;
                total += bytes;
            }
            Err(_) => {}
        }
    }
    let all = render::count(report.sources.len(), "source");
    format!(
        "{all}: {fetched} fetched ({}), {stored} from the store, {present} already there, {} missing",
        HumanBytes(total),
        report.failed().count(),
    )
}

fn document(report: &Report) -> documents::Fetch {
    let source = |(wanted, came): &(Wanted, Result<How, Unfetched>)| {
        let (bytes, outcome) = match came {
            Ok(How::Present) => (None, SourceOutcome::Present),
            Ok(How::Stored) => (None, SourceOutcome::Stored),
            Ok(How::Fetched { mirror, bytes }) => {
                let mirror = mirror.clone();
                (Some(*bytes), SourceOutcome::Fetched { mirror })
            }
            Err(unfetched) => {
                let attempts = unfetched.attempts.iter().map(|attempt| FailedMirror {
                    mirror: attempt.mirror.clone(),
                    message: attempt.why.to_string(),
                });
                let attempts = attempts.collect();
                (None, SourceOutcome::Failed { attempts })
            }
        };
        of_wanted(wanted, bytes, outcome)
    };
    documents::Fetch {
        version: Version,
        sources: report.sources.iter().map(source).collect(),
    }
}

fn of_listed(listed: &Listed) -> FetchedSource {
    let outcome = match &listed.state {
        State::Present => SourceOutcome::Present,
        State::Stored => SourceOutcome::Stored,
        State::Missing { arrived, instead } => SourceOutcome::Missing {
            arrived: *arrived,
            instead: instead.clone(),
        },
    };
    of_wanted(&listed.wanted, listed.bytes, outcome)
}

fn of_wanted(wanted: &Wanted, bytes: Option<u64>, outcome: SourceOutcome) -> FetchedSource {
    FetchedSource {
        package: wanted.package.clone(),
        key: wanted.source.key.clone(),
        path: wanted.path().into_string(),
        hash: wanted.source.hash.clone(),
        bytes,
        outcome,
    }
}
