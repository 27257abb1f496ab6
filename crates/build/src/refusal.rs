//! An instruction that a runtime cannot carry out, and how that is said.
//!
//! It does not know what runtimes can do.

use std::fmt::Write as _;

use camino::{Utf8Path, Utf8PathBuf};
use containerfile::{Containerfile, Position, Span};

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
    /// Says what cannot be done of what stands at `span` in the Containerfile at a path.
    pub(crate) fn at(
        (path, file, span): (&Utf8Path, &Containerfile, Span),
        message: String,
        hint: Option<String>,
    ) -> Self {
        Self {
            path: path.to_owned(),
            position: Position::in_source(&file.source, span.start),
            lines: Vec::new(),
            message,
            hint,
        }
    }

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

/// What a runtime cannot carry out of a plan, file by file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Refusals(Vec<(Refusal, Vec<String>)>);

impl Refusals {
    /// Adds what is refused of a package. What is refused of several packages of one file is said once.
    pub fn add(&mut self, package: &str, refusals: Vec<Refusal>) {
        for refusal in refusals {
            let mut known = self.0.iter_mut();
            match known.find(|(known, _)| *known == refusal) {
                Some((_, packages)) => packages.push(package.to_owned()),
                None => self.0.push((refusal, vec![package.to_owned()])),
            }
        }
    }

    /// Tells whether nothing is refused.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Leaves out what concerns none of these packages.
    pub fn retain(&mut self, is_meant: impl Fn(&str) -> bool) {
        for (_, packages) in &mut self.0 {
            packages.retain(|package| is_meant(package));
        }
        self.0.retain(|(_, packages)| !packages.is_empty());
    }

    /// Returns what is refused, each with the names of the packages.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&Refusal, &[String])> {
        self.0
            .iter()
            .map(|(refusal, packages)| (refusal, packages.as_slice()))
    }
}

/// Says what is refused, each on a line.
pub(crate) fn message(refusals: &Refusals) -> String {
    let mut message = String::new();
    for (refusal, _) in refusals.iter() {
        let end = if message.is_empty() { "" } else { "\n" };
        let _ = write!(message, "{end}{refusal}");
    }
    message
}
