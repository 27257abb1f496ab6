//! The two directions of a tar: an entry of one becomes a file, and changes become one.
//!
//! It knows tar's headers. Which entries there are, and where they go, is for others.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Seek as _, SeekFrom, Write as _};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::ffi::OsStrExt as _;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, Timespec, Timestamps, XattrFlags};
use rustix::io::Errno;
use tar::{EntryType, Header};

use crate::bounded::Archive;
use crate::change::{Change, File as Found};
use crate::error::{Context as _, Error, Result};
use crate::special::{self, make_device, set_owner};
use crate::tree::{Tree, kind, open_in, set_mode, set_times};
use crate::users::Owner;

/// What tar's extended headers call the attributes of a file.
const ATTRIBUTE: &str = "SCHILY.xattr.";
/// The one attribute that an image keeps.
pub(crate) const CAPABILITY: &str = "security.capability";
/// The unit of a tar.
const BLOCK: usize = 512;
/// How much is written at once.
const BUFFER: usize = 1 << 17;

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
                let name = key.strip_prefix(ATTRIBUTE)?;
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

/// Refuses the one device that the overlay file system takes for a deleted file, as that itself does.
pub(crate) fn refuse_whiteout(kind: FileType, number: u64) -> Result<(), Errno> {
    if kind == FileType::CharacterDevice && number == rustix::fs::makedev(0, 0) {
        return Err(Errno::PERM);
    }
    Ok(())
}

/// Reads a number of a header. One that is not there is 0, to Go as well.
fn number(field: &[u8], read: impl FnOnce() -> io::Result<u64>) -> io::Result<u64> {
    if field.iter().all(|byte| matches!(byte, 0 | b' ')) {
        return Ok(0);
    }
    read()
}

/// Tells whether an attribute of a file goes with it. Others are the system's own affair, and so are
/// those by which folders are stacked, and which say what a file stands for.
pub(crate) fn is_kept(key: &str) -> bool {
    let ours = ["user.overlay.", special::PREFIX];
    let is_ours = || ours.iter().any(|prefix| key.starts_with(prefix));
    key == CAPABILITY || (key.starts_with("user.") && !is_ours())
}

/// Sets an attribute of a file or folder. That a file system has none is no error.
pub(crate) fn set_attribute(
    folder: BorrowedFd<'_>,
    name: &[u8],
    key: &str,
    value: &[u8],
) -> Result<(), Errno> {
    match open_for_attributes(folder, name)? {
        Some(file) => set_attribute_of(&file, key, value),
        None => Ok(()),
    }
}

/// Sets an attribute of an open file. That a file system has none is no error.
pub(crate) fn set_attribute_of(file: &File, key: &str, value: &[u8]) -> Result<(), Errno> {
    match rustix::fs::fsetxattr(file, key, value, XattrFlags::empty()) {
        Err(Errno::NOTSUP) => Ok(()),
        set => set,
    }
}

