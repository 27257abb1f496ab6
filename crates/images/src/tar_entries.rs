//! The entries of a tar with everything that their headers say, in the order in which they are written.
//!
//! The reader in `oci-image` keeps what a header means for a layer; this one keeps what is written, for those
//! who ask how two tars differ or where a member lies. It knows the formats V7, ustar, PAX and GNU. It
//! does not know what entries mean together.

use std::io::{self, Read};

use tar::Header;

use crate::limits::Limits;

/// The size of a block.
pub(crate) const BLOCK: u64 = 512;

/// Something that a tar is read from.
pub trait Skip: Read {
    /// Passes over `bytes` bytes.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::UnexpectedEof`] if there are fewer.
    fn skip(&mut self, bytes: u64) -> io::Result<()>;
}

/// A stream that is passed over by reading it.
pub struct Streamed<R>(pub R);

impl<R: Read> Read for Streamed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl<R: Read> Skip for Streamed<R> {
    fn skip(&mut self, bytes: u64) -> io::Result<()> {
        match io::copy(&mut self.0.by_ref().take(bytes), &mut io::sink())? {
            passed if passed == bytes => Ok(()),
            _ => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

/// Why a tar cannot be read on.
#[derive(Debug, thiserror::Error)]
pub enum EntryError {
    /// It cannot be read, or ends too early.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Where a header should be is something else.
    #[error("there is no header of a tar at byte {0}")]
    Checksum(u64),
    /// A number in a header is none.
    #[error("the {field} in the header at byte {position} is not a number")]
    Number {
        /// Where the header is.
        position: u64,
        /// The field.
        field: &'static str,
    },
    /// The records of an extended header are not ones.
    #[error("the extended header at byte {0} is damaged")]
    Extended(u64),
    /// The extended headers of an entry are longer than they may be, all together.
    #[error("the extended headers from byte {position} on have {size} bytes; the limit is {limit}")]
    TooLong {
        /// Where the first of them is.
        position: u64,
        /// The size in bytes, up to the one that is too much.
        size: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// There are more entries than there may be.
    #[error("there are too many entries; the limit is {0}")]
    TooMany(u64),
    /// A file is stored as pieces.
    #[error("the entry at byte {0} is a sparse file of GNU tar, which no engine writes")]
    Sparse(u64),
}

/// An entry of a tar.
#[derive(Clone)]
pub struct LocatedEntry {
    /// Where the first of its headers begins, in bytes.
    pub position: u64,
    /// Where its content begins, in bytes.
    pub content: u64,
    /// The name, wherever it is written.
    pub path: Vec<u8>,
    /// The target of a link, wherever it is written.
    pub link: Vec<u8>,
    /// The size of the content in bytes.
    pub size: u64,
    /// The header itself.
    pub header: Header,
    /// The records of its extended headers, in their order, keys first.
    pub records: Vec<(Vec<u8>, Vec<u8>)>,
    /// The types of the headers before the header itself: `x`, `g`, `L`, `K`.
    pub extended: Vec<u8>,
}

impl LocatedEntry {
    /// Returns the letter of its type as it is written.
    pub fn kind(&self) -> u8 {
        self.header.as_bytes()[156]
    }

    /// Returns the value of an extended record; the last one counts.
    pub fn record(&self, key: &[u8]) -> Option<&[u8]> {
        let mut records = self.records.iter().rev();
        let found = records.find(|(found, _)| found == key);
        found.map(|(_, value)| value.as_slice())
    }
}

/// Reads a tar from its beginning to its end.
pub struct TarEntries<S> {
    source: S,
    position: u64,
    left: u64,
    padding: u64,
    longest: u64,
    /// How many entries there may still be, and how many there may be.
    more: u64,
    most: u64,
}

impl<S: Skip> TarEntries<S> {
    /// Begins to read. There may be so many entries, with so many bytes of extended headers, as `limits` says.
    pub fn new(source: S, limits: &Limits) -> Self {
        Self {
            source,
            position: 0,
            left: 0,
            padding: 0,
            longest: limits.extended_header,
            more: limits.entries,
            most: limits.entries,
        }
    }

    /// Returns the next entry; none after the archive's end mark.
    ///
    /// # Errors
    ///
    /// What is wrong with the tar. Nothing is read after an error.
    #[expect(
        clippy::should_implement_trait,
        reason = "the content of an entry is read from here before the next entry"
    )]
    pub fn next(&mut self) -> Result<Option<LocatedEntry>, EntryError> {
        self.pass(self.left + self.padding)?;
        (self.left, self.padding) = (0, 0);
        let start = self.position;
        let mut records = Vec::new();
        let mut extended = Vec::new();
        let (mut long_name, mut long_link) = (None, None);
        // How long the extended headers are so far.
        let mut total = 0_u64;
        loop {
            let position = self.position;
            let Some(header) = self.header()? else {
                return Ok(None);
            };
            let kind = header.as_bytes()[156];
            match kind {
                b'x' | b'g' => {
                    let content = self.extended(&header, start, &mut total)?;
                    let read = split_records(&content).ok_or(EntryError::Extended(position))?;
                    // A global header says something of all later entries, which engines pass over.
                    if kind == b'x' {
                        records.extend(read);
                    }
                    extended.push(kind);
                }
                b'L' => {
                    long_name = Some(up_to_nul(self.extended(&header, start, &mut total)?));
                    extended.push(kind);
                }
                b'K' => {
                    long_link = Some(up_to_nul(self.extended(&header, start, &mut total)?));
                    extended.push(kind);
                }
                b'S' => return Err(EntryError::Sparse(position)),
                _ => {
                    let more = self.more.checked_sub(1);
                    self.more = more.ok_or(EntryError::TooMany(self.most))?;
                    let mut entry = LocatedEntry {
                        position: start,
                        content: self.position,
                        path: Vec::new(),
                        link: Vec::new(),
                        size: 0,
                        header,
                        records,
                        extended,
                    };
                    name(&mut entry, long_name, long_link);
                    self.measure(&mut entry, position)?;
                    return Ok(Some(entry));
                }
            }
        }
    }

    /// Says how much content an entry has: only files have any.
    fn measure(&mut self, entry: &mut LocatedEntry, position: u64) -> Result<(), EntryError> {
        let wrong = || EntryError::Number {
            position,
            field: "size",
        };
        entry.size = match (entry.kind(), entry.record(b"size")) {
            (b'1'..=b'6', _) => 0,
            (_, Some(size)) => {
                let size = std::str::from_utf8(size).ok();
                size.and_then(|size| size.parse().ok()).ok_or_else(wrong)?
            }
            (_, None) => entry.header.entry_size().map_err(|_| wrong())?,
        };
        if entry.size > u64::MAX / 4 {
            return Err(wrong());
        }
        self.left = entry.size;
        self.padding = entry.size.wrapping_neg() % BLOCK;
        Ok(())
    }

    /// Reads what is left of the content of the entry that was returned last.
    pub fn content(&mut self) -> Content<'_, S> {
        Content(self)
    }

    /// Returns what follows the end mark, once there is no further entry.
    pub fn into_rest(self) -> S {
        self.source
    }

    fn header(&mut self) -> Result<Option<Header>, EntryError> {
        let position = self.position;
        let mut header = Header::new_old();
        self.fill(header.as_mut_bytes())?;
        if header.as_bytes().iter().all(|byte| *byte == 0) {
            self.fill(header.as_mut_bytes())?;
            let ends = header.as_bytes().iter().all(|byte| *byte == 0);
            return ends
                .then_some(None)
                .ok_or(EntryError::Checksum(self.position));
        }
        if checksum_holds(&header) {
            Ok(Some(header))
        } else {
            Err(EntryError::Checksum(position))
        }
    }

    /// Reads the content of an extended header, where those before it from `start` on have `total` bytes.
    fn extended(
        &mut self,
        header: &Header,
        start: u64,
        total: &mut u64,
    ) -> Result<Vec<u8>, EntryError> {
        let size = header.entry_size().map_err(|_| EntryError::Number {
            position: self.position - BLOCK,
            field: "size",
        })?;
        // One without content takes room as well.
        *total = total.saturating_add(size.max(1));
        if *total > self.longest {
            return Err(EntryError::TooLong {
                position: start,
                size: *total,
                limit: self.longest,
            });
        }
        let mut content = vec![0; usize::try_from(size).unwrap_or(usize::MAX)];
        self.fill(&mut content)?;
        self.pass(size.wrapping_neg() % BLOCK)?;
        Ok(content)
    }

    fn fill(&mut self, buffer: &mut [u8]) -> io::Result<()> {
        self.source.read_exact(buffer)?;
        self.position += buffer.len() as u64;
        Ok(())
    }

    fn pass(&mut self, bytes: u64) -> io::Result<()> {
        if bytes > 0 {
            self.source.skip(bytes)?;
            self.position += bytes;
        }
        Ok(())
    }
}

/// Gives an entry its name and its target, from wherever they are written.
fn name(entry: &mut LocatedEntry, name: Option<Vec<u8>>, link: Option<Vec<u8>>) {
    let own = |key: &[u8]| entry.record(key).filter(|value| !value.is_empty());
    let path = own(b"path").map(<[u8]>::to_vec).or(name);
    let target = own(b"linkpath").map(<[u8]>::to_vec).or(link);
    entry.path = path.unwrap_or_else(|| entry.header.path_bytes().into_owned());
    entry.link = target.unwrap_or_else(|| {
        let written = entry.header.link_name_bytes();
        written
            .map(std::borrow::Cow::into_owned)
            .unwrap_or_default()
    });
}

/// The content of one entry.
pub struct Content<'a, S>(&'a mut TarEntries<S>);

