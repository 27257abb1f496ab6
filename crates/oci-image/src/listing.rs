//! What is in a layer, entry by entry, for people.

use std::io::BufReader;

use documents::{ContentEntry, ContentKind};
use flate2::read::MultiGzDecoder;

use crate::entry::Kind;
use crate::layer::{ArchiveError, Body, Streamed, TarReader};
use crate::layout::{Layout, LayoutError};
use crate::manifest::Descriptor;

/// What the name of an entry begins with that stands for the absence of the rest of it.
const WHITEOUT: &str = ".wh.";

/// Why a layer cannot be listed.
#[derive(Debug, thiserror::Error)]
pub enum ListingError {
    /// The layout cannot be read.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// The layer cannot be read.
    #[error("layer {layer} cannot be read")]
    Layer {
        /// The layer's digest.
        layer: String,
        /// What is wrong.
        source: ArchiveError,
    },
}

/// Lists the entries of a layer in their order.
pub fn list_layer(layout: &Layout, layer: &Descriptor) -> Result<Vec<ContentEntry>, ListingError> {
    let blob = layout.open_blob(layer)?;
    let tar = MultiGzDecoder::new(BufReader::new(blob));
    let mut reader = TarReader::new(Streamed(tar));
    let mut entries = Vec::new();
    let wrong = |source| ListingError::Layer {
        layer: layer.digest.to_string(),
        source,
    };
    while let Some(member) = reader.next().map_err(wrong)? {
        entries.push(listed(&member.path.to_string(), &member.body));
    }
    Ok(entries)
}

fn listed<'a>(path: &str, body: &'a Body) -> ContentEntry {
    let text = |bytes: &'a [u8]| Some(String::from_utf8_lossy(bytes).into_owned());
    let inode = match body {
        Body::HardLink(target) => {
            return ContentEntry {
                path: path.to_owned(),
                kind: ContentKind::HardLink,
                target: text(target),
                mode: 0,
                user: 0,
                group: 0,
                size: 0,
                modified: 0,
            };
        }
        Body::New(inode) => inode,
    };
    let (mut kind, target, size) = match &inode.kind {
        Kind::File { size, .. } => (ContentKind::File, None, *size),
        Kind::Symlink { target } => (ContentKind::Symlink, text(target), 0),
        Kind::Directory => (ContentKind::Directory, None, 0),
        Kind::Character(_) => (ContentKind::CharacterDevice, None, 0),
        Kind::Block(_) => (ContentKind::BlockDevice, None, 0),
        Kind::Fifo => (ContentKind::Pipe, None, 0),
    };
    let (directory, name) = path.rsplit_once('/').unwrap_or(("", path));
    let mut path = path.to_owned();
    if let Some(gone) = name.strip_prefix(WHITEOUT) {
        kind = ContentKind::Whiteout;
        let slash = if directory.is_empty() { "" } else { "/" };
        path = format!("{directory}{slash}{gone}");
    }
    ContentEntry {
        path,
        kind,
        target,
        mode: inode.mode,
        user: inode.user,
        group: inode.group,
        size,
        modified: inode.modified.seconds,
    }
}
