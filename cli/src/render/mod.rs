//! Everything that the program prints, apart from errors.

pub(crate) mod cells;
mod plain;
mod reasons;
mod terminal;

pub(crate) use plain::because;
pub(crate) use reasons::Reasons;

use std::borrow::Cow;
use std::io::IsTerminal as _;
use std::sync::Arc;

use engine::Listener;
use tracing_subscriber::EnvFilter;

use crate::arguments::{Global, Progress};

/// Sends the log to standard error: nothing unless `-vv` was given.
pub(crate) fn log(verbose: u8) {
    let level = if verbose >= 2 { "debug" } else { "off" };
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(level))
        .with_writer(std::io::stderr)
        .with_target(false)
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
pub(crate) fn listener(global: &Global, show: Show) -> Arc<dyn Listener> {
    let terminal = show.progress == Progress::Auto && std::io::stderr().is_terminal();
    let plain = plain::Plain {
        output: global.verbose > 0,
        reasons: show.reasons,
    };
    if global.quiet {
        Arc::new(())
    } else if global.verbose == 0 && terminal {
        Arc::new(terminal::Terminal::new(plain))
    } else {
        Arc::new(plain)
    }
}

/// Returns a text that somebody else wrote, such as a build's output, without what a terminal
/// would take for an order.
pub(crate) fn printable(text: &str) -> Cow<'_, str> {
    let order = |c: char| c.is_control() && c != '\t';
    if text.contains(order) {
        Cow::Owned(text.replace(order, "\u{fffd}"))
    } else {
        Cow::Borrowed(text)
    }
}

/// Prints a result to standard output.
pub(crate) fn result(text: &str) {
    anstream::print!("{text}");
    if !text.ends_with('\n') {
        anstream::println!();
    }
}

/// Prints a value to standard output as JSON.
pub(crate) fn json(value: &impl serde::Serialize) {
    result(&serde_json::to_string_pretty(value).expect("what is printed is plain data"));
}

/// Prints one line that a person should see, to standard error.
pub(crate) fn note(text: &str) {
    anstream::eprintln!("{text}");
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_a_build_prints_gives_a_terminal_no_orders() {
        assert_eq!(super::printable("CC a.c\tb"), "CC a.c\tb");
        assert_eq!(
            super::printable("\u{1b}]0;title\u{7}done\r\u{9b}2J"),
            "\u{fffd}]0;title\u{fffd}done\u{fffd}\u{fffd}2J"
        );
    }
}
