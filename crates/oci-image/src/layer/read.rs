//! Reads the members of a tar in any format that engines write: V7, ustar, PAX and GNU.
//!
//! It knows headers and names. It does not know what members mean together: duplicates, links
//! and whiteouts are for those who read a whole archive. Sparse members are refused; no engine's
//! archiver can write one.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, Read};

use super::block::{BLOCK, Block, LONGEST_EXTENDED};
use super::error::{ArchiveError, Problem};
use crate::entry::{Device, Inode, Kind, MODE_BITS, Time};
use crate::path::{LONGEST_PATH, TreePath};

/// The one extended attribute that layers carry.
const CAPABILITY: &[u8] = b"SCHILY.xattr.security.capability";

/// Where in its archive the content of a file begins, in bytes.
pub(crate) type Offset = u64;

/// A member of an archive.
pub(crate) struct Member {
    pub(crate) position: u64,
    pub(crate) path: TreePath,
    pub(crate) body: Body,
    /// Whether a PAX record has its name.
    pub(crate) has_pax_name: bool,
}

/// What a member is.
pub(crate) enum Body {
    /// A new file.
    New(Inode<Offset>),
    /// Another name for a file.
    HardLink(Vec<u8>),
}

/// Something that an archive is read from.
pub(crate) trait Source: Read {
    /// Passes over `bytes` bytes; [`io::ErrorKind::UnexpectedEof`] if there are fewer.
    fn skip(&mut self, bytes: u64) -> io::Result<()>;
}

/// A file that is read by offset.
pub(crate) struct Seekable {
    file: BufReader<File>,
    left: u64,
}

impl Seekable {
    pub(crate) fn new(file: File) -> io::Result<Self> {
        let left = file.metadata()?.len();
        Ok(Self {
            file: BufReader::new(file),
            left,
        })
    }
}

impl Read for Seekable {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.left = self.left.saturating_sub(read as u64);
        Ok(read)
    }
}

impl Source for Seekable {
    fn skip(&mut self, bytes: u64) -> io::Result<()> {
        self.left = self
            .left
            .checked_sub(bytes)
            .ok_or(io::ErrorKind::UnexpectedEof)?;
        let bytes = i64::try_from(bytes).map_err(io::Error::other)?;
        self.file.seek_relative(bytes)
    }
}

/// A stream that is read to its end.
pub(crate) struct Streamed<R>(pub(crate) R);

