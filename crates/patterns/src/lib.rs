//! Patterns of files, as `BuildKit` reads them: those that a COPY is given, and those of a
//! `.dockerignore`, which have further rules.
//!
//! It knows paths. It does not know files.

mod filter;
mod pattern;

pub use filter::{Below, Filter};
pub use pattern::{is_pattern, matches};

/// A pattern that Go's `filepath.Match` does not take.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a valid pattern: expected `]`, or a character after a backslash")]
pub struct BadPattern(pub String);

/// A result of this crate.
type Result<T, E = BadPattern> = std::result::Result<T, E>;
