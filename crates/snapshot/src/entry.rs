//! An entry of a tar becomes a file. Which entries there are, and where they go, is for others.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::ffi::OsStrExt as _;

use rustix::fs::{FileType, Mode, OFlags, Timestamps};
use rustix::io::Errno;

use crate::attributes::{is_kept, set_attribute, set_attribute_of};
use crate::error::{Error, Result};
use crate::reader::{Header, Reader};
use crate::sparse::Sparse;
use crate::special::{self, make_device, set_owner};
use crate::tree::{set_mode, set_times};
use crate::users::Owner;

/// Begins to read a file as an archive, which may be compressed.
pub(crate) fn open(input: impl Read + 'static, name: &str) -> Result<Reader> {
    let input = compression::decompress(input).map_err(|source| Error::Archive {
        name: name.to_owned(),
        source,
    })?;
    Ok(Reader::new(input))
}

/// An entry of a tar, its header understood.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) path: Vec<u8>,
    pub(crate) kind: EntryKind,
    pub(crate) mode: u32,
    pub(crate) owner: Owner,
    /// Never before 1970 nor after 2262, as Go's readers of layers and archives have it.
    pub(crate) times: Timestamps,
    pub(crate) attributes: Vec<(String, Vec<u8>)>,
    /// Of a file whose holes the archive leaves out.
    sparse: Option<Sparse>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum EntryKind {
    File,
    Folder,
    Symlink(Vec<u8>),
    /// A further name of the file at this path of the archive.
    Link(Vec<u8>),
    Device {
        kind: FileType,
        number: u64,
    },
    Fifo,
}

impl Entry {
    /// Understands an entry's header; nothing of what is no file: a header of the whole archive.
    pub(crate) fn of(header: Header) -> io::Result<Option<Self>> {
        let block = header.block;
        let device = |kind| {
            let (major, minor) = block.device;
            let number = rustix::fs::makedev(low(major), low(minor));
            EntryKind::Device { kind, number }
        };
        let kind = match block.kind {
            b'0' => EntryKind::File,
            b'1' => EntryKind::Link(block.link),
            b'2' => EntryKind::Symlink(block.link),
            b'3' => device(FileType::CharacterDevice),
            b'4' => device(FileType::BlockDevice),
            b'5' => EntryKind::Folder,
            b'6' => EntryKind::Fifo,
            b'g' => return Ok(None),
            other => {
                let message = format!("an entry has the type {:?}", char::from(other));
                return Err(io::Error::new(io::ErrorKind::InvalidData, message));
            }
        };
        Ok(Some(Self {
            path: block.path,
            kind,
            mode: low(block.mode & 0o7777),
            owner: Owner {
                user: low(block.user),
                group: low(block.group),
            },
            times: Timestamps {
                last_access: header.time,
                last_modification: header.time,
            },
            attributes: header.attributes,
            sparse: header.sparse,
        }))
    }

    /// Makes the file under a name that is not taken, and returns it if it is one with contents.
    /// `contents` is read for such a one only. A further name of a file is made by the caller.
    pub(crate) fn create(
        &self,
        folder: BorrowedFd<'_>,
        name: &[u8],
        contents: &mut impl Read,
    ) -> io::Result<Option<File>> {
        let path = OsStr::from_bytes(name);
        let private = Mode::RUSR | Mode::WUSR;
        match &self.kind {
            EntryKind::File => {
                let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
                let mut file = File::from(rustix::fs::openat(folder, path, flags, private)?);
                match &self.sparse {
                    Some(sparse) => sparse.write(contents, &mut file)?,
                    None => {
                        io::copy(contents, &mut file)?;
                    }
                }
                return Ok(Some(file));
            }
            EntryKind::Folder => rustix::fs::mkdirat(folder, path, Mode::RWXU)?,
            EntryKind::Symlink(target) => {
                rustix::fs::symlinkat(OsStr::from_bytes(target), folder, path)?;
            }
            EntryKind::Device { kind, number } => {
                make_device(folder, path, (*kind, private), *number)?;
            }
            EntryKind::Fifo => rustix::fs::mknodat(folder, path, FileType::Fifo, private, 0)?,
            EntryKind::Link(_) => {}
        }
        Ok(None)
    }

    /// Gives an open file its owner, its mode, its attributes and its times.
    pub(crate) fn finish_file(&self, file: &File) -> Result<(), Errno> {
        special::give(file.as_fd(), Some(self.owner.user), Some(self.owner.group))?;
        // After the owner, which takes the setuid and setgid bits away.
        rustix::fs::fchmod(file, Mode::from_raw_mode(self.mode & 0o7777))?;
        for (key, value) in &self.attributes {
            if is_kept(key) {
                set_attribute_of(file, key, value)?;
            }
        }
        rustix::fs::futimens(file, &self.times)
    }

    /// Gives what was made its owner, its mode, its attributes and its times.
    pub(crate) fn finish(
        &self,
        folder: BorrowedFd<'_>,
        name: &[u8],
        owner: Owner,
    ) -> Result<(), Errno> {
        set_owner(folder, name, owner)?;
        let is_symlink = matches!(self.kind, EntryKind::Symlink(_));
        if !is_symlink {
            // After the owner, which takes the setuid and setgid bits away.
            set_mode(folder, name, self.mode)?;
        }
        for (key, value) in &self.attributes {
            if !is_symlink && is_kept(key) {
                set_attribute(folder, name, key, value)?;
            }
        }
        set_times(folder, name, &self.times)
    }
}

/// Returns the low half of a number: all that the kernel takes of one.
fn low(number: i64) -> u32 {
    let [a, b, c, d, ..] = number.to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}
