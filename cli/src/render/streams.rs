//! The one place that writes to standard output and standard error, and knows what becomes of what
//! cannot be written: of a result that is an error, and of anything else it is nothing.

use std::fmt::Display;
use std::io::{self, IsTerminal as _, Write as _};
use std::sync::OnceLock;

/// Why standard output could not be written, the first time.
static LOST: OnceLock<io::Error> = OnceLock::new();

/// Prints a result to standard output.
pub(crate) fn result(text: &str) {
    let end = if text.ends_with('\n') { "" } else { "\n" };
    let text = printable::lines(text);
    written(write!(anstream::stdout(), "{text}{end}"));
}

/// Prints a result to standard output whose control characters are ours: colours, which only a terminal gets.
pub(super) fn painted(text: &str) {
    written(write!(anstream::stdout(), "{text}"));
}

/// Takes note of what came of writing to standard output.
pub(crate) fn written(outcome: io::Result<()>) {
    match outcome {
        // Whoever read it has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
        Err(error) => _ = LOST.set(error),
        Ok(()) => {}
    }
}

/// A result that could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write to standard output: {0}")]
pub(crate) struct Lost(&'static io::Error);

/// Returns what there is to say if a result could not be written.
pub(crate) fn lost() -> Option<Lost> {
    written(io::stdout().flush());
    LOST.get().map(Lost)
}

/// Prints one line that a person should see, to standard error.
pub(crate) fn note(text: &str) {
    styled(printable::lines(text));
}

/// Prints a question to standard error, whose answer is typed behind it.
pub(crate) fn prompt(text: &str) {
    let _ = write!(anstream::stderr(), "{}", printable::line(text));
}

/// The log, on standard error. What the program tells of itself has words of others in it: arguments,
/// paths, what a program printed.
pub(super) struct Log;

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        io::stderr().write_all(printable::lines(&text).as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

/// Prints one line to standard error whose control characters are ours. That nobody can be told is
/// no reason to give up.
pub(crate) fn styled(text: impl Display) {
    let _ = writeln!(anstream::stderr(), "{text}");
}

/// Tells whether standard error is a terminal on which lines can come and go.
pub(crate) fn is_screen() -> bool {
    let terminal = crate::environment::terminal();
    io::stderr().is_terminal() && can_move(terminal.as_deref())
}

/// Tells whether a terminal of that name can have its lines written anew.
fn can_move(terminal: Option<&str>) -> bool {
    terminal != Some("dumb")
}

#[cfg(test)]
mod tests {
    use super::can_move;

    #[test]
    fn lines_stay_on_a_dumb_terminal() {
        assert!(!can_move(Some("dumb")));
        assert!(can_move(Some("xterm")) && can_move(None));
    }
}
