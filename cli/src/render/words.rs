//! How a number of things, and a line that is repeated, are written. It does not know what is shown, or where.

use std::borrow::Cow;
use std::fmt::Display;

/// How much of a line is shown where it is repeated, in characters.
const LONGEST: usize = 1000;

/// Returns a number of things, with their name for one of them: `1 package`, `2 packages`.
pub(crate) fn count<N: Copy + Display + PartialEq + From<u8>>(number: N, name: &str) -> String {
    let plural = if number == N::from(1) { "" } else { "s" };
    format!("{number} {name}{plural}")
}

/// Returns a line as far as a person reads it.
pub(crate) fn shortened(line: &str) -> Cow<'_, str> {
    match line.char_indices().nth(LONGEST) {
        Some((end, _)) => Cow::Owned(format!("{}\u{2026}", &line[..end])),
        None => Cow::Borrowed(line),
    }
}
