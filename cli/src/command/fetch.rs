//! `stagex fetch`: downloads sources, or says what is missing.

mod seed;
mod verify;

use std::fmt::Write as _;
use std::sync::Arc;

use camino::Utf8PathBuf;
use documents::{FailedMirror, FetchedSource, SourceOutcome, Version};
use fetch::{Config, Fetcher, How, Listed, Report, State, Store, Unfetched, Wanted, Which};
use indicatif::HumanBytes;
use make::Cleaned;
use package_tree::{DEFAULT_PLATFORM, Plan};
use state::Hashes;

use crate::arguments;
use crate::context::Context;
use crate::environment;
use crate::exit::{ErrorKind, Exit};
use crate::failure::{Failure, print_problem, usage};
use crate::options::{Format, Network, Progress};
use crate::place;
use crate::render;
use crate::wait;

pub(super) fn run(context: &Context, arguments: &arguments::Fetch) -> Result<Exit, Failure> {
    if let Some(from) = &arguments.import {
        return seed::import(context, from);
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

/// Fetches sources, and shows it.
fn fetch(
    context: &Context,
    fetcher: &Fetcher,
    wanted: &[Wanted],
    progress: Progress,
) -> Result<Report, Failure> {
    let listener = render::fetching(context.verbosity, progress);
    let report = wait::block_on(async {
        let mut interrupted = wait::watch();
        let fetching = fetcher.fetch(wanted, &listener);
        let report = wait::unless(&mut interrupted, fetching).await?;
        Ok(report?)
    });
    drop(listener);
    report
}

/// Says what could not be fetched. Returns how the program ends.
fn exit(report: &Report) -> Exit {
    for unfetched in report.failed() {
        print_problem("error", &unfetched.to_string(), Some(&unfetched.hint()));
    }
    if report.failed().next().is_none() {
        Exit::Success
    } else {
        ErrorKind::Package.into()
    }
}

/// Makes a fetcher with what is settled.
fn fetcher(context: &Context) -> Result<Fetcher, Failure> {
    Ok(Fetcher::new(configuration(context)?)?)
}

/// Tells whether nothing may be downloaded.
pub(super) fn is_offline(context: &Context) -> bool {
    context.settings.network.value == Network::None
}

/// Returns what is settled for fetching.
pub(super) fn configuration(context: &Context) -> Result<Config, Failure> {
    let settings = &context.settings.fetch;
    Ok(Config {
        tree: context.directory.clone(),
        store: store(context)?,
        limit: settings.limit.value,
        by_hash: settings.by_hash.value.clone(),
        by_hash_first: settings.by_hash_first.value,
        directories: settings.directories.value.clone(),
        offline: is_offline(context),
        transfer: transfer::Config {
            connections: settings.connections.value as usize,
            per_host: settings.per_host.value as usize,
            stall: settings.stall.value,
            proxies: environment::proxies()?,
            ..transfer::Config::default()
        },
        hashes: Arc::new(Hashes::of_tree(&place::directories(context)?)),
    })
}

/// Returns the directory of the store.
fn store(context: &Context) -> Result<Utf8PathBuf, Failure> {
    let Some(store) = &context.settings.fetch.store.value else {
        return environment::default_store().ok_or_else(|| {
            let hint = "set HOME, XDG_CACHE_HOME or STAGEX_STORE";
            usage(
                "there is no home directory for the store of sources".to_owned(),
                Some(hint),
            )
        });
    };
    place::outside(
        &context.directory,
        store,
        "leave it out to use the store in your cache directory",
    )
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
    let listed = fetcher(context)?.list(&Wanted::of(&plan.packages))?;
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
fn line(listed: &Listed) -> Option<String> {
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
