//! Why an image cannot be read, and what to do about it.

use std::io;

use camino::Utf8PathBuf;
use documents::ErrorKind;
use oci_image::Digest;

/// Why an image cannot be read.
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
    /// It is nothing that images lie in.
    #[error("{path} is not an image: {why}")]
    NotAnImage {
        /// The file or directory.
        path: Utf8PathBuf,
        /// What it lacks.
        why: String,
    },
    /// A blob is not what its name says.
    #[error("the blob {name} in {place} was changed: {found}")]
    Changed {
        /// The digest that is its name.
        name: String,
        /// Where it lies.
        place: String,
        /// What is there instead.
        found: String,
    },
    /// Something that is named is not there.
    #[error("{name} is missing in {place}")]
    Missing {
        /// What is missing.
        name: String,
        /// Where it was looked for.
        place: String,
    },
    /// Something cannot be understood: it is truncated, damaged, or contradicts itself.
    #[error("{what} in {place} is damaged: {why}")]
    Damaged {
        /// What is damaged.
        what: String,
        /// Where it lies.
        place: String,
        /// What is wrong with it.
        why: String,
    },
    /// Something is larger than anything of its kind should be.
    #[error("{what} in {place} is too large: the limit is {limit}")]
    TooLarge {
        /// What is too large.
        what: String,
        /// Where it lies.
        place: String,
        /// The limit, with its unit.
        limit: String,
    },
    /// One image was expected.
    #[error("{place} has {} images: {}", found.len(), found.join(", "))]
    NotOne {
        /// Where they lie.
        place: String,
        /// Their platforms or names.
        found: Vec<String>,
    },
}

impl Error {
    /// Returns what kind of error it is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::NotAnImage { .. } | Self::NotOne { .. } => ErrorKind::Usage,
            Self::Io { source, .. } if source.kind() == io::ErrorKind::NotFound => ErrorKind::Usage,
            Self::Io { .. }
            | Self::Changed { .. }
            | Self::Missing { .. }
            | Self::Damaged { .. }
            | Self::TooLarge { .. } => ErrorKind::Environment,
        }
    }

    /// Returns what the user can do about it.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Io { source, .. } => match source.kind() {
                io::ErrorKind::NotFound => "name a directory or a file that exists",
                io::ErrorKind::StorageFull => {
                    "a compressed archive is decompressed into the temporary directory: free some space there, \
                     or set TMPDIR to a directory on another disk"
                }
                _ => beneath::hint(source),
            },
            Self::NotAnImage { .. } => {
                "name an OCI layout (a directory with `index.json`), or an archive that `docker save`, \
                 `podman save` or `buildah push` wrote"
            }
            Self::Changed { .. } | Self::Damaged { .. } => {
                "the image was damaged or tampered with: copy or build it again"
            }
            Self::Missing { .. } => "the image is not whole: copy it again, with all its layers",
            Self::TooLarge { .. } => "nothing of this size is an image that can be trusted",
            Self::NotOne { .. } => "choose one of them with --platform",
        };
        Some(hint.to_owned())
    }

    /// Returns the error as one of reading, from which [`Error::of_read`] takes it back.
    pub fn into_io(self) -> io::Error {
        match self {
            Self::Io { source, .. } => source,
            other => io::Error::new(io::ErrorKind::InvalidData, other),
        }
    }

    /// Returns what an error of reading `what` in `place` says: an error of this crate, or that what is
    /// read is damaged.
    pub fn of_read(error: io::Error, what: &str, place: &str) -> Self {
        match error.downcast::<Self>() {
            Ok(own) => own,
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Self::Damaged {
                what: what.to_owned(),
                place: place.to_owned(),
                why: "it ends too early".to_owned(),
            },
            Err(error) if error.raw_os_error().is_some() => Self::Io {
                action: "read",
                path: place.into(),
                source: error,
            },
            Err(error) => Self::Damaged {
                what: what.to_owned(),
                place: place.to_owned(),
                why: printable::line(&error.to_string()).into_owned(),
            },
        }
    }

    pub(crate) fn changed(name: &Digest, place: &str, found: String) -> Self {
        Self::Changed {
            name: name.to_string(),
            place: place.to_owned(),
            found,
        }
    }
}

/// Makes an error of the operating system out of what was tried.
pub(crate) fn io(action: &'static str, path: &str) -> impl FnOnce(io::Error) -> Error {
    let path = Utf8PathBuf::from(path);
    move |source| Error::Io {
        action,
        path,
        source,
    }
}
