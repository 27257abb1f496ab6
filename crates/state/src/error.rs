//! What can go wrong with what lies in a tree's `out/` and `digests/`, and what to do about it.

use std::io;
use std::path::Path;

use camino::{Utf8Path, Utf8PathBuf};
use documents::ErrorKind;

/// Why something in `out/` or `digests/` cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The operating system refused something.
    #[error("cannot {action} {path}")]
    Io {
        /// What was tried: `open`, `make the directory`.
        action: &'static str,
        /// With what.
        path: Utf8PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The path of a tree is not UTF-8.
    #[error("the path of the tree is not UTF-8: {path}")]
    NotUtf8 {
        /// The path, with what is not UTF-8 replaced.
        path: String,
    },
    /// A line of a file in `digests/` cannot be read.
    #[error("{path}:{line}: expected `<64 hex digits> <stage>-<name>`, found `{text}`")]
    DigestLine {
        /// The file.
        path: Utf8PathBuf,
        /// The line, from 1.
        line: usize,
        /// What stands there.
        text: String,
    },
    /// A file in `digests/` has two lines for one image.
    #[error("{path}:{line}: `{image}` is already recorded in {path}:{first}")]
    DigestTwice {
        /// The file.
        path: Utf8PathBuf,
        /// The second line, from 1.
        line: usize,
        /// The first line, from 1.
        first: usize,
        /// The package, and the platform if there is one.
        image: String,
    },
    /// An image in `out/` is not what it should be.
    #[error(transparent)]
    Layout(#[from] oci_image::LayoutError),
    /// An image in `out/` cannot be listed.
    #[error(transparent)]
    Listing(#[from] oci_image::ListingError),
}

impl Error {
    /// Returns what kind of error it is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Io { .. } | Self::Layout(_) | Self::Listing(_) => ErrorKind::Environment,
            Self::NotUtf8 { .. } => ErrorKind::Usage,
            Self::DigestLine { .. } | Self::DigestTwice { .. } => ErrorKind::Tree,
        }
    }

    /// Returns what the user can do about it.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Io { path, source, .. } => return hint_of_io(path, source).map(str::to_owned),
            Self::NotUtf8 { .. } => "move the tree to a path that is UTF-8".to_owned(),
            Self::DigestLine { .. } => {
                "correct the line, or restore the file from version control".to_owned()
            }
            Self::DigestTwice { .. } => "remove the line that is wrong".to_owned(),
            Self::Layout(_) | Self::Listing(_) => HINT_OF_IMAGE.to_owned(),
        })
    }
}

/// What to do about an image in `out/` that is not what it should be.
pub const HINT_OF_IMAGE: &str = "an image in out/ is built again when its directory is removed, or by \
    `stagex make --no-cache` of its package";

fn hint_of_io(path: &Utf8Path, source: &io::Error) -> Option<&'static str> {
    if matches!(beneath::problem(source), Some(beneath::Problem::Link(_))) {
        return Some(hint_of_link(path));
    }
    Some(match source.kind() {
        io::ErrorKind::PermissionDenied => {
            "if another user has built here (root, with sudo), change the owner of out/ to yourself, or remove it"
        }
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
            "a file is where a directory must be: move it elsewhere"
        }
        io::ErrorKind::StorageFull => {
            "the disk is full: out/ can be removed, everything in it can be built again"
        }
        _ => return None,
    })
}

/// Returns what to do about a symbolic link that is in the way to `path`.
fn hint_of_link(path: &Utf8Path) -> &'static str {
    if path.file_name() == Some("digests") || path.extension() == Some("txt") {
        return "replace the link with a regular file or directory";
    }
    "remove it: what stagex writes stays in the tree. To have out/ on another disk, set out = \"DIR\" in \
     your own stagex.toml, or use --out DIR"
}

/// Returns the error of a path that is not UTF-8.
pub(crate) fn not_utf8(path: &Path) -> Error {
    Error::NotUtf8 {
        path: path.display().to_string(),
    }
}

/// Says what was tried, and with what, when the operating system refuses something.
pub trait IoContext<T> {
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
