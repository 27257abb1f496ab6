//! What can go wrong with a ledger, and what to do about it.

use std::io;

use camino::Utf8PathBuf;
use documents::ErrorKind;

/// Why a ledger cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The operating system refused something.
    #[error("cannot {action} {path}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// With what.
        path: Utf8PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There is no directory that the ledger could be in.
    #[error("there is no home directory, so that the ledger has no place")]
    NoPlace,
    /// A line is not what was written.
    #[error("{path}:{line}: the ledger is damaged: {what}")]
    Damaged {
        /// The ledger.
        path: Utf8PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        what: &'static str,
    },
    /// A newer version wrote it.
    #[error("{path}:{line}: a newer version of stagex wrote this")]
    Newer {
        /// The ledger.
        path: Utf8PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// A file that is to be imported is no export.
    #[error("{path}:{line}: this is no attempt that `stagex ledger --export` wrote")]
    NoExport {
        /// The file.
        path: Utf8PathBuf,
        /// The line, from 1.
        line: usize,
        /// Why.
        source: serde_json::Error,
    },
}

impl Error {
    /// Returns what kind of error it is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::NoExport { .. } => ErrorKind::Usage,
            _ => ErrorKind::Environment,
        }
    }

    /// Returns what the user can do about it.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Io { path, source, .. } => match source.kind() {
                io::ErrorKind::StorageFull => {
                    "the disk is full: free some of it, and run the same command again".to_owned()
                }
                io::ErrorKind::PermissionDenied => format!("make {path} accessible to you"),
                _ => return None,
            },
            Self::NoPlace => "set HOME or XDG_STATE_HOME".to_owned(),
            Self::Damaged { path, .. } => format!(
                "nothing in it can be believed from there on: keep a copy of {path}, remove it, and reproduce \
                 again what you need"
            ),
            Self::Newer { .. } => "use that version, or a newer one".to_owned(),
            Self::NoExport { .. } => {
                "name a file that `stagex ledger --export FILE` wrote".to_owned()
            }
        })
    }
}
