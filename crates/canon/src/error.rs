//! Why an image has no canonical form that could be known, and what to do about it.

use camino::Utf8PathBuf;
use documents::ErrorKind;
use oci_image::{ConfigError, ImageError};

/// Why an image cannot be made canonical.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The image cannot be read, or is not what its digests say.
    #[error(transparent)]
    Image(#[from] images::Error),
    /// A layer cannot be unpacked to be worked on.
    #[error("cannot write {path}")]
    Unpack {
        /// The temporary file.
        path: Utf8PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// A layer is no tar of a layer.
    #[error("layer {layer} of the image is not usable")]
    Layer {
        /// The place of the layer, from 1.
        layer: usize,
        /// What is wrong with it.
        source: images::EntryError,
    },
    /// A layer lies elsewhere.
    #[error("layer {layer} is not in the image: its media type is `{media_type}`")]
    Foreign {
        /// The place of the layer, from 1.
        layer: usize,
        /// What the manifest says.
        media_type: String,
    },
    /// It is not known under which name the image is canonical.
    #[error("the name of the image is part of its canonical form, and {why}")]
    Name {
        /// What is known.
        why: String,
    },
    /// It is not known with which image the build began.
    #[error(
        "it is not known with which image the build began, and layers of that are written in another way"
    )]
    Base,
    /// It is noted of all layers that their times were rewritten, which not every `BuildKit` notes of its own alone.
    #[error(
        "it is not known with which image the build began: all layers have the note that their times were \
         rewritten, and BuildKit up to 0.13 gives it to the layers of that image, too"
    )]
    Noted,
    /// The base that was named has another number of layers than it says.
    #[error("{base} is damaged: its config has {diff_ids} layers, and its manifest has {layers}")]
    UnusableBase {
        /// The base.
        base: String,
        /// How many layers its config has.
        diff_ids: usize,
        /// How many its manifest has.
        layers: usize,
    },
    /// The image does not begin with the base that was named.
    #[error("the image does not begin with the layers of {base}")]
    OtherBase {
        /// The base.
        base: String,
    },
    /// The history is not one of `BuildKit`.
    #[error("entry {entry} of the history was not written by BuildKit: `{text}`")]
    History {
        /// The place of the entry, from 1.
        entry: usize,
        /// What it says.
        text: String,
    },
    /// Text of the history is in a form that is not known.
    #[error("entry {entry} of the history has a form that is not known: `{text}`")]
    HistoryText {
        /// The place of the entry, from 1.
        entry: usize,
        /// What it says.
        text: String,
    },
    /// The history has another number of layers than the image.
    #[error("the history has {expected} layers, and the image has {found}")]
    LayersOfHistory {
        /// How many layers the history speaks of.
        expected: usize,
        /// How many there are.
        found: usize,
    },
    /// The Containerfile has another number of steps that make a layer than the image has layers.
    #[error(
        "the Containerfile has {expected} instructions that make a layer, and the image has {found} layers above its base"
    )]
    LayersOfSteps {
        /// How many steps make a layer.
        expected: usize,
        /// How many layers there are.
        found: usize,
    },
    /// The times of the image were changed to others than the epoch.
    #[error("the times of layer {layer} were rewritten to `{epoch}`, which is before the epoch")]
    Epoch {
        /// The place of the layer, from 1.
        layer: usize,
        /// What its annotation says.
        epoch: String,
    },
    /// The platform is none that is known.
    #[error("the platform `{0}` is not known")]
    Platform(String),
    /// The canonical image cannot be made, or written.
    #[error(transparent)]
    Write(#[from] ImageError),
}

impl From<ConfigError> for Error {
    fn from(error: ConfigError) -> Self {
        Self::Write(error.into())
    }
}

impl Error {
    /// Returns what kind of error it is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Image(error) => error.kind(),
            Self::Unpack { .. }
            | Self::Layer { .. }
            | Self::UnusableBase { .. }
            | Self::Write(ImageError::Write { .. } | ImageError::Layout(_)) => {
                ErrorKind::Environment
            }
            Self::Name { .. } | Self::Base | Self::Noted | Self::OtherBase { .. } => {
                ErrorKind::Usage
            }
            Self::Foreign { .. }
            | Self::History { .. }
            | Self::HistoryText { .. }
            | Self::LayersOfHistory { .. }
            | Self::LayersOfSteps { .. }
            | Self::Epoch { .. }
            | Self::Platform(_)
            | Self::Write(_) => ErrorKind::Package,
        }
    }

    /// Tells whether the image can be read, and only too little is known of it.
    pub(crate) fn is_of_knowledge(&self) -> bool {
        match self {
            Self::Name { .. }
            | Self::Base
            | Self::Noted
            | Self::History { .. }
            | Self::HistoryText { .. }
            | Self::LayersOfHistory { .. }
            | Self::LayersOfSteps { .. }
            | Self::Epoch { .. }
            | Self::Write(ImageError::Undecidable { .. }) => true,
            Self::Image(_)
            | Self::Unpack { .. }
            | Self::Layer { .. }
            | Self::Foreign { .. }
            | Self::UnusableBase { .. }
            | Self::OtherBase { .. }
            | Self::Platform(_)
            | Self::Write(_) => false,
        }
    }

    /// Returns what the user can do about it.
    pub fn hint(&self) -> Option<String> {
        let containerfile = "name the Containerfile that it was built from with --containerfile, or the package with --package";
        let hint = match self {
            Self::Image(error) => return error.hint(),
            Self::Unpack { .. } | Self::Write(ImageError::Write { .. }) => {
                "the work is done beside the output, or in TMPDIR where nothing is written: free some space there"
            }
            Self::Layer { .. } => {
                "the image was damaged, or made by something that is no engine: build it again"
            }
            Self::Foreign { .. } => "copy the image with all its layers",
            Self::Name { .. } => "name it with --name, such as --name stagex/core-musl:1.2.5",
            Self::Base | Self::Noted => {
                "add `--base scratch` if its Containerfile begins with `FROM scratch`; if not, `--base` with the layout \
                 of the image that it begins with; or, where its tree is, `--package` with its name, which says all that"
            }
            Self::UnusableBase { .. } => "make that image again, or name another copy of it",
            Self::OtherBase { .. } => "name the image that the build began with, as it was then",
            Self::History { .. } | Self::HistoryText { .. } => containerfile,
            Self::LayersOfHistory { .. } => {
                "layers were squashed or removed, and what was in which cannot be known: build the image again"
            }
            Self::LayersOfSteps { .. } => {
                "build with one layer for each instruction (`podman build --layers`), and have WORKDIR name only \
                 directories that exist"
            }
            Self::Epoch { .. } => "build the image again with SOURCE_DATE_EPOCH=1",
            Self::Write(ImageError::Undecidable { .. }) => {
                "build the image again without rewriting its times, or with Docker and `rewrite-timestamp=true`"
            }
            Self::Platform(_) | Self::Write(_) => return None,
        };
        Some(hint.to_owned())
    }
}