impl<S: Skip> Read for Content<'_, S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.0.left).unwrap_or(usize::MAX);
        let most = most.min(buffer.len());
        if most == 0 {
            return Ok(0);
        }
        let count = self.0.source.read(&mut buffer[..most])?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.0.left -= count as u64;
        self.0.position += count as u64;
        Ok(count)
    }
}

/// Tells whether a block is a header: its checksum counts its own field as blanks. Some archivers counted
/// signed bytes.
pub(crate) fn checksum_holds(header: &Header) -> bool {
    let Ok(expected) = header.cksum() else {
        return false;
    };
    let bytes = header.as_bytes().iter().enumerate();
    let bytes = bytes.map(|(at, byte)| {
        if (148..156).contains(&at) {
            b' '
        } else {
            *byte
        }
    });
    let unsigned: u32 = bytes.clone().map(u32::from).sum();
    let signed: i32 = bytes.map(|byte| i32::from(byte.cast_signed())).sum();
    unsigned == expected || i64::from(signed) == i64::from(expected)
}

fn up_to_nul(mut text: Vec<u8>) -> Vec<u8> {
    let end = text.iter().position(|byte| *byte == 0);
    text.truncate(end.unwrap_or(text.len()));
    text
}

/// Splits records of the form `LENGTH KEY=VALUE\n`.
fn split_records(mut bytes: &[u8]) -> Option<Vec<(Vec<u8>, Vec<u8>)>> {
    let mut records = Vec::new();
    while !bytes.is_empty() {
        let blank = bytes.iter().position(|byte| *byte == b' ')?;
        let length: usize = std::str::from_utf8(&bytes[..blank]).ok()?.parse().ok()?;
        let (record, rest) = bytes.split_at_checked(length)?;
        let record = record.get(blank + 1..)?.strip_suffix(b"\n")?;
        let equals = record.iter().position(|byte| *byte == b'=')?;
        records.push((record[..equals].to_vec(), record[equals + 1..].to_vec()));
        bytes = rest;
    }
    Some(records)
}
