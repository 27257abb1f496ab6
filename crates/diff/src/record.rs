//! What is kept of each entry of a layer: everything but its contents, of which there is a hash.
//!
//! It knows how a header is written. It does not know what entries mean together.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::io::{self, Read};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use images::{EntryError, Layer, LocatedEntry, Skip, TarEntries};
use sha2::{Digest as _, Sha256};

use crate::error::Error;
use crate::limits::Limits;

/// What the records of extended attributes are called.
const ATTRIBUTES: [&[u8]; 2] = [b"SCHILY.xattr.", b"LIBARCHIVE.xattr."];
/// How much is read at once.
pub(crate) const BUFFER: usize = 1 << 17;

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    File,
    HardLink,
    Symlink,
    Character,
    Block,
    Directory,
    Pipe,
    Other(u8),
}

impl Kind {
    fn of(entry: &LocatedEntry) -> Self {
        match entry.kind() {
            b'0' | b'\0' | b'7' if entry.path.ends_with(b"/") => Self::Directory,
            b'0' | b'\0' | b'7' => Self::File,
            b'1' => Self::HardLink,
            b'2' => Self::Symlink,
            b'3' => Self::Character,
            b'4' => Self::Block,
            b'5' => Self::Directory,
            b'6' => Self::Pipe,
            other => Self::Other(other),
        }
    }

    pub(crate) fn word(self) -> String {
        match self {
            Self::File => "file".to_owned(),
            Self::HardLink => "hard link".to_owned(),
            Self::Symlink => "symbolic link".to_owned(),
            Self::Character => "character device".to_owned(),
            Self::Block => "block device".to_owned(),
            Self::Directory => "directory".to_owned(),
            Self::Pipe => "named pipe".to_owned(),
            Self::Other(letter) => format!("type {:?}", char::from(letter)),
        }
    }

    pub(crate) fn is_device(self) -> bool {
        matches!(self, Self::Character | Self::Block)
    }
}

/// A moment: seconds since 1970, and the digits of the fraction as they are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Moment {
    pub(crate) seconds: i64,
    pub(crate) nanoseconds: u32,
}

impl Moment {
    pub(crate) fn text(self) -> String {
        let text = documents::rfc3339(self.seconds);
        match self.nanoseconds {
            0 => text,
            nanoseconds => format!("{}.{nanoseconds:09}Z", text.trim_end_matches('Z')),
        }
    }

    fn read(text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?;
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let seconds: i64 = whole.parse().ok()?;
        let digits: String = fraction
            .chars()
            .chain("000000000".chars())
            .take(9)
            .collect();
        let nanoseconds: u32 = digits.parse().ok()?;
        if whole.starts_with('-') && nanoseconds > 0 {
            let nanoseconds = 1_000_000_000 - nanoseconds;
            return Some(Self {
                seconds: seconds.checked_sub(1)?,
                nanoseconds,
            });
        }
        Some(Self {
            seconds,
            nanoseconds,
        })
    }
}

/// What is kept of an entry.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    /// Its path, without what is the same in front of and behind all paths.
    pub(crate) path: Vec<u8>,
    pub(crate) kind: Kind,
    pub(crate) mode: u32,
    pub(crate) user: u64,
    pub(crate) group: u64,
    /// The names of its user and its group.
    pub(crate) names: Arc<str>,
    pub(crate) modified: Moment,
    pub(crate) size: u64,
    /// The SHA-256 of its contents.
    pub(crate) content: [u8; 32],
    pub(crate) link: Vec<u8>,
    pub(crate) device: (u32, u32),
    pub(crate) attributes: Vec<(Vec<u8>, Vec<u8>)>,
    /// In which format it is written.
    pub(crate) style: Arc<str>,
    /// Which records its extended header has, besides its attributes.
    pub(crate) keys: Arc<str>,
    /// A hash of everything that is written of it, but its contents.
    pub(crate) header: [u8; 16],
}

