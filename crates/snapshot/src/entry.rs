//! An entry of a tar becomes a file. Which entries there are, and where they go, is for others.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::ffi::OsStrExt as _;

use rustix::fs::{FileType, Mode, OFlags, Timespec, Timestamps};
use rustix::io::Errno;
use tar::{EntryType, Header};

use crate::attributes::{is_kept, set_attribute, set_attribute_of};
use crate::bounded::Archive;
use crate::error::{Error, Result};
use crate::records::{Records, bounded, wrong};
use crate::sparse::Sparse;
use crate::special::{self, make_device, set_owner};
use crate::tree::{set_mode, set_times};
use crate::users::Owner;

/// Reads a file as an archive.
pub(crate) fn open(input: impl Read + 'static, name: &str) -> Result<Archive> {
    let input = compression::decompress(input).map_err(|source| Error::Archive {
        name: name.to_owned(),
        source,
    })?;
    Ok(Archive::new(input))
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
    /// Reads an entry's header; nothing of what is no file: the headers of the whole archive.
    pub(crate) fn read(entry: &mut tar::Entry<'_, impl Read>) -> io::Result<Option<Self>> {
        let mut path = entry.path_bytes().into_owned();
        let link = entry
            .link_name_bytes()
            .map(std::borrow::Cow::into_owned)
            .unwrap_or_default();
        let records = Records::read(entry)?;
        let header = entry.header();
        let device = |kind| -> io::Result<EntryKind> {
            let major = header.device_major()?.unwrap_or(0);
            let minor = header.device_minor()?.unwrap_or(0);
            let number = rustix::fs::makedev(major, minor);
            Ok(EntryKind::Device { kind, number })
        };
        let kind = match header.entry_type() {
            EntryType::Directory => EntryKind::Folder,
            EntryType::Symlink => EntryKind::Symlink(link),
            EntryType::Link => EntryKind::Link(link),
            EntryType::Char => device(FileType::CharacterDevice)?,
            EntryType::Block => device(FileType::BlockDevice)?,
            EntryType::Fifo => EntryKind::Fifo,
            // The oldest tars have no type for folders.
            EntryType::Regular if header.as_old().linkflag == [0] && path.ends_with(b"/") => {
                EntryKind::Folder
            }
            EntryType::Regular => EntryKind::File,
            EntryType::XGlobalHeader => return Ok(None),
            other => {
                let message = format!("an entry has the type {:?}", other.as_byte() as char);
                return Err(io::Error::new(io::ErrorKind::InvalidData, message));
            }
        };
        let id = |key: &str, field: &[u8], read: fn(&Header) -> io::Result<u64>| {
            let id = match records.number(key)? {
                Some(id) => id,
                None => number(field, || read(header))?,
            };
            u32::try_from(id).map_err(io::Error::other)
        };
        let fields = header.as_old();
        let owner = Owner {
            user: id("uid", &fields.uid, Header::uid)?,
            group: id("gid", &fields.gid, Header::gid)?,
        };
        let mode = number(&fields.mode, || header.mode().map(u64::from))?;
        let time = records.time("mtime")?;
        let time = time.unwrap_or_else(|| header_time(header));
        let size = entry.size();
        let sparse = Sparse::read(&records, size, entry)?;
        if sparse.is_some() {
            if kind != EntryKind::File {
                return Err(wrong("GNU.sparse"));
            }
            if let Some(name) = records.bytes("GNU.sparse.name") {
                path = name.to_vec();
            }
        }
        Ok(Some(Self {
            mode: u32::try_from(mode & 0o7777).unwrap_or_default(),
            path,
            kind,
            owner,
            times: Timestamps {
                last_access: time,
                last_modification: time,
            },
            attributes: records.attributes(),
            sparse,
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

/// Reads a number of a header. One that is not there is 0, to Go as well.
fn number(field: &[u8], read: impl FnOnce() -> io::Result<u64>) -> io::Result<u64> {
    if field.iter().all(|byte| matches!(byte, 0 | b' ')) {
        return Ok(0);
    }
    read()
}

fn header_time(header: &Header) -> Timespec {
    // The first two bits of a binary number are its mark and its sign.
    let negative = header.as_old().mtime[0] & 0xc0 == 0xc0;
    let seconds = header
        .mtime()
        .ok()
        .and_then(|time| i64::try_from(time).ok());
    bounded(seconds.unwrap_or(0), 0, negative)
}
