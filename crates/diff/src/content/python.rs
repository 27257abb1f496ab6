//! Python bytecode: what its header says of the source (PEP 552), and what can be read in it.

use documents::DiffCause;

use super::out::Out;
use super::task::Task;
use super::{binary, strings};

/// How long the header is.
const HEADER: usize = 16;

/// Compares two files of bytecode.
pub(super) fn compare(task: Task, out: &mut Out) -> bool {
    let (Some((left, a)), Some((right, b))) = (
        task.left.split_at_checked(HEADER),
        task.right.split_at_checked(HEADER),
    ) else {
        return false;
    };
    let number = |bytes: &[u8], at: usize| -> u32 {
        let four = bytes[at..].first_chunk().copied().unwrap_or_default();
        u32::from_le_bytes(four)
    };
    if left[..4] != right[..4] {
        let version = |bytes: &[u8]| Some(u16::from_le_bytes([bytes[0], bytes[1]]).to_string());
        out.part("version of the bytecode", version(left), version(right));
    }
    let (first, second) = (number(left, 4), number(right, 4));
    if first != second {
        let by = |flags: u32| {
            Some(match flags {
                0 => "by the time of the source".to_owned(),
                1 => "by a hash of the source, which is not checked".to_owned(),
                3 => "by a hash of the source".to_owned(),
                other => format!("flags {other:#x}"),
            })
        };
        out.part("how it is checked", by(first), by(second));
    } else if first == 0 {
        let (first, second) = (number(left, 8), number(right, 8));
        if first != second {
            let [a, b] = [first, second].map(|time| documents::rfc3339(time.into()));
            let place = "time of the source in the header";
            out.cause(DiffCause::DateTime, place, &a, &b);
            out.part(place, Some(a), Some(b));
        }
        let (first, second) = (number(left, 12), number(right, 12));
        if first != second {
            let size = |size: u32| Some(size.to_string());
            out.part(
                "size of the source in the header",
                size(first),
                size(second),
            );
        }
    } else if left[8..] != right[8..] {
        let hash = |bytes: &[u8]| Some(printable::hex(&bytes[8..]));
        out.part("hash of the source in the header", hash(left), hash(right));
    }
    if a != b {
        let (first, different) = binary::count(a, b);
        let first = first + HEADER as u64;
        let size = |bytes: &[u8]| Some(format!("{} bytes", bytes.len()));
        out.part(
            &format!("code, from byte {first} on ({different} bytes differ)"),
            size(a),
            size(b),
        );
        strings::compare("code", a, b, out);
    }
    true
}
