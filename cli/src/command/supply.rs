//! What brings the sources of packages that are built: the fetcher, behind `make`'s seam.
//!
//! It does not know when a package is built.

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use build::{Error, Event, FetchProblem, Listener, missing_sources};
use camino::Utf8PathBuf;
use fetch::{Config, Fetcher, How, Unfetched, Wanted};
use make::Sources;
use package_tree::PlannedPackage;

use super::fetch::{configuration, is_offline};
use crate::context::Context;
use crate::exit::ErrorKind;
use crate::render;

/// Brings sources with a fetcher.
#[derive(Debug)]
struct Supply {
    root: Utf8PathBuf,
    may_download: bool,
    /// What the fetcher is told, or why there can be none.
    config: Result<Config, Box<FetchProblem>>,
    /// Made when the first package needs it: what is up to date needs no store.
    fetcher: OnceLock<Fetcher>,
    told: Told,
}

/// Returns what brings sources to builds. `listener` hears what is downloaded. Without `may_download`, what is
/// neither in `fetch/` nor in the store is missing.
pub(super) fn of(
    context: &Context,
    may_download: bool,
    listener: &Arc<dyn Listener>,
) -> Arc<dyn Sources> {
    let may_download = may_download && !is_offline(context);
    let config = configuration(context).map(|config| Config {
        offline: !may_download,
        ..config
    });
    Arc::new(Supply {
        root: context.directory.clone(),
        may_download,
        config: config.map_err(|failure| Box::new(failure.keeps_sources())),
        fetcher: OnceLock::new(),
        told: Told(Arc::clone(listener)),
    })
}

impl Supply {
    fn fetcher(&self) -> Result<&Fetcher, Box<FetchProblem>> {
        if let Some(fetcher) = self.fetcher.get() {
            return Ok(fetcher);
        }
        let config = self.config.clone()?;
        let made = Fetcher::new(config).map_err(|error| Box::new(problem(&error)))?;
        // Of two that are made at once, the first is used.
        Ok(self.fetcher.get_or_init(|| made))
    }
}

#[async_trait]
impl Sources for Supply {
    fn require(&self, packages: &[&PlannedPackage]) -> Result<(), Error> {
        if self.may_download {
            return Ok(());
        }
        let mut missing = missing_sources(&self.root, packages.iter().copied());
        if missing.is_empty() {
            return Ok(());
        }
        if let Ok(fetcher) = self.fetcher() {
            let mut wanted = Wanted::of(packages.iter().copied());
            let path = |one: &Wanted| self.root.join(one.path());
            wanted.retain(|one| missing.iter().any(|missing| missing.path == path(one)));
            let listed = fetcher
                .list(&wanted)
                .map_err(|error| Error::Fetch(Box::new(problem(&error))))?;
            let stored = listed.iter().filter(|listed| listed.state.is_here());
            let stored: BTreeSet<Utf8PathBuf> = stored.map(|listed| path(&listed.wanted)).collect();
            missing.retain(|missing| !stored.contains(&missing.path));
        }
        if missing.is_empty() {
            Ok(())
        } else {
            Err(Error::MissingSources(missing))
        }
    }

    async fn bring(&self, package: &PlannedPackage) -> Result<(), Error> {
        let fetcher = match self.fetcher() {
            // A store that cannot be opened matters only where something has to come from it. What is
            // in `fetch/` is hashed when it is taken into the context.
            Err(_) if missing_sources(&self.root, [package]).is_empty() => return Ok(()),
            fetcher => fetcher.map_err(Error::Fetch)?,
        };
        let wanted = Wanted::of([package]);
        let told: Arc<dyn fetch::Listener> = Arc::new(self.told.clone());
        let report = fetcher.fetch(&wanted, &told).await;
        let report = report.map_err(|error| Error::Fetch(Box::new(problem(&error))))?;
        let failed: Vec<&Unfetched> = report.failed().collect();
        let Some(first) = failed.first() else {
            return Ok(());
        };
        // Whoever prints it says first which package it is.
        let of = format!("{}: ", first.wanted.package);
        let messages = failed.iter().map(|unfetched| {
            let text = unfetched.to_string();
            text.strip_prefix(&of).map_or(text.clone(), str::to_owned)
        });
        let messages: Vec<String> = messages.collect();
        Err(Error::Fetch(Box::new(FetchProblem {
            kind: ErrorKind::Package,
            message: messages.join("\n"),
            hint: Some(first.hint()),
        })))
    }
}

/// Turns what ends fetching into what ends a build.
fn problem(error: &fetch::Error) -> FetchProblem {
    FetchProblem {
        kind: error.kind(),
        message: crate::failure::chain(error),
        hint: error.hint(),
    }
}

/// Tells whoever hears of builds what is downloaded for them.
#[derive(Clone)]
struct Told(Arc<dyn Listener>);

impl std::fmt::Debug for Told {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Told")
    }
}

impl fetch::Listener for Told {
    fn hear(&self, event: fetch::Event<'_>) {
        // What fails is said with the package's failure, and what was at hand is nobody's news.
        let is_news = !matches!(
            event,
            fetch::Event::Asked { .. }
                | fetch::Event::Unfetched { .. }
                | fetch::Event::Done {
                    how: How::Present | How::Stored,
                    ..
                }
        );
        let Some((source, text)) = render::fetching::said(&event).filter(|_| is_news) else {
            return;
        };
        let message = format!("{}: {text}", source.source.file);
        let package = source.package.clone();
        self.0.hear(Event::Notice { package, message });
    }
}
