//! The contents of two files side by side, by what they are. It does not know where the files are from.

mod archive;
mod binary;
mod compressed;
mod elf;
mod members;
mod out;
mod python;
mod strings;
mod task;
mod text;
mod zip;

pub(crate) use binary::Stream;
pub(crate) use compressed::stored;
pub(crate) use out::Looked;

use compression::Format;
use documents::DiffContentKind;

use crate::limits::Limits;
use out::Out;
use task::Task;

/// Compares the contents of two files called `name`.
pub(crate) fn compare(name: &str, left: &[u8], right: &[u8], limits: &Limits) -> Looked {
    let mut out = Out::new(limits.content);
    let task = Task {
        name,
        left,
        right,
        depth: 0,
        limits,
        run,
    };
    let kind = run(task, &mut out);
    let (first_byte, differing_bytes) = binary::count(left, right);
    out.finish(kind, first_byte, differing_bytes)
}

/// Compares two contents by what they are, and returns that.
fn run(task: Task, out: &mut Out) -> DiffContentKind {
    let kind = kind(task.name, task.left);
    let other = self::kind(task.name, task.right);
    let is_done = kind == other
        && match kind {
            DiffContentKind::Text => text::compare(task, out),
            DiffContentKind::Elf => elf::compare(task, out),
            DiffContentKind::Ar => archive::compare_ar(task, out),
            DiffContentKind::Tar => archive::compare_tar(task, out),
            DiffContentKind::Zip => zip::compare(task, out),
            DiffContentKind::Gzip | DiffContentKind::Compressed => compressed::compare(task, out),
            DiffContentKind::Python => python::compare(task, out),
            DiffContentKind::Binary => false,
        };
    if is_done {
        return kind;
    }
    if kind != other {
        let word = |kind| Some(format!("{kind:?}").to_lowercase());
        out.part("kind", word(kind), word(other));
    } else if kind != DiffContentKind::Binary {
        // It is damaged, or there is too much in it.
        out.cut();
    }
    binary::compare(task, out);
    DiffContentKind::Binary
}

/// Tells what a file is by its first bytes, and by its name where these do not say it.
fn kind(name: &str, bytes: &[u8]) -> DiffContentKind {
    let is = |magic: &[u8]| bytes.starts_with(magic);
    if is(b"\x7fELF") {
        return DiffContentKind::Elf;
    }
    if is(b"!<arch>\n") {
        return DiffContentKind::Ar;
    }
    if is(b"PK\x03\x04") || is(b"PK\x05\x06") {
        return DiffContentKind::Zip;
    }
    let is_bytecode = name.rsplit_once('.').is_some_and(|(_, end)| end == "pyc");
    if is_bytecode && bytes.get(2..4) == Some(b"\r\n") {
        return DiffContentKind::Python;
    }
    match Format::of(bytes) {
        Format::Gzip => return DiffContentKind::Gzip,
        Format::None => {}
        _ => return DiffContentKind::Compressed,
    }
    if archive::is_tar(bytes) {
        DiffContentKind::Tar
    } else if text::is_text(bytes) {
        DiffContentKind::Text
    } else {
        DiffContentKind::Binary
    }
}
