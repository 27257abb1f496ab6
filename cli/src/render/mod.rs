//! Everything that the program prints, apart from errors.

mod amount;
pub(crate) mod cells;
pub(crate) mod diff;
pub(crate) mod fetching;
pub(crate) mod findings;
pub(crate) mod inputs;
mod plain;
mod reasons;
mod streams;
mod terminal;
mod words;

pub(crate) use amount::Unit;
pub(crate) use plain::because;
pub(crate) use reasons::Reasons;
pub(crate) use streams::{Lost, is_screen, lost, note, prompt, result, styled, written};
pub(crate) use words::{count, shortened};

use std::sync::Arc;

use build::Listener;
use documents::Document;
use fetch::Meter;
use serde::Serialize;
use tracing_subscriber::EnvFilter;

use crate::options::{Progress, Verbosity};

/// Sends the log to standard error: nothing unless `-vv` was given.
pub(crate) fn log(verbose: u8) {
    let level = if verbose >= 2 { "debug" } else { "off" };
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(level))
        .with_writer(|| streams::Log)
        .with_ansi(false)
        .with_target(false)
        // It would panic where standard error cannot be written either.
        .log_internal_errors(false)
        .without_time()
        .init();
}

/// What is shown of what happens.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Show {
    pub(crate) progress: Progress,
    /// Why each package is built.
    pub(crate) reasons: bool,
}

/// Returns who shows what happens: lines that come and go on a terminal, plain lines elsewhere.
pub(crate) fn listener(verbosity: Verbosity, show: Show) -> Arc<dyn Listener> {
    let terminal = show.progress == Progress::Auto && is_screen();
    let plain = plain::Plain {
        output: verbosity.verbose > 0,
        reasons: show.reasons,
    };
    if verbosity.quiet {
        Arc::new(())
    } else if verbosity.verbose == 0 && terminal {
        Arc::new(terminal::Terminal::new(plain))
    } else {
        Arc::new(plain)
    }
}

/// Returns who shows what happens while sources are fetched.
pub(crate) fn fetching(verbosity: Verbosity, progress: Progress) -> Arc<dyn fetch::Listener> {
    let lines = fetching::Lines {
        verbose: verbosity.verbose > 0,
    };
    if verbosity.quiet {
        Arc::new(())
    } else if verbosity.verbose == 0 && progress == Progress::Auto && is_screen() {
        Arc::new(fetching::Bars::new(lines))
    } else {
        Arc::new(lines)
    }
}

/// Returns who shows how far work is.
pub(crate) fn amount(
    verbosity: Verbosity,
    progress: Progress,
    what: &'static str,
    unit: Unit,
) -> Arc<dyn Meter> {
    if verbosity.quiet {
        Arc::new(())
    } else if progress == Progress::Auto && is_screen() {
        Arc::new(amount::Bar::new(what, unit))
    } else {
        Arc::new(amount::Lines::new(what, unit))
    }
}

/// Prints a document to standard output as JSON.
pub(crate) fn json(document: &impl Document) {
    foreign(document);
}

/// Prints a document to standard output as JSON whose format others have defined.
pub(crate) fn foreign(document: &impl Serialize) {
    result(&text_of(document));
}

/// Returns a document whose format others have defined as the text of a file.
pub(crate) fn foreign_text(document: &impl Serialize) -> String {
    format!("{}\n", text_of(document))
}

fn text_of(document: &impl Serialize) -> String {
    let text = serde_json::to_string_pretty(document).expect("what is printed is plain data");
    printable::json(&text).into()
}