impl<R: Read> Read for Streamed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl<R: Read> Source for Streamed<R> {
    fn skip(&mut self, bytes: u64) -> io::Result<()> {
        match io::copy(&mut self.0.by_ref().take(bytes), &mut io::sink())? {
            passed if passed == bytes => Ok(()),
            _ => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

/// Reads an archive from its beginning to its end.
pub(crate) struct TarReader<S> {
    source: S,
    position: u64,
    /// How many bytes of the current member's content have not been read, and how many fill it
    /// up to a whole block.
    content_left: u64,
    padding: u64,
}

impl<S: Source> TarReader<S> {
    pub(crate) fn new(source: S) -> Self {
        Self {
            source,
            position: 0,
            content_left: 0,
            padding: 0,
        }
    }

    /// Returns the next member; none after the archive's end mark.
    pub(crate) fn next(&mut self) -> Result<Option<Member>, ArchiveError> {
        self.pass_content()
            .map_err(|problem| problem.at(self.position))?;
        let position = self.position;
        self.read_member(position)
            .map_err(|problem| problem.at(position))
    }

    /// Reads the content of the file that was returned last.
    pub(crate) fn content(&mut self) -> Content<'_, S> {
        Content(self)
    }

    fn read_member(&mut self, position: u64) -> Result<Option<Member>, Problem> {
        let mut extended = Extended::default();
        loop {
            let Some(block) = self.read_header()? else {
                return Ok(None);
            };
            match block.kind() {
                b'x' => extended.read_records(&self.read_special(&block)?)?,
                // A global header says something of all later members. Engines pass over it.
                b'g' => drop(self.read_special(&block)?),
                b'L' => extended.name = Some(up_to_nul(self.read_special(&block)?)),
                b'K' => extended.link = Some(up_to_nul(self.read_special(&block)?)),
                _ => return self.finish_member(position, &block, extended).map(Some),
            }
        }
    }

    fn finish_member(
        &mut self,
        position: u64,
        block: &Block,
        extended: Extended,
    ) -> Result<Member, Problem> {
        let has_pax_name = extended.has_pax_name;
        let name = extended.name.unwrap_or_else(|| block.name());
        let link = extended.link.unwrap_or_else(|| block.link().to_vec());
        let shown = || String::from_utf8_lossy(&name).into_owned();
        let wrong = |field| Problem::Number {
            field,
            member: shown(),
        };
        let small = |field, value: Option<i64>| {
            let value = value.and_then(|value| u32::try_from(value).ok());
            value.ok_or_else(|| wrong(field))
        };
        let device = || {
            let (major, minor) = block.device().unzip();
            Ok::<_, Problem>(Device {
                major: small("device number", major)?,
                minor: small("device number", minor)?,
            })
        };

        let path = TreePath::parse(&name).map_err(|why| Problem::Name { name: shown(), why })?;
        let kind = match block.kind() {
            b'1' => {
                return Ok(Member {
                    position,
                    path,
                    body: Body::HardLink(link),
                    has_pax_name,
                });
            }
            // Before there was a type for directories, a slash at the end made one.
            b'\0' if name.ends_with(b"/") => Kind::Directory,
            b'\0' | b'0' | b'7' => {
                let size = extended.size.or_else(|| block.size());
                let size = size.and_then(|size| u64::try_from(size).ok());
                let size = size.ok_or_else(|| wrong("size"))?;
                (self.content_left, self.padding) = (size, padding(size));
                Kind::File {
                    size,
                    content: self.position,
                }
            }
            b'2' => match target_problem(&link) {
                Some(why) => {
                    let member = shown();
                    return Err(Problem::Target { member, why });
                }
                None => Kind::Symlink {
                    target: link.into(),
                },
            },
            b'3' => Kind::Character(device()?),
            b'4' => Kind::Block(device()?),
            b'5' => Kind::Directory,
            b'6' => Kind::Fifo,
            other => {
                return Err(Problem::Type {
                    kind: char::from(other),
                    member: shown(),
                });
            }
        };
        let seconds = block.modified().map(Time::from_seconds);
        let modified = extended.modified.or(seconds).ok_or_else(|| wrong("time"))?;
        // Some engines write the bits of the file's type as well.
        let mode = block.mode().map(|mode| mode & i64::from(MODE_BITS));
        let inode = Inode {
            kind,
            mode: small("mode", mode)?,
            user: small("user", extended.user.or_else(|| block.user()))?,
            group: small("group", extended.group.or_else(|| block.group()))?,
            modified,
            capability: extended.capability,
        };
        Ok(Member {
            position,
            path,
            body: Body::New(inode),
            has_pax_name,
        })
    }

    /// Reads a header; none at the two zero blocks that end an archive.
    fn read_header(&mut self) -> Result<Option<Block>, Problem> {
        let mut block = Block([0; BLOCK]);
        self.read_exactly(&mut block.0, "a header or the two zero blocks of its end")?;
        if !block.is_zero() {
            return match block.compression() {
                _ if block.checksum_holds() => Ok(Some(block)),
                Some(how) => Err(Problem::Compressed(how)),
                None => Err(Problem::Checksum),
            };
        }
        self.read_exactly(&mut block.0, "the second zero block of its end")?;
        if block.is_zero() {
            Ok(None)
        } else {
            Err(Problem::Checksum)
        }
    }

    /// Reads the content of a header that describes the next one.
    fn read_special(&mut self, block: &Block) -> Result<Vec<u8>, Problem> {
        let size = block.size().and_then(|size| u64::try_from(size).ok());
        let size = size.ok_or(Problem::Extended("a size that is not a number"))?;
        if size > LONGEST_EXTENDED {
            return Err(Problem::ExtendedTooLong(size));
        }
        let filled = usize::try_from(size + padding(size)).unwrap_or(usize::MAX);
        let mut content = vec![0; filled];
        self.read_exactly(&mut content, "an extended header")?;
        content.truncate(filled - usize::try_from(padding(size)).unwrap_or_default());
        Ok(content)
    }

    fn read_exactly(&mut self, buffer: &mut [u8], expected: &'static str) -> Result<(), Problem> {
        self.source
            .read_exact(buffer)
            .map_err(|error| truncated(error, expected))?;
        self.position += buffer.len() as u64;
        Ok(())
    }

    fn pass_content(&mut self) -> Result<(), Problem> {
        let bytes = self.content_left + self.padding;
        self.source
            .skip(bytes)
            .map_err(|error| truncated(error, "the content of a file"))?;
        self.position += bytes;
        (self.content_left, self.padding) = (0, 0);
        Ok(())
    }
}

/// The content of one file of an archive.
pub(crate) struct Content<'a, S>(&'a mut TarReader<S>);

impl<S: Source> Read for Content<'_, S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.0.content_left)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        let read = self.0.source.read(&mut buffer[..most])?;
        if read == 0 && most > 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.0.content_left -= read as u64;
        self.0.position += read as u64;
        Ok(read)
    }
}

