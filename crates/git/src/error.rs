//! Why git did not say what it was asked.

use camino::Utf8PathBuf;

/// Why git did not say what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is not installed.
    #[error("git is not installed")]
    Missing(#[source] process::Error),
    /// It could not be run to its end.
    #[error("cannot run git")]
    Run(#[source] process::Error),
    /// It ended with an error.
    #[error("git could not {action} the commits or files of the tree: {message}")]
    Failed {
        /// What it was to do.
        action: &'static str,
        /// What it said.
        message: String,
    },
    /// The directory is not in a repository.
    #[error("{0} is not in a git repository")]
    Outside(Utf8PathBuf),
    /// A text does not name two commits.
    #[error("`{0}` is not a range of commits")]
    Range(String),
}

impl Error {
    /// Returns what can be done about it.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Missing(_) => Some("install git"),
            Self::Range(_) => Some(
                "write A..B, for example HEAD~1..HEAD; files that are not committed can be named with \
                 --affected-by",
            ),
            Self::Outside(_) => Some("name the files with --affected-by"),
            Self::Failed { message, .. } if message.contains("dubious ownership") => Some(
                "the repository belongs to another user; if you trust it, git's message says how to allow it",
            ),
            Self::Failed { .. } | Self::Run(_) => None,
        }
    }
}
