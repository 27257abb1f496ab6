//! What keeps packages from being reproduced at all, and what to do about it.

use documents::ErrorKind;

/// Why nothing, or not all, could be reproduced. A package that cannot be built is no such error.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The ledger cannot be read or written.
    #[error(transparent)]
    Ledger(#[from] ledger::Error),
    /// The work as a whole failed.
    #[error(transparent)]
    Build(#[from] build::Error),
    /// What lies in the tree cannot be read or written.
    #[error(transparent)]
    State(#[from] state::Error),
    /// An image is not the one that runtimes agreed on.
    #[error("{package}: the image that runtimes agreed on was replaced meanwhile")]
    Changed {
        /// The package.
        package: String,
    },
}

impl Error {
    /// Returns what kind of error it is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Ledger(error) => error.kind(),
            Self::Build(error) => error.kind(),
            Self::State(error) => error.kind(),
            Self::Changed { .. } => ErrorKind::Transient,
        }
    }

    /// Returns what the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Ledger(error) => error.hint(),
            Self::Build(error) => error.hint(),
            Self::State(error) => error.hint(),
            Self::Changed { .. } => Some(
                "run the command again, when nothing else reproduces packages of this tree"
                    .to_owned(),
            ),
        }
    }
}
