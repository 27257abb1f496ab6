//! What can go wrong with an engine: of which kind, in which operation, and what to do.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;

use serde::Deserialize;

use crate::step::StepId;

/// What a backend was doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// [`Backend::build`](crate::Backend::build)
    Build,
    /// [`Backend::export`](crate::Backend::export)
    Export,
    /// [`Backend::remove`](crate::Backend::remove)
    Remove,
    /// [`Backend::load`](crate::Backend::load)
    Load,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Build => "build",
            Self::Export => "export",
            Self::Remove => "removal",
            Self::Load => "load",
        })
    }
}

/// What kind of thing went wrong. Callers decide by it: only [`BuildFailed`](Self::BuildFailed)
/// is the package's own fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorKind {
    /// An instruction of the Containerfile failed.
    BuildFailed,
    /// The engine cannot do what was asked. Nothing was started.
    Unsupported,
    /// The engine's program is missing or cannot be started.
    ProgramUnavailable,
    /// The engine's daemon does not answer.
    DaemonUnreachable,
    /// The user may not do this with the engine.
    PermissionDenied,
    /// The engine's store or the disk is full or broken.
    Storage,
    /// The engine did something that its version is not known to do: its output could not be
    /// understood, or layers are missing.
    Unexpected,
    /// Somebody or something else ended the engine before it was done: it may be done the next time.
    EngineKilled,
    /// The engine failed in a way that is not known here.
    EngineFailed,
}

/// Why an engine did not do what it was asked.
#[derive(Debug)]
pub struct Error(Box<Details>);

#[derive(Debug)]
struct Details {
    kind: ErrorKind,
    runtime: Cow<'static, str>,
    operation: Operation,
    message: String,
    step: Option<StepId>,
    hint: Option<String>,
    output: Option<String>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// Makes an error. `message` is one sentence without a full stop that says what happened; of one
    /// in several lines, as where an engine repeats an instruction, the first and the last are kept.
    pub fn new(
        runtime: impl Into<Cow<'static, str>>,
        operation: Operation,
        kind: ErrorKind,
        message: impl Into<String>,
    ) -> Self {
        let message = one_line(message.into());
        let (step, hint, output, source) = (None, None, None, None);
        Self(Box::new(Details {
            kind,
            runtime: runtime.into(),
            operation,
            message,
            step,
            hint,
            output,
            source,
        }))
    }

    /// Adds the instruction that failed, where that is known.
    #[must_use]
    pub fn with_step(mut self, step: Option<StepId>) -> Self {
        self.0.step = step;
        self
    }

    /// Adds what the user can do about it.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// Adds what the engine printed, whole.
    #[must_use]
    pub fn with_output(mut self, output: impl Into<String>) -> Self {
        self.0.output = Some(output.into()).filter(|text: &String| !text.trim().is_empty());
        self
    }

    /// Adds the error that this one comes from.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// Returns what kind of thing went wrong.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Returns the name of the runtime that it went wrong with.
    pub fn runtime(&self) -> &str {
        &self.0.runtime
    }

    /// Returns what was being done.
    pub fn operation(&self) -> Operation {
        self.0.operation
    }

    /// Returns the instruction that failed, if one did and it is known which.
    pub fn step(&self) -> Option<StepId> {
        self.0.step
    }

    /// Returns what the user can do about it, if anything is known.
    pub fn hint(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// Returns what the engine printed, if it printed anything.
    pub fn output(&self) -> Option<&str> {
        self.0.output.as_deref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {}: {}",
            self.0.runtime, self.0.operation, self.0.message
        )
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

/// Returns a message in one line.
fn one_line(message: String) -> String {
    let mut lines = message
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty());
    match (lines.next(), lines.next_back()) {
        (Some(first), Some(last)) => format!("{first} \u{2026} {last}"),
        (Some(first), None) if first.len() < message.len() => first.to_owned(),
        _ => message,
    }
}

#[cfg(test)]
mod tests {
    use super::one_line;

    #[test]
    fn a_message_is_one_line() {
        for (message, expected) in [
            ("it exited with 1", "it exited with 1"),
            ("it exited with 1\n", "it exited with 1"),
            ("RUN a\n\tb\n\tc\n: exit 1", "RUN a \u{2026} : exit 1"),
            ("", ""),
        ] {
            assert_eq!(one_line(message.to_owned()), expected);
        }
    }
}
