//! A fetcher with what is settled, and what all that `stagex fetch` does has in common: fetching while it is
//! shown, and how the program ends then.

use std::sync::Arc;

use camino::Utf8PathBuf;
use fetch::{Config, Fetcher, Report, Wanted};
use state::Hashes;

use crate::context::Context;
use crate::environment;
use crate::exit::{ErrorKind, Exit};
use crate::failure::{Failure, print_problem, usage};
use crate::options::{Network, Progress};
use crate::place;
use crate::render;
use crate::wait;

/// Fetches sources, and shows it.
pub(super) fn fetch(
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
pub(super) fn exit(report: &Report) -> Exit {
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
pub(super) fn fetcher(context: &Context) -> Result<Fetcher, Failure> {
    Ok(Fetcher::new(configuration(context)?)?)
}

/// Tells whether nothing may be downloaded.
pub(in crate::command) fn is_offline(context: &Context) -> bool {
    context.settings.network.value == Network::None
}

/// Returns what is settled for fetching.
pub(in crate::command) fn configuration(context: &Context) -> Result<Config, Failure> {
    let settings = &context.settings.fetch;
    Ok(Config {
        tree: context.directory.clone(),
        store: store(context)?,
        limit: settings.limit.value,
        by_hash: settings.by_hash.value.clone(),
        by_hash_first: settings.by_hash_first.value,
        directories: settings.directories.value.clone(),
        offline: is_offline(context),
        transfer: transfer(context)?,
        hashes: Arc::new(Hashes::of_tree(&place::directories(context)?)),
    })
}

/// Returns what is settled for downloading anything.
pub(in crate::command) fn transfer(context: &Context) -> Result<transfer::Config, Failure> {
    let settings = &context.settings.fetch;
    Ok(transfer::Config {
        connections: settings.connections.value as usize,
        per_host: settings.per_host.value as usize,
        stall: settings.stall.value,
        proxies: environment::proxies()?,
        ..transfer::Config::default()
    })
}

/// Returns the directory of the store.
pub(super) fn store(context: &Context) -> Result<Utf8PathBuf, Failure> {
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
