//! What is in a layer, entry by entry, for people.

use std::io::BufReader;

use flate2::read::MultiGzDecoder;
use serde::Serialize;

use crate::entry::Kind;
use crate::layer::{ArchiveError, Body, Streamed, TarReader};
use crate::layout::{Layout, LayoutError};
use crate::manifest::Descriptor;

/// What the name of an entry begins with that stands for the absence of the rest of it.
const WHITEOUT: &str = ".wh.";

/// An entry of a layer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ListedEntry {
    /// Its path, without a slash in front; what is not UTF-8 in it is replaced.
    pub path: String,
    /// What it is.
    pub kind: ListedKind,
    /// What a symbolic or hard link leads to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// Permissions, set-id and sticky bits; 0 for a hard link, which has those of its target.
    pub mode: u32,
    /// The owner's number.
    pub user: u32,
    /// The group's number.
    pub group: u32,
    /// The size of a file's content in bytes.
    pub size: u64,
    /// When it last changed, in seconds since 1970.
    pub modified: i64,
}

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ListedKind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link.
    Symlink,
    /// Another name for a file.
    HardLink,
    /// A character device.
    CharacterDevice,
    /// A block device.
    BlockDevice,
    /// A named pipe.
    Pipe,
    /// The absence of what a lower layer has under the path.
    Whiteout,
}

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
pub fn list_layer(layout: &Layout, layer: &Descriptor) -> Result<Vec<ListedEntry>, ListingError> {
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

fn listed<'a>(path: &str, body: &'a Body) -> ListedEntry {
    let text = |bytes: &'a [u8]| Some(String::from_utf8_lossy(bytes).into_owned());
    let inode = match body {
        Body::HardLink(target) => {
            return ListedEntry {
                path: path.to_owned(),
                kind: ListedKind::HardLink,
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
        Kind::File { size, .. } => (ListedKind::File, None, *size),
        Kind::Symlink { target } => (ListedKind::Symlink, text(target), 0),
        Kind::Directory => (ListedKind::Folder, None, 0),
        Kind::Character(_) => (ListedKind::CharacterDevice, None, 0),
        Kind::Block(_) => (ListedKind::BlockDevice, None, 0),
        Kind::Fifo => (ListedKind::Pipe, None, 0),
    };
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    let mut path = path.to_owned();
    if let Some(gone) = name.strip_prefix(WHITEOUT) {
        kind = ListedKind::Whiteout;
        let slash = if folder.is_empty() { "" } else { "/" };
        path = format!("{folder}{slash}{gone}");
    }
    ListedEntry {
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