impl Record {
    /// Returns its path as it is shown.
    pub(crate) fn shown(&self) -> String {
        shown(&self.path)
    }
}

/// Returns bytes as they are shown.
pub(crate) fn shown(bytes: &[u8]) -> String {
    printable::line(&String::from_utf8_lossy(bytes)).into_owned()
}

/// What is kept of a layer.
pub(crate) struct Records {
    pub(crate) entries: Vec<Record>,
    /// How many bytes there are behind the end mark, and a hash of them.
    pub(crate) rest: (u64, [u8; 32]),
}

/// How much may still be kept, of one layer or of all layers of an image.
pub(crate) struct Budget<'a> {
    limits: &'a Limits,
    is_of_image: bool,
    entries: AtomicUsize,
    names: AtomicUsize,
}

impl<'a> Budget<'a> {
    pub(crate) fn of_layer(limits: &'a Limits) -> Self {
        Self::new(limits, false)
    }

    pub(crate) fn of_image(limits: &'a Limits) -> Self {
        Self::new(limits, true)
    }

    fn new(limits: &'a Limits, is_of_image: bool) -> Self {
        Self {
            limits,
            is_of_image,
            entries: AtomicUsize::new(limits.entries),
            names: AtomicUsize::new(limits.names),
        }
    }

    /// Takes one more entry of a layer, for which `names` bytes are kept.
    fn take(&self, layer: &Layer, names: usize) -> Result<(), Error> {
        let too_large = |what: String, limit: String| Error::TooLarge {
            what,
            place: layer.place().to_owned(),
            limit,
        };
        let take = |left: &AtomicUsize, count: usize| {
            left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                left.checked_sub(count)
            })
            .is_ok()
        };
        let whole = || {
            if self.is_of_image {
                "the image, in all of its layers,".to_owned()
            } else {
                layer.name()
            }
        };
        if !take(&self.entries, 1) {
            return Err(too_large(
                whole(),
                format!("{} entries", self.limits.entries),
            ));
        }
        if !take(&self.names, names) {
            let what = format!("what {} has of names", whole());
            return Err(too_large(what, format!("{} bytes", self.limits.names)));
        }
        Ok(())
    }
}

/// Returns an error of reading a layer.
pub(crate) fn failed(layer: &Layer, error: EntryError) -> Error {
    match error {
        EntryError::Io(error) => images::Error::of_read(error, &layer.name(), layer.place()).into(),
        source => Error::Entry {
            layer: layer.name(),
            place: layer.place().to_owned(),
            source,
        },
    }
}

/// Reads and verifies a layer.
pub(crate) fn read(layer: &Layer, budget: &Budget) -> Result<Records, Error> {
    let failed = |error| failed(layer, error);
    let heard = Heard::default();
    let tap = Tap {
        inner: layer.open_tar()?,
        heard: Rc::clone(&heard),
    };
    let mut tar = TarEntries::new(tap, &budget.limits.images);
    let mut entries: Vec<Record> = Vec::new();
    let mut known = Known::default();
    let mut buffer = vec![0; BUFFER];
    loop {
        *heard.borrow_mut() = Some(Sha256::new());
        let entry = tar.next().map_err(failed)?;
        let header = heard.borrow_mut().take().map(Sha256::finalize);
        let Some(entry) = entry else { break };
        let content = if entry.size == 0 {
            Sha256::digest([]).into()
        } else {
            let mut hash = Sha256::new();
            let mut content = tar.content();
            loop {
                match content.read(&mut buffer) {
                    Ok(0) => break hash.finalize().into(),
                    Ok(count) => hash.update(&buffer[..count]),
                    Err(error) => return Err(failed(error.into())),
                }
            }
        };
        let mut record = record(&entry, &mut known).map_err(failed)?;
        record.content = content;
        if let Some(header) = header {
            record.header.copy_from_slice(&header[..16]);
        }
        let attributes = record.attributes.iter();
        let attributes: usize = attributes.map(|(key, value)| key.len() + value.len()).sum();
        let names = record.path.len() + record.link.len() + attributes;
        budget.take(layer, names + std::mem::take(&mut known.added))?;
        entries.push(record);
    }
    let mut rest = tar.into_rest();
    let mut hash = Sha256::new();
    let mut bytes = 0;
    loop {
        match rest.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => {
                bytes += count as u64;
                hash.update(&buffer[..count]);
            }
            Err(error) => return Err(failed(error.into())),
        }
    }
    Ok(Records {
        entries,
        rest: (bytes, hash.finalize().into()),
    })
}

