//! An entry of a tar becomes a file. Which entries there are, and where they go, is for others.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::ffi::OsStrExt as _;

use rustix::fs::{FileType, Mode, OFlags, Timespec, Timestamps};
use rustix::io::Errno;
use tar::{EntryType, Header};

use crate::attributes::{IN_TAR, is_kept, set_attribute, set_attribute_of};
use crate::bounded::Archive;
use crate::error::{Error, Result};
use crate::special::{self, make_device, set_owner};
use crate::tree::{set_mode, set_times};
use crate::users::Owner;

/// Reads a file as an archive.
pub(crate) fn open(input: impl Read + 'static, name: &str) -> Result<Archive> {
    let input = crate::decompress::decompress(input).map_err(|source| Error::Archive {
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
        let path = entry.path_bytes().into_owned();
        let link = entry
            .link_name_bytes()
            .map(std::borrow::Cow::into_owned)
            .unwrap_or_default();
        let mut extensions = Vec::new();
        if let Some(found) = entry.pax_extensions()? {
            for extension in found {
                let extension = extension?;
                if let Ok(key) = extension.key() {
                    extensions.push((key.to_owned(), extension.value_bytes().to_vec()));
                }
            }
        }
        let text = |wanted: &str| {
            let found = extensions.iter().find(|(key, _)| key == wanted)?;
            str::from_utf8(&found.1).ok()
        };
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
        let id = |given: Option<&str>, field: u64| -> io::Result<u32> {
            let number = given.and_then(|text| text.parse().ok()).unwrap_or(field);
            u32::try_from(number).map_err(io::Error::other)
        };
        let fields = header.as_old();
        let owner = Owner {
            user: id(text("uid"), number(&fields.uid, || header.uid())?)?,
            group: id(text("gid"), number(&fields.gid, || header.gid())?)?,
        };
        let mode = number(&fields.mode, || header.mode().map(u64::from))?;
        let time = text("mtime")
            .and_then(decimal_time)
            .unwrap_or_else(|| header_time(header));
        let attributes = extensions
            .iter()
            .filter_map(|(key, value)| {
                let name = key.strip_prefix(IN_TAR)?;
                Some((name.to_owned(), value.clone()))
            })
            .collect();
        Ok(Some(Self {
            mode: u32::try_from(mode & 0o7777).unwrap_or_default(),
            path,
            kind,
            owner,
            times: Timestamps {
                last_access: time,
                last_modification: time,
            },
            attributes,
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
                io::copy(contents, &mut file)?;
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

/// Reads `-5`, `1.5` and the like, as seconds since 1970.
fn decimal_time(text: &str) -> Option<Timespec> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let seconds: i64 = whole.parse().ok()?;
    let digits: String = fraction
        .chars()
        .chain("000000000".chars())
        .take(9)
        .collect();
    let nanoseconds = digits.parse().ok()?;
    Some(bounded(seconds, nanoseconds, whole.starts_with('-')))
}

/// The last time that is still one to Go, whose own have 64 bits for nanoseconds.
const LAST_TIME: (i64, i64) = (i64::MAX / 1_000_000_000, i64::MAX % 1_000_000_000);

fn bounded(seconds: i64, nanoseconds: i64, negative: bool) -> Timespec {
    if negative || seconds < 0 || (seconds, nanoseconds) > LAST_TIME {
        return Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
    }
    Timespec {
        tv_sec: seconds,
        tv_nsec: nanoseconds,
    }
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

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("1.5", 1, 500_000_000)]
    #[case("7", 7, 0)]
    #[case("-5", 0, 0)]
    #[case("-0.5", 0, 0)]
    #[case("9223372036.854775807", 9_223_372_036, 854_775_807)]
    #[case("9223372036.854775808", 0, 0)]
    #[case("9223372037", 0, 0)]
    fn times_of_extended_headers(#[case] text: &str, #[case] seconds: i64, #[case] rest: i64) {
        let time = decimal_time(text).unwrap();
        assert_eq!((time.tv_sec, time.tv_nsec), (seconds, rest));
    }
}
