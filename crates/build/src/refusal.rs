//! An instruction that a runtime cannot carry out, and how that is said.
//!
//! It does not know what runtimes can do.

use std::fmt::Write as _;

use camino::Utf8PathBuf;
use containerfile::Position;

/// How many lines are named of which the same is true.
const LINES: usize = 5;

/// An instruction that a runtime cannot carry out, or not rightly.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}:{}:{}: {message}{}", position.line, position.column, also(.lines))]
pub struct Refusal {
    /// The Containerfile.
    pub path: Utf8PathBuf,
    /// Where the instruction stands.
    pub position: Position,
    /// The lines of further instructions of which the same is true.
    pub lines: Vec<usize>,
    /// What cannot be done, and why.
    pub message: String,
    /// What can be done about it.
    pub hint: Option<String>,
}

/// Names the lines of which the same is true.
fn also(lines: &[usize]) -> String {
    let mut named: Vec<_> = lines.iter().take(LINES).map(ToString::to_string).collect();
    let more = lines.len() - named.len();
    if more > 0 {
        named.push(format!("{more} more"));
    }
    match named.as_slice() {
        [] => String::new(),
        [one] => format!(" (and in line {one})"),
        several => format!(" (and in lines {})", several.join(", ")),
    }
}

impl Refusal {
    /// Puts what is equal but for its line together. All are of one file.
    pub(crate) fn grouped(refusals: impl Iterator<Item = Self>) -> Vec<Self> {
        let mut grouped: Vec<Self> = Vec::new();
        for refusal in refusals {
            let mut known = grouped.iter_mut();
            match known.find(|known| known.message == refusal.message) {
                Some(known) => {
                    let lines = [refusal.position.line].into_iter().chain(refusal.lines);
                    for line in lines {
                        if line != known.position.line && !known.lines.contains(&line) {
                            known.lines.push(line);
                        }
                    }
                }
                None => grouped.push(refusal),
            }
        }
        grouped
    }
}

/// Says what is refused, each on a line.
pub(crate) fn message(refusals: &[Refusal]) -> String {
    let mut message = String::new();
    for refusal in refusals {
        let end = if message.is_empty() { "" } else { "\n" };
        let _ = write!(message, "{end}{refusal}");
    }
    message
}
