//! Why two images cannot be compared, and what to do about it.

use documents::ErrorKind;
use images::EntryError;

/// Why two images cannot be compared.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// One of them cannot be read.
    #[error(transparent)]
    Image(#[from] images::Error),
    /// The tar of a layer cannot be read.
    #[error("{layer} in {place} is damaged")]
    Entry {
        /// The layer.
        layer: String,
        /// Where it lies.
        place: String,
        /// What is wrong with it.
        source: EntryError,
    },
    /// A layer has more than is taken.
    #[error("{what} in {place} is too large: the limit is {limit}")]
    TooLarge {
        /// The layer, or what its entries have.
        what: String,
        /// Where it lies.
        place: String,
        /// The limit, with its unit.
        limit: String,
    },
    /// A file was changed while it was read.
    #[error("{layer} in {place} was changed while it was read")]
    Changed {
        /// The layer.
        layer: String,
        /// Where it lies.
        place: String,
    },
    /// There is no image for the platform.
    #[error("{place} has no image for {platform}, only for {}", found.join(", "))]
    NoPlatform {
        /// Where images lie.
        place: String,
        /// The platform.
        platform: String,
        /// For which platforms there are images.
        found: Vec<String>,
    },
}

impl Error {
    /// Returns what kind of error it is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Image(error) => error.kind(),
            Self::Entry { .. } | Self::TooLarge { .. } => ErrorKind::Environment,
            Self::Changed { .. } => ErrorKind::Transient,
            Self::NoPlatform { .. } => ErrorKind::Usage,
        }
    }

    /// Returns what the user can do about it.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Image(error) => return error.hint(),
            Self::Entry { .. } => {
                "the layer is not what an engine writes: copy or build the image again"
            }
            Self::TooLarge { .. } => "nothing of this size is an image that can be trusted",
            Self::Changed { .. } => "compare the images again when nothing writes to them",
            Self::NoPlatform { .. } => {
                "name a platform that it has, with its variant, or leave out --platform"
            }
        };
        Some(hint.to_owned())
    }
}
