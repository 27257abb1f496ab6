//! What ends fetching before all sources were tried, and what to do about it.

use std::io;

use camino::{Utf8Path, Utf8PathBuf};
use documents::ErrorKind;

use crate::seed::Invalid;

/// Why no further source is tried.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The operating system refused something.
    #[error("cannot {action} {path}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// With what.
        path: Utf8PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// A client cannot be made.
    #[error(transparent)]
    Unusable(#[from] transfer::Unusable),
    /// The tree's hashes cannot be kept.
    #[error(transparent)]
    State(#[from] state::Error),
    /// What is to be imported is no artifact of sources, or is damaged.
    #[error("cannot import {path}")]
    Seed {
        /// Its path.
        path: Utf8PathBuf,
        /// Why.
        #[source]
        why: Box<Invalid>,
    },
    /// More sources than one artifact can name.
    #[error("cannot export {0} sources at once: registries take no manifest that names so many")]
    TooMany(usize),
    /// A source has other contents than when it was fetched.
    #[error("{0} was changed while it was exported")]
    Changed(Utf8PathBuf),
    /// The user interrupted it.
    #[error("interrupted")]
    Interrupted,
    /// A thread ended early.
    #[error("internal error: a task ended early")]
    Ended,
}

impl Error {
    /// Returns what kind of error it is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Unusable(transfer::Unusable::Proxy(_)) | Self::Seed { .. } | Self::TooMany(_) => {
                ErrorKind::Usage
            }
            Self::Changed(_) => ErrorKind::Transient,
            Self::Interrupted => ErrorKind::Interrupted,
            Self::Io { .. } | Self::Unusable(_) | Self::Ended => ErrorKind::Environment,
            Self::State(error) => error.kind(),
        }
    }

    /// Returns what the user can do about it.
    pub fn hint(&self) -> Option<String> {
        let Self::Io { source, path, .. } = self else {
            return match self {
                Self::State(error) => error.hint(),
                Self::Seed { .. } => Some(
                    "name what `stagex fetch --export` wrote. Nothing that it has and that is wrong came into \
                     the store"
                        .to_owned(),
                ),
                Self::TooMany(_) => {
                    Some("export the sources of fewer packages at once".to_owned())
                }
                Self::Changed(_) => {
                    Some("`stagex fetch --verify` mends what is damaged".to_owned())
                }
                _ => None,
            };
        };
        if matches!(beneath::problem(source), Some(beneath::Problem::Link(_))) {
            let hint = "remove the link: what stagex writes stays in the tree. To keep sources elsewhere, set \
                store = \"DIR\" in [fetch] of your own stagex.toml";
            return Some(hint.to_owned());
        }
        Some(match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
                "free some space, and run the same command again: it continues where it was. \
                 `stagex clean --sources` removes the store, and `store` in [fetch] of your own stagex.toml \
                 names another place for it"
                    .to_owned()
            }
            io::ErrorKind::PermissionDenied => {
                format!("check the owner and the mode of {path}")
            }
            io::ErrorKind::IsADirectory
            | io::ErrorKind::NotADirectory
            | io::ErrorKind::AlreadyExists
            | io::ErrorKind::DirectoryNotEmpty => {
                format!("something else is in the way: move {path} elsewhere")
            }
            _ => return None,
        })
    }
}

/// Says what was tried, and with what, when the operating system refuses something.
pub(crate) trait IoContext<T> {
    /// Turns the error into one that says that `action` was tried with `path`.
    fn at(self, action: &'static str, path: &Utf8Path) -> Result<T, Error>;
}

impl<T> IoContext<T> for io::Result<T> {
    fn at(self, action: &'static str, path: &Utf8Path) -> Result<T, Error> {
        self.map_err(|source| Error::Io {
            action,
            path: path.to_owned(),
            source,
        })
    }
}
