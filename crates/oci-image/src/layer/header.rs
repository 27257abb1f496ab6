//! The header of an entry, exactly as Go's `archive/tar` writes it: plain ustar wherever that
//! can say everything, else PAX; never GNU's extensions.
//!
//! It knows fields and their limits, not which entries a layer has.

use std::collections::BTreeMap;
use std::io;

use super::block::BLOCK;
use super::read::padding;
use super::sink::TarSink;
use crate::entry::{Device, Time};

const NAME: std::ops::Range<usize> = 0..100;
const MODE: std::ops::Range<usize> = 100..108;
const USER: std::ops::Range<usize> = 108..116;
const GROUP: std::ops::Range<usize> = 116..124;
const SIZE: std::ops::Range<usize> = 124..136;
const MODIFIED: std::ops::Range<usize> = 136..148;
const CHECKSUM: std::ops::Range<usize> = 148..156;
const TYPE: usize = 156;
const LINK: std::ops::Range<usize> = 157..257;
const MAGIC: std::ops::Range<usize> = 257..265;
const MAJOR: std::ops::Range<usize> = 329..337;
const MINOR: std::ops::Range<usize> = 337..345;
const PREFIX: std::ops::Range<usize> = 345..500;

/// An entry's fields.
pub(crate) struct Header<'a> {
    /// The name; of a directory with a slash at the end.
    pub(crate) name: Vec<u8>,
    /// What a link of either kind says.
    pub(crate) link: &'a [u8],
    /// The type's letter.
    pub(crate) kind: u8,
    pub(crate) mode: u32,
    pub(crate) user: u32,
    pub(crate) group: u32,
    pub(crate) size: u64,
    /// The time before it is clamped.
    pub(crate) modified: Time,
    pub(crate) device: Device,
    pub(crate) capability: Option<&'a [u8]>,
}

impl Header<'_> {
    /// Writes the header with its time clamped to `epoch`, in seconds.
    ///
    /// `BuildKit` writes every layer twice: as it is, and read again with its times clamped. The
    /// second pass keeps the format of the first. So a time that needs PAX makes the entry a PAX
    /// one even where, clamped, it needs no record any more.
    pub(crate) fn write(&self, epoch: i64, out: &mut impl TarSink) -> io::Result<()> {
        let seconds = self.modified.seconds;
        let clamped = seconds.min(epoch);
        let split = split(&self.name);
        let mut records = self.records(split.is_some());
        let pax = !records.is_empty() || !fits(MODIFIED.len(), seconds);
        if !pax {
            let (prefix, name) = split.unwrap_or((b"", &self.name));
            let mut block = self.block(name, self.link, clamped);
            put_text(&mut block[PREFIX], prefix);
            return out.write_all(&sealed(block));
        }
        if self.name.len() > NAME.len() {
            // Where PAX is in force, a long name is never split.
            records.insert(b"path", self.name.clone());
        }
        if !fits(MODIFIED.len(), clamped) {
            records.insert(b"mtime", clamped.to_string().into_bytes());
        }
        if !records.is_empty() {
            write_extended(&self.name, &records, out)?;
        }
        let block = self.block(&ascii(&self.name), &ascii(self.link), clamped);
        out.write_all(&sealed(block))
    }

    /// Returns what a plain header cannot say, the time and a name that can be split left out.
    fn records(&self, splits: bool) -> BTreeMap<&'static [u8], Vec<u8>> {
        let mut records = BTreeMap::<&[u8], Vec<u8>>::new();
        let plain = |text: &[u8], most: usize| text.is_ascii() && text.len() <= most;
        if !plain(&self.name, NAME.len()) && !splits {
            records.insert(b"path", self.name.clone());
        }
        if !plain(self.link, LINK.len()) {
            records.insert(b"linkpath", self.link.to_vec());
        }
        let numbers: [(&[u8], _, _); 3] = [
            (b"uid", USER.len(), i64::from(self.user)),
            (b"gid", GROUP.len(), i64::from(self.group)),
            (b"size", SIZE.len(), self.size.cast_signed()),
        ];
        for (key, width, value) in numbers {
            if !fits(width, value) {
                records.insert(key, value.to_string().into_bytes());
            }
        }
        if let Some(capability) = self.capability {
            records.insert(b"SCHILY.xattr.security.capability", capability.to_vec());
        }
        records
    }

    fn block(&self, name: &[u8], link: &[u8], seconds: i64) -> [u8; BLOCK] {
        let mut block = [0; BLOCK];
        block[TYPE] = self.kind;
        put_text(&mut block[NAME], name);
        put_text(&mut block[LINK], link);
        put_number(&mut block[MODE], i64::from(self.mode));
        put_number(&mut block[USER], i64::from(self.user));
        put_number(&mut block[GROUP], i64::from(self.group));
        put_number(&mut block[SIZE], self.size.cast_signed());
        put_number(&mut block[MODIFIED], seconds);
        put_number(&mut block[MAJOR], i64::from(self.device.major));
        put_number(&mut block[MINOR], i64::from(self.device.minor));
        block
    }
}

