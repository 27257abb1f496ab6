//! What can go wrong with the work as a whole; what goes wrong with one package is in the report.

use camino::Utf8PathBuf;
use documents::ErrorKind;

/// Why nothing could be made, or nothing removed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What a build meets as well: the operating system, the engine, an interruption.
    #[error(transparent)]
    Build(#[from] build::Error),
    /// There is less room on the disk than is needed.
    #[error(
        "the disk of {path} has {} MiB left, and what is to be built needs {} MiB",
        free >> 20,
        needed >> 20
    )]
    DiskSpace {
        /// The directory that is written to.
        path: Utf8PathBuf,
        /// How many bytes there are.
        free: u64,
        /// How many bytes are needed.
        needed: u64,
    },
}

impl Error {
    /// Returns what kind of error it is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Build(error) => error.kind(),
            Self::DiskSpace { .. } => ErrorKind::Environment,
        }
    }

    /// Returns what the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Build(error) => error.hint(),
            Self::DiskSpace { .. } => Some(
                "make room: `stagex clean` removes what can be built again, --logs only the logs; if \
                 you know better how much is needed, --ignore-space"
                    .to_owned(),
            ),
        }
    }
}

impl From<state::Error> for Error {
    fn from(error: state::Error) -> Self {
        Self::Build(error.into())
    }
}
