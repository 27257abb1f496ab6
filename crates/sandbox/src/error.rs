//! Why a process cannot be shut off, or started.

use std::io;

/// A process could not be shut off or started.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The builder's own namespaces cannot be had.
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
    /// The process cannot become this user: nobody has set it aside for the builder.
    #[error("cannot become the user {user} with the group {group}: {source}")]
    User {
        /// The user.
        user: u32,
        /// Its first group.
        group: u32,
        /// Why it failed.
        source: io::Error,
    },
    /// A program that leads to the network cannot be used.
    #[error("`{program}` cannot be used for the network of a RUN: {source}")]
    Network {
        /// The program.
        program: &'static str,
        /// Why it cannot.
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