fn record(entry: &LocatedEntry, known: &mut Known) -> Result<Record, EntryError> {
    let header = &entry.header;
    let wrong = |field| EntryError::Number {
        position: entry.position,
        field,
    };
    let number = |key: &[u8], field: &'static str, written: io::Result<u64>| match entry.record(key)
    {
        Some(text) => {
            let text = std::str::from_utf8(text).ok();
            text.and_then(|text| text.parse().ok())
                .ok_or_else(|| wrong(field))
        }
        None => written.map_err(|_| wrong(field)),
    };
    let modified = match entry.record(b"mtime") {
        Some(text) => Moment::read(text).ok_or_else(|| wrong("time"))?,
        None => Moment {
            seconds: header.mtime().map_err(|_| wrong("time"))?.cast_signed(),
            nanoseconds: 0,
        },
    };
    let kind = Kind::of(entry);
    let device = if kind.is_device() {
        let part = |part: io::Result<Option<u32>>| {
            part.map(Option::unwrap_or_default)
                .map_err(|_| wrong("number of the device"))
        };
        (part(header.device_major())?, part(header.device_minor())?)
    } else {
        (0, 0)
    };
    let name = |key: &[u8], written: Option<&[u8]>| {
        let name = entry.record(key).or(written).unwrap_or_default();
        String::from_utf8_lossy(name).into_owned()
    };
    let names = format!(
        "{}:{}",
        name(b"uname", header.username_bytes()),
        name(b"gname", header.groupname_bytes())
    );
    let attributes = entry.records.iter().filter_map(|(key, value)| {
        let name = ATTRIBUTES.iter().find_map(|start| key.strip_prefix(*start));
        Some((name?.to_vec(), value.clone()))
    });
    let mut attributes: Vec<_> = attributes.collect();
    attributes.sort_unstable();
    attributes.dedup();
    Ok(Record {
        path: plain(&entry.path).to_vec(),
        kind,
        mode: header.mode().map_err(|_| wrong("mode"))? & 0o7777,
        user: number(b"uid", "user", header.uid())?,
        group: number(b"gid", "group", header.gid())?,
        names: known.shared(names),
        modified,
        size: entry.size,
        content: [0; 32],
        link: match kind {
            Kind::HardLink => plain(&entry.link).to_vec(),
            Kind::Symlink => entry.link.clone(),
            _ => Vec::new(),
        },
        device,
        attributes,
        style: known.shared(style(entry)),
        keys: known.shared(keys(entry)),
        header: [0; 16],
    })
}

/// Texts that many entries have, each once.
#[derive(Default)]
struct Known {
    texts: BTreeSet<Arc<str>>,
    /// How many bytes were added that are not counted yet.
    added: usize,
}

impl Known {
    fn shared(&mut self, text: String) -> Arc<str> {
        if let Some(known) = self.texts.get(text.as_str()) {
            return Arc::clone(known);
        }
        self.added += text.len();
        let text: Arc<str> = text.into();
        self.texts.insert(Arc::clone(&text));
        text
    }
}

/// Returns a path without what is in front of and behind paths of the same entry.
pub(crate) fn plain(path: &[u8]) -> &[u8] {
    let mut path = path;
    loop {
        path = match path {
            [b'/', rest @ ..] | [b'.', b'/', rest @ ..] | [rest @ .., b'/'] => rest,
            b"." => b"",
            _ => return path,
        };
    }
}