/// Says what is wrong with the target of a symbolic link, if no kernel makes such a link.
fn target_problem(target: &[u8]) -> Option<&'static str> {
    match target.len() {
        0 => Some("without a target"),
        _ if target.contains(&0) => Some("with a NUL byte in its target"),
        1..=LONGEST_PATH => None,
        _ => Some("with a target longer than the 4,095 bytes that Linux takes"),
    }
}

fn truncated(error: io::Error, expected: &'static str) -> Problem {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => Problem::Truncated(expected),
        _ => Problem::Io(error),
    }
}

/// Returns how many bytes fill `size` up to whole blocks.
pub(crate) fn padding(size: u64) -> u64 {
    size.wrapping_neg() % BLOCK as u64
}

fn up_to_nul(mut text: Vec<u8>) -> Vec<u8> {
    text.truncate(
        text.iter()
            .position(|byte| *byte == 0)
            .unwrap_or(text.len()),
    );
    text
}

/// What extended headers say of the member after them.
#[derive(Default)]
struct Extended {
    name: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    size: Option<i64>,
    user: Option<i64>,
    group: Option<i64>,
    modified: Option<Time>,
    capability: Option<Box<[u8]>>,
    has_pax_name: bool,
}

impl Extended {
    fn read_records(&mut self, bytes: &[u8]) -> Result<(), Problem> {
        // A value may have any bytes, also newlines: only the lengths part the records. Of two
        // records with one key the last counts, and an empty value takes a key back.
        let mut records = BTreeMap::new();
        let mut rest = bytes;
        while !rest.is_empty() {
            let (key, value, after) =
                split_record(rest).ok_or(Problem::Extended("something else"))?;
            records.insert(key, value);
            rest = after;
        }
        for (key, value) in records {
            if value.is_empty() {
                continue;
            }
            match key {
                b"path" => {
                    self.name = Some(value.to_vec());
                    self.has_pax_name = true;
                }
                b"linkpath" => self.link = Some(value.to_vec()),
                b"size" => self.size = Some(decimal(value)?),
                b"uid" => self.user = Some(decimal(value)?),
                b"gid" => self.group = Some(decimal(value)?),
                b"mtime" => self.modified = Some(time(value)?),
                CAPABILITY => self.capability = Some(value.into()),
                key if key.starts_with(b"GNU.sparse.") => {
                    return Err(Problem::Extended(
                        "a sparse file, which engines do not write",
                    ));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// Splits `LENGTH KEY=VALUE\n` off.
fn split_record(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let blank = bytes.iter().position(|byte| *byte == b' ')?;
    let length: usize = std::str::from_utf8(&bytes[..blank]).ok()?.parse().ok()?;
    let (record, rest) = bytes.split_at_checked(length)?;
    let record = record.get(blank + 1..)?.strip_suffix(b"\n")?;
    let equals = record.iter().position(|byte| *byte == b'=')?;
    Some((&record[..equals], &record[equals + 1..], rest))
}

fn decimal(value: &[u8]) -> Result<i64, Problem> {
    let text = std::str::from_utf8(value).ok();
    text.and_then(|text| text.parse().ok())
        .ok_or(Problem::Extended("a value that is not a number"))
}

/// Reads `SECONDS[.FRACTION]`; digits beyond nanoseconds do not count.
fn time(value: &[u8]) -> Result<Time, Problem> {
    let (whole, fraction) = match value.iter().position(|byte| *byte == b'.') {
        Some(at) => (&value[..at], &value[at + 1..]),
        None => (value, &b""[..]),
    };
    if !fraction.iter().all(u8::is_ascii_digit) {
        return Err(Problem::Extended("a time that is not a number"));
    }
    let seconds = decimal(whole)?;
    let digits = fraction.iter().chain(std::iter::repeat(&b'0')).take(9);
    let nanoseconds = digits.fold(0, |value, digit| value * 10 + u32::from(digit - b'0'));
    // The fraction of a time before 1970 counts backwards.
    if whole.first() == Some(&b'-') && nanoseconds > 0 {
        return Ok(Time {
            seconds: seconds.saturating_sub(1),
            nanoseconds: 1_000_000_000 - nanoseconds,
        });
    }
    Ok(Time {
        seconds,
        nanoseconds,
    })
}
