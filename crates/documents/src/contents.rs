//! What is in an image: its files, and the entries of its layers.

use serde::{Deserialize, Serialize};

use crate::Digest;

/// What is in an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Contents {
    /// The package's full name, `<stage>-<name>`.
    pub name: String,
    /// The files of its OCI layout, sorted by path.
    pub files: Vec<ContentFile>,
    /// The layers, the lowest first; those of each platform behind those of the platform before.
    pub layers: Vec<ContentLayer>,
}

/// A file of an OCI layout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ContentFile {
    /// Its path in the layout.
    pub path: String,
    /// Its size in bytes.
    pub size: u64,
}

/// A layer of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ContentLayer {
    /// The platform of the image that it is of; absent unless there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub platform: Option<String>,
    /// The digest of the blob.
    pub digest: Digest,
    /// Its entries, in their order.
    pub entries: Vec<ContentEntry>,
}

/// An entry of a layer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ContentEntry {
    /// Its path, without a slash in front. Bytes that are not UTF-8 are replaced.
    pub path: String,
    /// What it is.
    pub kind: ContentKind,
    /// What a symbolic or hard link leads to; absent for everything else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// Its permissions with the set-id and sticky bits; 0 for a hard link, which has those of its target.
    pub mode: u32,
    /// The number of its user.
    pub user: u32,
    /// The number of its group.
    pub group: u32,
    /// The size of a file's content in bytes; 0 for everything else.
    pub size: u64,
    /// When it was last changed, in seconds since 1970.
    pub modified: i64,
}

/// What an entry of a layer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum ContentKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
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
    /// A whiteout: what a lower layer has under this path is deleted.
    Whiteout,
}
