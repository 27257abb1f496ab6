//! What a file in an image is, apart from its names: kind, owner, mode, time, content.
//!
//! It knows nothing of archives, layers or trees.

use std::fmt;

use crate::path::show_bytes;

/// The permission, set-id and sticky bits of a mode; the type of a file is its [`Kind`].
pub(crate) const MODE_BITS: u32 = 0o7777;

/// A moment, in seconds and nanoseconds since 1970. The nanoseconds count forward, also before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Time {
    /// Whole seconds, rounded down.
    pub(crate) seconds: i64,
    /// What is above them; 0 also where an archive does not say.
    pub(crate) nanoseconds: u32,
}

impl Time {
    /// Returns the moment at a whole second.
    pub(crate) fn from_seconds(seconds: i64) -> Self {
        Self {
            seconds,
            nanoseconds: 0,
        }
    }
}

/// A file of any kind, under however many names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Inode<C> {
    /// What it is.
    pub(crate) kind: Kind<C>,
    /// Permissions, set-id and sticky bits.
    pub(crate) mode: u32,
    /// The owner's number.
    pub(crate) user: u32,
    /// The group's number.
    pub(crate) group: u32,
    /// When its content last changed.
    pub(crate) modified: Time,
    /// The extended attribute `security.capability`, if it is there.
    pub(crate) capability: Option<Box<[u8]>>,
}

/// What a file is. `C` says where the content of a regular file is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind<C> {
    /// A regular file.
    File {
        /// The size in bytes.
        size: u64,
        /// Its content.
        content: C,
    },
    /// A symbolic link.
    Symlink {
        /// What it says; any bytes.
        target: Box<[u8]>,
    },
    /// A directory.
    Directory,
    /// A character device.
    Character(Device),
    /// A block device.
    Block(Device),
    /// A named pipe.
    Fifo,
}

/// The numbers of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Device {
    /// The major number.
    pub(crate) major: u32,
    /// The minor number.
    pub(crate) minor: u32,
}

impl<C> Inode<C> {
    /// Returns whether it is a directory.
    pub(crate) fn is_directory(&self) -> bool {
        matches!(self.kind, Kind::Directory)
    }

    /// Returns the same file with its content found in another way.
    pub(crate) fn try_map<D, E>(
        self,
        content: impl FnOnce(C) -> Result<D, E>,
    ) -> Result<Inode<D>, E> {
        let kind = match self.kind {
            Kind::File { size, content: old } => Kind::File {
                size,
                content: content(old)?,
            },
            Kind::Symlink { target } => Kind::Symlink { target },
            Kind::Directory => Kind::Directory,
            Kind::Character(device) => Kind::Character(device),
            Kind::Block(device) => Kind::Block(device),
            Kind::Fifo => Kind::Fifo,
        };
        Ok(Inode {
            kind,
            mode: self.mode,
            user: self.user,
            group: self.group,
            modified: self.modified,
            capability: self.capability,
        })
    }
}

impl<C> fmt::Display for Kind<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { .. } => f.write_str("file"),
            Self::Symlink { target } => {
                f.write_str("symbolic link to `")?;
                show_bytes(target, f)?;
                f.write_str("`")
            }
            Self::Directory => f.write_str("directory"),
            Self::Character(device) => {
                write!(f, "character device {}:{}", device.major, device.minor)
            }
            Self::Block(device) => write!(f, "block device {}:{}", device.major, device.minor),
            Self::Fifo => f.write_str("named pipe"),
        }
    }
}
