//! Why a store did not do what it was asked.

use std::io;

/// Why a store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The client could not be run to its end.
    #[error(transparent)]
    Process(#[from] process::Error),
    /// The client ran, and failed.
    #[error("`{command}` failed")]
    Failed {
        /// What it was asked, in short.
        command: &'static str,
        /// All that it wrote to standard error.
        output: String,
    },
    /// A name is not one of the build's own, and was not taken.
    #[error("the context `{0}` would get a name outside of this build's names")]
    Foreign(String),
    /// A file of ours could not be read or written.
    #[error("{what}")]
    File {
        /// What was done with it.
        what: &'static str,
        /// What came of it; of kind [`io::ErrorKind::InvalidData`] or
        /// [`io::ErrorKind::UnexpectedEof`] if the engine wrote what cannot be understood.
        source: io::Error,
    },
}
