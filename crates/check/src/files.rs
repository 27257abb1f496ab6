//! Checks Containerfiles that lie in trees.
//!
//! It knows where they are and how they are read. What is warned of is known elsewhere.

use std::io;

use camino::{Utf8Path, Utf8PathBuf};
use documents::ErrorKind;

use crate::check::{Warning, check};

/// Why a Containerfile cannot be checked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The Containerfile.
        path: Utf8PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It cannot be parsed.
    #[error("{path}:{source}")]
    Containerfile {
        /// The Containerfile.
        path: Utf8PathBuf,
        /// What is wrong, beginning with line and column.
        source: Box<containerfile::Error>,
    },
}

impl Error {
    /// Returns what kind of error it is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Read { .. } => ErrorKind::Environment,
            Self::Containerfile { .. } => ErrorKind::Tree,
        }
    }

    /// Returns what the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Read { source, .. } => Some(beneath::hint(source).to_owned()),
            Self::Containerfile { source, .. } => source.hint(),
        }
    }
}

/// Checks Containerfiles, each of whose paths is relative to `directory`. They are read through no
/// symbolic link in one of `trees`. Returns the warnings, each behind its file.
pub fn check_files<'a>(
    trees: &[Utf8PathBuf],
    directory: &Utf8Path,
    files: impl IntoIterator<Item = &'a Utf8PathBuf>,
) -> Result<Vec<(&'a Utf8PathBuf, Warning)>, Error> {
    let mut found = Vec::new();
    for path in files {
        let typed = beneath::typed(trees, directory, path);
        let text = typed.and_then(|typed| typed.read_text(beneath::TEXT));
        let text = text.map_err(|source| Error::Read {
            path: path.clone(),
            source,
        })?;
        let file = containerfile::parse(&text).map_err(|error| Error::Containerfile {
            path: path.clone(),
            source: Box::new(error),
        })?;
        let warnings = check(&text, &file);
        found.extend(warnings.into_iter().map(|warning| (path, warning)));
    }
    Ok(found)
}
