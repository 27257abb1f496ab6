//! What is compressed: the header of gzip, and what comes out. It does not know what that is.

use std::io::Read;

use compression::Format;
use documents::DiffCause;
use images::Layer;

use super::out::Out;
use super::task::Task;

/// How much of a compressed file is its header at most, as far as it is looked at.
const HEADER: u64 = 4_096;

/// The header of gzip (RFC 1952, section 2.3).
struct Header {
    time: u32,
    extra: u8,
    system: u8,
    name: Option<String>,
    comment: Option<String>,
}

impl Header {
    fn read(bytes: &[u8]) -> Option<Self> {
        let [0x1f, 0x8b, 8, flags, a, b, c, d, extra, system, rest @ ..] = bytes else {
            return None;
        };
        let mut rest = rest;
        if flags & 4 != 0 {
            let length = usize::from(u16::from_le_bytes(*rest.first_chunk()?));
            rest = rest.get(2 + length..)?;
        }
        let mut text = |is_there: bool| {
            if !is_there {
                return None;
            }
            let end = rest.iter().position(|byte| *byte == 0)?;
            let text = rest[..end].iter().map(|byte| char::from(*byte)).collect();
            rest = &rest[end + 1..];
            Some(text)
        };
        Some(Self {
            time: u32::from_le_bytes([*a, *b, *c, *d]),
            extra: *extra,
            system: *system,
            name: text(flags & 8 != 0),
            comment: text(flags & 16 != 0),
        })
    }

    fn time(&self) -> String {
        match self.time {
            0 => "none".to_owned(),
            time => documents::rfc3339(time.into()),
        }
    }
}

/// Compares two compressed files.
pub(super) fn compare(task: Task, out: &mut Out) -> bool {
    if task.is_deep() {
        return false;
    }
    let formats = [task.left, task.right].map(Format::of);
    if formats[0] != formats[1] {
        let [left, right] = formats.map(|format| Some(format.to_string()));
        out.part("compression", left, right);
    }
    if let (Some(left), Some(right)) = (Header::read(task.left), Header::read(task.right)) {
        headers(&left, &right, out);
    }
    let limit = task.limits.content.min(out.room() / 2);
    let (left, right) = (inside(task.left, limit), inside(task.right, limit));
    for inside in [&left, &right] {
        out.unpacked(inside.as_ref().map_or(limit, |bytes| bytes.len() as u64));
    }
    match (left, right) {
        (Some(left), Some(right)) if left == right => {
            let size = |bytes: &[u8]| Some(format!("{} bytes", bytes.len()));
            out.part(
                "the same contents, compressed in another way",
                size(task.left),
                size(task.right),
            );
            true
        }
        (Some(left), Some(right)) => {
            let name = task
                .name
                .rsplit_once('.')
                .map_or(task.name, |(name, _)| name);
            let name = format!("decompressed {}", name.rsplit('/').next().unwrap_or(name));
            task.within(&name, &left, &right, out);
            true
        }
        _ => false,
    }
}

fn headers(left: &Header, right: &Header, out: &mut Out) {
    if left.time != right.time {
        let (a, b) = (left.time(), right.time());
        out.cause(DiffCause::DateTime, "time in the header of gzip", &a, &b);
        out.part("time in the header of gzip", Some(a), Some(b));
    }
    for (what, a, b) in [
        ("name in the header of gzip", &left.name, &right.name),
        (
            "comment in the header of gzip",
            &left.comment,
            &right.comment,
        ),
    ] {
        if a != b {
            out.part(what, a.clone(), b.clone());
            if let (Some(a), Some(b)) = (a, b) {
                out.texts(what, a, b);
            }
        }
    }
    for (what, a, b) in [
        ("system in the header of gzip", left.system, right.system),
        ("level in the header of gzip", left.extra, right.extra),
    ] {
        if a != b {
            out.part(what, Some(a.to_string()), Some(b.to_string()));
        }
    }
}

/// Returns what comes out, if that is not too large.
fn inside(bytes: &[u8], limit: u64) -> Option<Vec<u8>> {
    let mut inside = Vec::new();
    let decoder = compression::decompress(bytes).ok()?;
    decoder.take(limit + 1).read_to_end(&mut inside).ok()?;
    (inside.len() as u64 <= limit).then_some(inside)
}

/// Returns how a layer is stored, for people.
pub(crate) fn stored(layer: &Layer) -> Result<String, images::Error> {
    let format = layer.format()?;
    let size = layer.size;
    if format != Format::Gzip {
        return Ok(format!("{format}, {size} bytes"));
    }
    let mut start = Vec::new();
    let mut blob = layer.open_blob()?.take(HEADER.min(size.saturating_sub(1)));
    blob.read_to_end(&mut start)
        .map_err(|error| images::Error::of_read(error, &layer.name(), layer.place()))?;
    Ok(match Header::read(&start) {
        Some(header) => format!(
            "gzip (time {}, system {}, level {}), {size} bytes",
            header.time(),
            header.system,
            header.extra
        ),
        None => format!("gzip, {size} bytes"),
    })
}

#[cfg(test)]
mod tests;
