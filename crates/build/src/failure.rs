//! An image that could not be built: why, with the end of its log.

use camino::Utf8PathBuf;
use documents::ErrorKind;

use crate::error::{Error, is_full};

/// An image that could not be built.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct Failure {
    /// Why.
    #[source]
    pub error: Error,
    /// The log of its build.
    pub log: Utf8PathBuf,
    /// The last lines of the log; none if the engine was never started.
    pub last_lines: Vec<String>,
}

impl Failure {
    /// Returns why, in one sentence: what the error says, and those that it comes from.
    pub fn message(&self) -> String {
        chain(&self.error)
    }

    /// Returns what kind of failure it is. What the operating system refuses is the package's own fault,
    /// such as a file of its context that cannot be read, unless there is no room.
    pub fn kind(&self) -> ErrorKind {
        match &self.error {
            Error::State(state::Error::Io { .. }) if !is_full(&self.error) => ErrorKind::Package,
            error => error.kind(),
        }
    }
}

/// Returns an error's message followed by those of the errors that it comes from.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut message = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let text = cause.to_string();
        if !message.ends_with(&text) {
            message = format!("{message}: {text}");
        }
        source = cause.source();
    }
    message
}
