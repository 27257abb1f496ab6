//! Archives of `zip`, taken apart by their central directory (APPNOTE 4.3.12). It does not know what is in their
//! files.

use std::borrow::Cow;
use std::io::Read as _;

use flate2::read::DeflateDecoder;

use super::members::{self, Fact, Member};
use super::out::Out;
use super::task::Task;

/// How large the record is at the end, and how long the comment may be behind it.
const END: usize = 22;
const COMMENT: usize = 0xffff;
/// The sizes of a header in the central directory, and of that in front of a file.
const CENTRAL: usize = 46;
const LOCAL: usize = 30;

/// Compares two archives.
pub(super) fn compare(task: Task, out: &mut Out) -> bool {
    if task.is_deep() {
        return false;
    }
    let limit = task.limits.content.min(out.room() / 2);
    let (mut here, mut there) = (limit, limit);
    let (left, right) = (read(task.left, &mut here), read(task.right, &mut there));
    out.unpacked(2 * limit - here - there);
    let (Some(left), Some(right)) = (left, right) else {
        return false;
    };
    members::compare(task, &left, &right, out);
    true
}

/// Returns the files; all of them together have at most `room` bytes, and of others it is not known what is in
/// them.
fn read<'a>(bytes: &'a [u8], room: &mut u64) -> Option<Vec<Member<'a>>> {
    let start = bytes.len().saturating_sub(END + COMMENT);
    let end = bytes[start..]
        .windows(4)
        .rposition(|window| window == b"PK\x05\x06")?;
    let end = bytes.get(start + end..)?;
    let mut rest = bytes.get(long(end, 16)?..)?;
    let mut members = Vec::new();
    for _ in 0..short(end, 10)? {
        if !rest.starts_with(b"PK\x01\x02") {
            return None;
        }
        let (name, extra, comment) = (short(rest, 28)?, short(rest, 30)?, short(rest, 32)?);
        let name_bytes = rest.get(CENTRAL..CENTRAL + name)?;
        let (method, packed, size) = (short(rest, 10)?, long(rest, 20)?, long(rest, 24)?);
        let attributes = long(rest, 38)?;
        let local = long(rest, 42)?;
        let facts = vec![
            Fact::Time(dos(short(rest, 14)?, short(rest, 12)?)),
            Fact::Mode(u32::try_from(attributes >> 16).ok()? & 0o7777),
            Fact::Other("method", method.to_string()),
            Fact::Other("version", short(rest, 4)?.to_string()),
            Fact::Other(
                "extra field",
                printable::hex(rest.get(CENTRAL + name..CENTRAL + name + extra.min(32))?),
            ),
        ];
        let data = packed_data(bytes, local, packed).and_then(|packed| {
            let size = u64::try_from(size).ok()?;
            *room = room.checked_sub(size)?;
            unpacked(packed, method, size)
        });
        members.push(Member {
            name: String::from_utf8_lossy(name_bytes).into_owned(),
            facts,
            data,
        });
        rest = rest.get(CENTRAL + name + extra + comment..)?;
    }
    Some(members)
}

fn packed_data(bytes: &[u8], local: usize, packed: usize) -> Option<&[u8]> {
    let header = bytes.get(local..)?;
    if !header.starts_with(b"PK\x03\x04") {
        return None;
    }
    let start = LOCAL + short(header, 26)? + short(header, 28)?;
    header.get(start..start.checked_add(packed)?)
}

fn unpacked(packed: &[u8], method: usize, size: u64) -> Option<Cow<'_, [u8]>> {
    match method {
        0 => (packed.len() as u64 == size).then_some(Cow::Borrowed(packed)),
        8 => {
            let mut bytes = Vec::new();
            let decoder = DeflateDecoder::new(packed);
            decoder.take(size + 1).read_to_end(&mut bytes).ok()?;
            (bytes.len() as u64 == size).then_some(Cow::Owned(bytes))
        }
        _ => None,
    }
}

fn short(bytes: &[u8], at: usize) -> Option<usize> {
    let bytes = bytes.get(at..)?.first_chunk()?;
    Some(usize::from(u16::from_le_bytes(*bytes)))
}

fn long(bytes: &[u8], at: usize) -> Option<usize> {
    let bytes = bytes.get(at..)?.first_chunk()?;
    usize::try_from(u32::from_le_bytes(*bytes)).ok()
}

/// Returns a time as DOS has it.
fn dos(date: usize, time: usize) -> String {
    format!(
        "{:04}-{:02}-{:02} {:02}:{:02}:{:02}",
        1980 + (date >> 9),
        date >> 5 & 15,
        date & 31,
        time >> 11,
        time >> 5 & 63,
        (time & 31) * 2
    )
}

#[cfg(test)]
mod tests;