/// Returns how an entry is written, as far as that does not follow from what it is.
fn style(entry: &LocatedEntry) -> String {
    let bytes = entry.header.as_bytes();
    let format = match &bytes[257..265] {
        b"ustar\x0000" => "ustar",
        b"ustar  \0" => "GNU",
        [0, 0, 0, 0, 0, 0, 0, 0] => "V7",
        _ => "another format",
    };
    let front = match entry.path.as_slice() {
        [b'.', b'/', ..] => ", `./` in front of the path",
        [b'/', ..] => ", `/` in front of the path",
        _ => "",
    };
    let letter = match entry.kind() {
        b'\0' => ", type NUL",
        b'7' => ", type 7",
        _ => "",
    };
    format!("{format}{front}{letter}")
}

/// Returns the keys of an entry's extended records, the types of its extended headers, and whether a directory is
/// written as one.
fn keys(entry: &LocatedEntry) -> String {
    let is_attribute = |key: &[u8]| ATTRIBUTES.iter().any(|start| key.starts_with(start));
    let keys = entry.records.iter().map(|(key, _)| key);
    let keys = keys.filter(|key| !is_attribute(key)).map(|key| shown(key));
    let keys: Vec<String> = keys.collect();
    let types = String::from_utf8_lossy(&entry.extended).into_owned();
    let slash = match (Kind::of(entry), entry.path.ends_with(b"/")) {
        (Kind::Directory, false) => ", no `/` behind the path",
        _ => "",
    };
    match (types.is_empty(), keys.is_empty()) {
        (true, _) => format!("no extended header{slash}"),
        (false, true) => format!("extended headers {types}{slash}"),
        (false, false) => format!("extended headers {types} with {}{slash}", keys.join(", ")),
    }
}

/// Where what is read is hashed at the moment.
type Heard = Rc<RefCell<Option<Sha256>>>;

/// A stream of which parts are hashed.
struct Tap<R> {
    inner: R,
    heard: Heard,
}

impl<R: Read> Read for Tap<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        if let Some(hash) = self.heard.borrow_mut().as_mut() {
            hash.update(&buffer[..count]);
        }
        Ok(count)
    }
}

impl<R: Read> Skip for Tap<R> {
    /// Passes over what fills a block, which says nothing of the entry behind it unless it is not zeros.
    fn skip(&mut self, bytes: u64) -> io::Result<()> {
        let mut block = [0; 512];
        let mut left = bytes;
        while left > 0 {
            let most = usize::try_from(left).unwrap_or(usize::MAX).min(block.len());
            self.inner.read_exact(&mut block[..most])?;
            left -= most as u64;
            if let Some(hash) = self.heard.borrow_mut().as_mut()
                && block[..most].iter().any(|byte| *byte != 0)
            {
                hash.update(&block[..most]);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_as_they_are_written() {
        let moment = |text: &str| Moment::read(text.as_bytes()).map(Moment::text);
        assert_eq!(moment("1").as_deref(), Some("1970-01-01T00:00:01Z"));
        assert_eq!(
            moment("1.5").as_deref(),
            Some("1970-01-01T00:00:01.500000000Z")
        );
        assert_eq!(
            moment("-0.5").as_deref(),
            Some("1969-12-31T23:59:59.500000000Z")
        );
        assert_eq!(moment("1.x"), None);
        assert_eq!(moment(""), None);
    }

    #[test]
    fn paths_are_compared_without_what_surrounds_them() {
        for path in ["usr/bin", "./usr/bin/", "/usr/bin", "././usr/bin"] {
            assert_eq!(plain(path.as_bytes()), b"usr/bin", "{path}");
        }
        assert_eq!(plain(b"./"), b"");
        assert_eq!(plain(b".hidden"), b".hidden");
    }
}
