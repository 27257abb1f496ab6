//! An entry of a tar becomes a file. Which entries there are, and where they go, is for others.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::ffi::OsStrExt as _;

use rustix::fs::{FileType, Mode, OFlags, Timestamps};
use rustix::io::Errno;

use crate::attributes::{is_kept, set_attribute, set_attribute_of};
use crate::error::{Context as _, Error, Result, shown};
use crate::owner::Owner;
use crate::place::{LONGEST, Place};
use crate::reader::{Header, Reader};
use crate::sparse::Sparse;
use crate::special::{self, make_device, set_owner};
use crate::tree::{set_mode, set_times};

/// The largest numbers of a device that fit into those 32 bits which the kernel takes of them.
const LARGEST_MAJOR: i64 = (1 << 12) - 1;
const LARGEST_MINOR: i64 = (1 << 20) - 1;

/// Begins to read a file as an archive, which may be compressed.
pub(crate) fn open<'a>(input: impl Read + 'a) -> io::Result<Reader<'a>> {
    Ok(Reader::new(compression::decompress(input)?))
}

/// An entry of a tar, its header understood.
#[derive(Debug)]
pub(crate) struct TarEntry {
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
    Directory,
    Symlink(Vec<u8>),
    /// A further name of the file at this path of the archive.
    Link(Vec<u8>),
    Device {
        kind: FileType,
        number: u64,
    },
    Fifo,
}

impl TarEntry {
    /// Understands an entry's header; nothing of what is no file: a header of the whole archive.
    ///
    /// What no kernel makes a file of is an error, rather than another file than the archive says.
    pub(crate) fn of(header: Header) -> io::Result<Option<Self>> {
        let block = header.block;
        let odd = |what: String| {
            let message = format!("the entry `{}` is {what}", shown(&block.path));
            io::Error::new(io::ErrorKind::InvalidData, message)
        };
        let device = |kind| match block.device {
            (major @ 0..=LARGEST_MAJOR, minor @ 0..=LARGEST_MINOR) => {
                let number = rustix::fs::makedev(low(major), low(minor));
                Ok(EntryKind::Device { kind, number })
            }
            (major, minor) => Err(odd(format!(
                "the device {major}:{minor}; the kernel has none beyond \
                 {LARGEST_MAJOR}:{LARGEST_MINOR}"
            ))),
        };
        let kind = match block.kind {
            b'0' => EntryKind::File,
            b'1' => EntryKind::Link(block.link),
            b'2' => match block.link.len() {
                0 => return Err(odd("a symbolic link without a target".to_owned())),
                1..LONGEST => EntryKind::Symlink(block.link),
                length => {
                    let most = LONGEST - 1;
                    return Err(odd(format!(
                        "a symbolic link with a target of {length} bytes; the kernel takes {most}"
                    )));
                }
            },
            b'3' => device(FileType::CharacterDevice)?,
            b'4' => device(FileType::BlockDevice)?,
            b'5' => EntryKind::Directory,
            b'6' => EntryKind::Fifo,
            b'g' => return Ok(None),
            other => return Err(odd(format!("of the type {:?}", char::from(other)))),
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
        directory: BorrowedFd<'_>,
        name: &[u8],
        contents: &mut impl Read,
    ) -> io::Result<Option<File>> {
        let path = OsStr::from_bytes(name);
        let private = Mode::RUSR | Mode::WUSR;
        match &self.kind {
            EntryKind::File => {
                let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
                let mut file = File::from(rustix::fs::openat(directory, path, flags, private)?);
                match &self.sparse {
                    Some(sparse) => sparse.write(contents, &mut file)?,
                    None => {
                        io::copy(contents, &mut file)?;
                    }
                }
                return Ok(Some(file));
            }
            EntryKind::Directory => rustix::fs::mkdirat(directory, path, Mode::RWXU)?,
            EntryKind::Symlink(target) => {
                rustix::fs::symlinkat(OsStr::from_bytes(target), directory, path)?;
            }
            EntryKind::Device { kind, number } => {
                make_device(directory, path, (*kind, private), *number)?;
            }
            EntryKind::Fifo => rustix::fs::mknodat(directory, path, FileType::Fifo, private, 0)?,
            EntryKind::Link(_) => {}
        }
        Ok(None)
    }

    /// Gives the open file at `place` its owner, its mode, its attributes and its times.
    pub(crate) fn finish_file(&self, file: &File, place: &Place) -> Result<()> {
        let at = |set: Result<(), Errno>| set.at(FINISH, place.as_bytes());
        at(special::give(
            file.as_fd(),
            Some(self.owner.user),
            Some(self.owner.group),
        ))?;
        // After the owner, which takes the setuid and setgid bits away.
        at(rustix::fs::fchmod(
            file,
            Mode::from_raw_mode(self.mode & 0o7777),
        ))?;
        self.set_attributes(place, |key, value| set_attribute_of(file, key, value))?;
        at(rustix::fs::futimens(file, &self.times))
    }

    /// Gives what was made at `place`, as `name` in `directory`, its owner, its mode, its attributes and
    /// its times.
    pub(crate) fn finish(
        &self,
        directory: BorrowedFd<'_>,
        name: &[u8],
        place: &Place,
    ) -> Result<()> {
        let at = |set: Result<(), Errno>| set.at(FINISH, place.as_bytes());
        at(set_owner(directory, name, self.owner))?;
        if !matches!(self.kind, EntryKind::Symlink(_)) {
            // After the owner, which takes the setuid and setgid bits away.
            at(set_mode(directory, name, self.mode))?;
            self.set_attributes(place, |key, value| {
                set_attribute(directory, name, key, value)
            })?;
        }
        at(set_times(directory, name, &self.times))
    }

    fn set_attributes(
        &self,
        place: &Place,
        set: impl Fn(&str, &[u8]) -> Result<(), Errno>,
    ) -> Result<()> {
        for (key, value) in self.attributes.iter().filter(|(key, _)| is_kept(key)) {
            set(key, value).map_err(|error| Error::Attribute {
                name: shown(key.as_bytes()),
                path: place.to_string(),
                source: error.into(),
            })?;
        }
        Ok(())
    }
}

/// What is done when a file is there.
const FINISH: &str = "set the owner, mode or time of";

/// Returns the low half of a number: all that the kernel takes of one.
fn low(number: i64) -> u32 {
    let [a, b, c, d, ..] = number.to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}
