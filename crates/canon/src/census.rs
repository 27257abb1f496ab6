//! What the headers of a layer's tar have that no canonical layer has, counted.
//!
//! It knows how headers are written. What an entry means is known elsewhere.

use std::fs::File;
use std::io::{self, BufReader, Read};

use camino::Utf8Path;
use documents::CanonWhat;
use images::{EntryError, Limits, LocatedEntry, Skip, TarEntries};

/// How the name of a whiteout begins, and that of the mark of an opaque directory.
const WHITEOUT: &[u8] = b".wh.";
const OPAQUE: &[u8] = b".wh..wh..opq";
/// The PAX records that a canonical entry may have.
const RECORDS: [&[u8]; 7] = [
    b"SCHILY.xattr.security.capability",
    b"gid",
    b"linkpath",
    b"mtime",
    b"path",
    b"size",
    b"uid",
];
/// What the keys of extended attributes begin with.
const ATTRIBUTES: [&[u8]; 2] = [b"SCHILY.xattr.", b"LIBARCHIVE.xattr."];
/// The fields of a header that are numbers, with which they begin.
const NUMBERS: [usize; 5] = [100, 108, 116, 124, 136];

/// The oldest and the newest of times, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    oldest: i64,
    newest: i64,
}

impl Span {
    fn of(seconds: i64) -> Self {
        Self {
            oldest: seconds,
            newest: seconds,
        }
    }

    /// Returns the span of both.
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            oldest: self.oldest.min(other.oldest),
            newest: self.newest.max(other.newest),
        }
    }

    /// Tells whether it is but one time.
    pub(crate) fn is_one(self) -> bool {
        self.oldest == self.newest
    }
}

/// What is not canonical in the headers of a tar.
#[derive(Debug, Clone, Default)]
pub(crate) struct Census {
    pub(crate) times: u64,
    pub(crate) fine_times: u64,
    pub(crate) owner_names: u64,
    pub(crate) attributes: u64,
    pub(crate) headers: u64,
    pub(crate) names: u64,
    pub(crate) root: u64,
    pub(crate) whiteouts: u64,
    pub(crate) opaque: u64,
    /// The oldest and the newest time of entries that delete nothing.
    pub(crate) span: Option<Span>,
}

impl Census {
    /// Counts in the tar in a file.
    pub(crate) fn of(tar: &Utf8Path, epoch: i64) -> Result<Self, EntryError> {
        let mut entries = TarEntries::new(Seekable::open(tar)?, &Limits::DEFAULT);
        let mut census = Self::default();
        while let Some(entry) = entries.next()? {
            census.count(&entry, epoch);
        }
        Ok(census)
    }

    /// Returns each kind of change that follows, with its count.
    pub(crate) fn changes(&self) -> impl Iterator<Item = (CanonWhat, u64)> {
        let changes = [
            (CanonWhat::Times, self.times),
            (CanonWhat::FineTimes, self.fine_times),
            (CanonWhat::OwnerNames, self.owner_names),
            (CanonWhat::Attributes, self.attributes),
            (CanonWhat::Headers, self.headers),
            (CanonWhat::Names, self.names),
            (CanonWhat::Root, self.root),
            (CanonWhat::Whiteouts, self.whiteouts),
            (CanonWhat::Opaque, self.opaque),
        ];
        changes.into_iter().filter(|(_, count)| *count > 0)
    }

    fn count(&mut self, entry: &LocatedEntry, epoch: i64) {
        let name = entry.path.strip_suffix(b"/").unwrap_or(&entry.path);
        if matches!(name, b"" | b".") {
            self.root += 1;
            return;
        }
        let base = name.rsplit(|byte| *byte == b'/').next().unwrap_or(name);
        if base == OPAQUE {
            self.opaque += 1;
            return;
        }
        let (seconds, is_fine) = time(entry);
        let header = &entry.header;
        self.headers += u64::from(is_foreign(entry));
        let is_directory = entry.kind() == b'5';
        let lacks_slash = is_directory && !entry.path.ends_with(b"/");
        self.names += u64::from(lacks_slash || name.starts_with(b"./") || name.starts_with(b"/"));
        self.owner_names += u64::from(is_named(entry));
        self.attributes += u64::from(entry.records.iter().any(|(key, _)| is_attribute(key)));
        if base.starts_with(WHITEOUT) {
            let numbers = [
                header.mode().unwrap_or(1).into(),
                header.uid().unwrap_or(1),
                header.gid().unwrap_or(1),
            ];
            let is_zero = seconds == 0 && !is_fine && numbers == [0; 3];
            self.whiteouts += u64::from(!is_zero);
            return;
        }
        self.times += u64::from(seconds > epoch);
        let now = Span::of(seconds);
        self.span = Some(self.span.map_or(now, |span| span.and(now)));
        self.fine_times += u64::from(is_fine);
    }
}

/// Returns when an entry was changed, in seconds, and whether more is said of its times.
fn time(entry: &LocatedEntry) -> (i64, bool) {
    let others = [b"atime".as_slice(), b"ctime"];
    let others = others.iter().any(|key| entry.record(key).is_some());
    let record = entry.record(b"mtime").map(String::from_utf8_lossy);
    let Some(record) = record.filter(|record| !record.is_empty()) else {
        let seconds = entry.header.mtime().unwrap_or_default();
        return (seconds.cast_signed(), others);
    };
    let (whole, fraction) = record.split_once('.').unwrap_or((&record, ""));
    (
        whole.parse().unwrap_or_default(),
        others || !fraction.is_empty(),
    )
}

fn is_attribute(key: &[u8]) -> bool {
    !RECORDS.contains(&key) && ATTRIBUTES.iter().any(|prefix| key.starts_with(prefix))
}

fn is_named(entry: &LocatedEntry) -> bool {
    let bytes = entry.header.as_bytes();
    let records = [b"uname".as_slice(), b"gname"];
    bytes[265] != 0 || bytes[297] != 0 || records.iter().any(|key| entry.record(key).is_some())
}

/// Tells whether a header has another form than canonical ones, whatever it says.
fn is_foreign(entry: &LocatedEntry) -> bool {
    let bytes = entry.header.as_bytes();
    let times = [b"atime".as_slice(), b"ctime", b"uname", b"gname"];
    let is_known = |key: &[u8]| RECORDS.contains(&key) || times.contains(&key) || is_attribute(key);
    bytes[257..265] != *b"ustar\x0000"
        || entry.extended.iter().any(|kind| *kind != b'x')
        || NUMBERS.iter().any(|at| bytes[*at] & 0x80 != 0)
        || entry.header.mode().is_ok_and(|mode| mode > 0o7777)
        || entry.records.iter().any(|(key, _)| !is_known(key))
}

/// A tar in a file.
pub(crate) struct Seekable(BufReader<File>);

impl Seekable {
    pub(crate) fn open(tar: &Utf8Path) -> io::Result<Self> {
        beneath::open(tar).map(BufReader::new).map(Self)
    }
}

impl Read for Seekable {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Skip for Seekable {
    fn skip(&mut self, bytes: u64) -> io::Result<()> {
        // What lies behind the end of the file shows at the next header.
        self.0
            .seek_relative(i64::try_from(bytes).map_err(io::Error::other)?)
    }
}
