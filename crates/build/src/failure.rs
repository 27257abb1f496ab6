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
    /// Returns what kind of failure it is. What the operating system refuses is the package's own fault,
    /// such as a file of its context that cannot be read, unless there is no room.
    pub fn kind(&self) -> ErrorKind {
        match &self.error {
            Error::State(state::Error::Io { .. }) if !is_full(&self.error) => ErrorKind::Package,
            error => error.kind(),
        }
    }
}
