//! Everything that the program prints, apart from errors.

pub(crate) mod cells;
mod plain;
mod terminal;

use std::io::IsTerminal as _;
use std::sync::Arc;

use engine::Listener;
use tracing_subscriber::EnvFilter;

use crate::arguments::Global;

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

/// Returns who shows what happens: lines that come and go on a terminal, plain lines elsewhere.
pub(crate) fn listener(global: &Global) -> Arc<dyn Listener> {
    if global.quiet {
        Arc::new(())
    } else if global.verbose == 0 && std::io::stderr().is_terminal() {
        Arc::new(terminal::Terminal::new())
    } else {
        Arc::new(plain::Plain {
            output: global.verbose > 0,
        })
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
