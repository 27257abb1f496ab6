//! Why a process cannot be shut off, or started.

use std::io;

/// A process could not be shut off or started.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The builder's own name spaces cannot be had.
    #[error("cannot {action}: {source}")]
    Namespaces {
        /// What was to be done.
        action: &'static str,
        /// Why it failed.
        source: io::Error,
    },
    /// Something cannot be mounted.
    #[error("cannot mount `{what}`: {source}")]
    Mount {
        /// What was to be mounted, or where.
        what: String,
        /// Why it failed.
        source: io::Error,
    },
    /// The process came to nothing before its program began.
    #[error("cannot {action}: {source}")]
    Start {
        /// What was to be done.
        action: &'static str,
        /// Why it failed.
        source: io::Error,
    },
    /// There is no such program.
    #[error("`{0}` was not found")]
    NoProgram(String),
    /// The program is there, and cannot be executed.
    #[error("cannot execute `{program}`: {source}")]
    Execute {
        /// The program.
        program: String,
        /// Why it failed.
        source: io::Error,
    },
}

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;