/// Writes the header in front of a header: what `records` say of the entry `name`.
fn write_extended(
    name: &[u8],
    records: &BTreeMap<&[u8], Vec<u8>>,
    out: &mut impl TarSink,
) -> io::Result<()> {
    let data: Vec<u8> = records
        .iter()
        .flat_map(|(key, value)| record(key, value))
        .collect();

    let at = name
        .iter()
        .rposition(|byte| *byte == b'/')
        .map_or(0, |at| at + 1);
    let mut own = ascii(&[&name[..at], b"PaxHeaders.0/", &name[at..]].concat());
    own.truncate(NAME.len());
    own.truncate(
        own.iter()
            .rposition(|byte| *byte != b'/')
            .map_or(0, |last| last + 1),
    );

    let mut block = [0; BLOCK];
    block[TYPE] = b'x';
    put_text(&mut block[NAME], &own);
    for field in [MODE, USER, GROUP, MODIFIED] {
        put_number(&mut block[field], 0);
    }
    let size = data.len() as u64;
    put_number(&mut block[SIZE], size.cast_signed());
    out.write_all(&sealed(block))?;
    out.write_all(&data)?;
    write_padding(size, out)
}

/// Returns `LENGTH KEY=VALUE\n`, where the length counts itself.
fn record(key: &[u8], value: &[u8]) -> Vec<u8> {
    let rest = key.len() + value.len() + " =\n".len();
    let digits = |length: usize| length.to_string().len();
    let mut length = rest + digits(rest);
    length = rest + digits(length);
    [length.to_string().as_bytes(), b" ", key, b"=", value, b"\n"].concat()
}

/// Ends content of `size` bytes, and fills it up to whole blocks.
pub(crate) fn write_padding(size: u64, out: &mut impl TarSink) -> io::Result<()> {
    out.end_write();
    let zeros = [0; BLOCK];
    out.write_all(&zeros[..usize::try_from(padding(size)).unwrap_or_default()])
}

/// Splits a name that is too long for its field into what goes into the prefix and what stays.
///
/// The split is at the last slash that the prefix can reach, whether or not another one would
/// make the rest fit.
fn split(name: &[u8]) -> Option<(&[u8], &[u8])> {
    if name.len() <= NAME.len() || !name.is_ascii() {
        return None;
    }
    let reach = if name.len() > PREFIX.len() + 1 {
        PREFIX.len() + 1
    } else {
        name.len() - usize::from(name.ends_with(b"/"))
    };
    let at = name[..reach].iter().rposition(|byte| *byte == b'/')?;
    let (prefix, rest) = (&name[..at], &name[at + 1..]);
    let fits = at > 0 && !rest.is_empty() && rest.len() <= NAME.len() && at <= PREFIX.len();
    fits.then_some((prefix, rest))
}

/// Returns whether octal digits and a NUL in a field of `width` bytes can say `value`.
fn fits(width: usize, value: i64) -> bool {
    value >= 0 && (value >> (3 * (width - 1))) == 0
}

fn ascii(text: &[u8]) -> Vec<u8> {
    text.iter().copied().filter(u8::is_ascii).collect()
}

/// Puts text into a field, cut where it is too long; then slashes at the cut go as well, so that
/// a file does not look like a directory.
fn put_text(field: &mut [u8], text: &[u8]) {
    let length = text.len().min(field.len());
    field[..length].copy_from_slice(&text[..length]);
    if text.len() > field.len() && field.ends_with(b"/") {
        let kept = field
            .iter()
            .rposition(|byte| *byte != b'/')
            .map_or(0, |last| last + 1);
        field[kept] = 0;
    }
}

/// Puts a number into a field, in octal with leading zeros and a NUL; 0 if it does not fit.
fn put_number(field: &mut [u8], value: i64) {
    let value = if fits(field.len(), value) { value } else { 0 };
    let digits = format!("{value:0width$o}", width = field.len() - 1);
    field[..digits.len()].copy_from_slice(digits.as_bytes());
}

/// Returns the block with its magic and its checksum.
fn sealed(mut block: [u8; BLOCK]) -> [u8; BLOCK] {
    block[MAGIC].copy_from_slice(b"ustar\x0000");
    block[CHECKSUM].fill(b' ');
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[CHECKSUM].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    block
}