/// Opens a file to read or set its attributes; nothing for what is neither file nor folder.
pub(crate) fn open_for_attributes(
    folder: BorrowedFd<'_>,
    name: &[u8],
) -> Result<Option<File>, Errno> {
    let path = OsStr::from_bytes(name);
    let status = rustix::fs::statat(folder, path, AtFlags::SYMLINK_NOFOLLOW)?;
    // To open a device would be to use it.
    if !matches!(kind(&status), FileType::RegularFile | FileType::Directory) {
        return Ok(None);
    }
    open_in(folder, name).map(Some)
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

/// Writes a layer: the changes of `upper`, in their order.
///
/// Times before 1970 are an extended header, and so are capabilities; long names are GNU's. Holes
/// of a sparse file stay holes in the tar's own file.
pub fn write(changes: &[Change], upper: &Tree, output: File) -> Result<()> {
    let mut writer = Writer {
        output,
        offset: 0,
        buffer: Vec::with_capacity(2 * BUFFER),
    };
    for change in changes {
        writer.change(change, upper)?;
    }
    writer.finish().at("write", b"a layer")
}

struct Writer {
    output: File,
    /// How long the tar is, together with what is in the buffer.
    offset: u64,
    buffer: Vec<u8>,
}

impl Writer {
    fn change(&mut self, change: &Change, upper: &Tree) -> Result<()> {
        match change {
            Change::Delete(place) => {
                let mut path = place.parent().as_bytes()[1..].to_vec();
                if !path.is_empty() {
                    path.push(b'/');
                }
                path.extend_from_slice(b".wh.");
                path.extend_from_slice(place.name().unwrap_or_default());
                let mut header = Header::new_gnu();
                header.set_entry_type(EntryType::Regular);
                header.set_mode(0);
                header.set_uid(0);
                header.set_gid(0);
                header.set_mtime(0);
                header.set_size(0);
                self.entry(&mut header, &path, &[]).at("write", &path)
            }
            Change::Put { place, file, first } => {
                let path = place.as_bytes()[1..].to_vec();
                self.put(
                    path,
                    file,
                    first.as_ref().map(|first| &first.as_bytes()[1..]),
                    || upper.read(place),
                )
            }
        }
    }

    fn put(
        &mut self,
        mut path: Vec<u8>,
        file: &Found,
        first: Option<&[u8]>,
        open: impl FnOnce() -> Result<File>,
    ) -> Result<()> {
        let mut header = Header::new_gnu();
        let mut link: &[u8] = &[];
        let kind = match file.kind {
            FileType::RegularFile => EntryType::Regular,
            FileType::Directory => {
                path.push(b'/');
                EntryType::Directory
            }
            FileType::Symlink => {
                link = &file.target;
                EntryType::Symlink
            }
            FileType::CharacterDevice => EntryType::Char,
            FileType::BlockDevice => EntryType::Block,
            FileType::Fifo => EntryType::Fifo,
            // A layer has no sockets.
            FileType::Socket | FileType::Unknown => return Ok(()),
        };
        header.set_entry_type(kind);
        if let Some(first) = first {
            header.set_entry_type(EntryType::Link);
            link = first;
        }
        let has_contents = header.entry_type() == EntryType::Regular;
        header.set_mode(file.mode);
        header.set_uid(file.owner.user.into());
        header.set_gid(file.owner.group.into());
        header.set_size(if has_contents { file.size } else { 0 });
        if matches!(kind, EntryType::Char | EntryType::Block) {
            let numbers = [
                rustix::fs::major(file.device),
                rustix::fs::minor(file.device),
            ];
            let set = header
                .set_device_major(numbers[0])
                .and_then(|()| header.set_device_minor(numbers[1]));
            set.at("write", &path)?;
        }
        let mut extensions = Vec::new();
        match u64::try_from(file.seconds) {
            Ok(seconds) => header.set_mtime(seconds),
            Err(_) => extensions.extend(record("mtime", file.seconds.to_string().as_bytes())),
        }
        if let Some(value) = &file.capability {
            extensions.extend(record(&format!("{ATTRIBUTE}{CAPABILITY}"), value));
        }
        if !extensions.is_empty() {
            self.extension(EntryType::XHeader, b"PaxHeaders", &extensions)
                .at("write", &path)?;
        }
        self.entry(&mut header, &path, link).at("write", &path)?;
        if has_contents && file.size > 0 {
            let contents = open()?;
            self.contents(&contents, file.size).at("write", &path)?;
        }
        Ok(())
    }

    /// Writes a header under a name, and for a link its target.
    fn entry(&mut self, header: &mut Header, path: &[u8], link: &[u8]) -> io::Result<()> {
        if link.len() >= 100 {
            self.extension(EntryType::GNULongLink, b"././@LongLink", &terminated(link))?;
        }
        if path.len() >= 100 {
            self.extension(EntryType::GNULongName, b"././@LongLink", &terminated(path))?;
        }
        let old = header.as_old_mut();
        fill(&mut old.name, path);
        fill(&mut old.linkname, link);
        header.set_cksum();
        self.write(header.as_bytes())
    }

    /// Writes an entry that says something of the next one.
    fn extension(&mut self, kind: EntryType, name: &[u8], bytes: &[u8]) -> io::Result<()> {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        fill(&mut header.as_old_mut().name, name);
        header.set_cksum();
        self.write(header.as_bytes())?;
        self.write(bytes)?;
        self.pad()
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.buffer.extend_from_slice(bytes);
        self.offset += bytes.len() as u64;
        if self.buffer.len() > BUFFER {
            self.flush()?;
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.output.write_all(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }

    /// Appends `size` bytes of a file, the holes of a large one as holes.
    fn contents(&mut self, file: &File, size: u64) -> io::Result<()> {
        if let Some(size) = small(size) {
            let start = self.buffer.len();
            self.buffer.resize(start + size, 0);
            (&*file).read_exact(&mut self.buffer[start..])?;
            self.offset += size as u64;
            return self.pad();
        }
        self.flush()?;
        let start = self.offset;
        copy_contents(file, &self.output, size, start)?;
        self.offset = start + size;
        self.output.seek(SeekFrom::Start(self.offset))?;
        self.pad()
    }

    fn pad(&mut self) -> io::Result<()> {
        let rest = usize::try_from(self.offset.next_multiple_of(BLOCK as u64) - self.offset);
        self.write(&[0; BLOCK][..rest.unwrap_or(0)])
    }

    fn finish(mut self) -> io::Result<()> {
        self.write(&[0; 2 * BLOCK])?;
        self.flush()
    }
}

/// Returns the size of a file that is read at once: to look for its holes would take longer.
fn small(size: u64) -> Option<usize> {
    usize::try_from(size).ok().filter(|size| *size <= BUFFER)
}

/// Copies `size` bytes of one file into another, from `offset` of that on: without bringing them
/// into this process where the kernel can, and only what is no hole.
pub(crate) fn copy_contents(from: &File, to: &File, size: u64, offset: u64) -> io::Result<()> {
    use std::os::unix::fs::FileExt as _;

    if let Some(size) = small(size) {
        let mut bytes = vec![0; size];
        from.read_exact_at(&mut bytes, 0)?;
        return to.write_all_at(&bytes, offset);
    }
    let mut place = 0;
    while place < size {
        let data = match rustix::fs::seek(from, rustix::fs::SeekFrom::Data(place)) {
            Ok(data) => data.min(size),
            Err(Errno::NXIO) => size,
            // A file system that knows no holes.
            Err(Errno::INVAL | Errno::OPNOTSUPP) => place,
            Err(error) => return Err(error.into()),
        };
        let end = match rustix::fs::seek(from, rustix::fs::SeekFrom::Hole(data)) {
            Ok(end) if end > data => end.min(size),
            _ => size,
        };
        copy_range(from, to, data..end, offset)?;
        place = end;
    }
    // A hole at the end is there only if the file is as long.
    let length = offset + size;
    if to.metadata()?.len() < length {
        to.set_len(length)?;
    }
    Ok(())
}

fn copy_range(from: &File, to: &File, range: std::ops::Range<u64>, offset: u64) -> io::Result<()> {
    use std::os::unix::fs::FileExt as _;

    let mut place = range.start;
    let mut in_kernel = true;
    let mut buffer = Vec::new();
    while place < range.end {
        let left = usize::try_from(range.end - place).unwrap_or(usize::MAX);
        if in_kernel {
            let (mut read, mut written) = (place, offset + place);
            let (from, to) = (from.as_fd(), to.as_fd());
            match rustix::fs::copy_file_range(from, Some(&mut read), to, Some(&mut written), left) {
                Ok(0) | Err(_) => in_kernel = false,
                Ok(count) => place += count as u64,
            }
            continue;
        }
        buffer.resize(left.min(1 << 18), 0);
        let count = from.read_at(&mut buffer, place)?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        to.write_all_at(&buffer[..count], offset + place)?;
        place += count as u64;
    }
    Ok(())
}

fn fill(field: &mut [u8], value: &[u8]) {
    let count = value.len().min(field.len());
    field[..count].copy_from_slice(&value[..count]);
}

fn terminated(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes.push(0);
    bytes
}

/// Returns a record of an extended header: its length, itself included, and `key=value`.
fn record(key: &str, value: &[u8]) -> Vec<u8> {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    let mut record = format!("{length} {key}=").into_bytes();
    record.extend_from_slice(value);
    record.push(b'\n');
    record
}

/// Reads a file as an archive.
pub(crate) fn open(input: impl Read + 'static, name: &str) -> Result<Archive> {
    let input = crate::decompress::decompress(input).map_err(|source| Error::Archive {
        name: name.to_owned(),
        source,
    })?;
    Ok(Archive::new(input))
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

    #[rstest]
    #[case("k", "v", "6 k=v\n")]
    #[case("key", "value", "13 key=value\n")]
    #[case("k", "vvvv", "9 k=vvvv\n")]
    #[case("k", "vvvvv", "11 k=vvvvv\n")]
    fn a_record_counts_its_own_length(#[case] key: &str, #[case] value: &str, #[case] text: &str) {
        assert_eq!(record(key, value.as_bytes()), text.as_bytes());
    }
}
