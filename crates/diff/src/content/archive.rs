//! Archives of `ar` and tars in images, taken apart. It does not know what is in their files.

use std::borrow::Cow;

use images::{Limits, Streamed, TarEntries};
use object::read::archive::ArchiveFile;

use super::members::{self, Fact, Member};
use super::out::Out;
use super::task::Task;

/// How many files of an archive are looked at.
const MOST: usize = 100_000;

/// Tells whether bytes begin as a tar does.
pub(super) fn is_tar(bytes: &[u8]) -> bool {
    bytes.get(257..262) == Some(b"ustar")
}

/// Compares two archives of `ar`.
pub(super) fn compare_ar(task: Task, out: &mut Out) -> bool {
    if task.is_deep() {
        return false;
    }
    match (ar(task.left), ar(task.right)) {
        (Some(left), Some(right)) => {
            members::compare(task, &left, &right, out);
            true
        }
        _ => false,
    }
}

fn ar(bytes: &[u8]) -> Option<Vec<Member<'_>>> {
    let archive = ArchiveFile::parse(bytes).ok()?;
    let mut members = Vec::new();
    // Long names lie in the archive once, and any number of files may have the same.
    let mut names = bytes.len();
    for member in archive.members() {
        if members.len() >= MOST {
            return None;
        }
        let member = member.ok()?;
        names = names.checked_sub(member.name().len())?;
        let mut facts = Vec::new();
        if let Some(time) = member.date() {
            facts.push(Fact::Time(documents::rfc3339(time.cast_signed())));
        }
        if let (Some(user), Some(group)) = (member.uid(), member.gid()) {
            facts.push(Fact::Owner(format!("{user}:{group}")));
        }
        if let Some(mode) = member.mode() {
            facts.push(Fact::Mode(u32::try_from(mode).unwrap_or_default() & 0o7777));
        }
        members.push(Member {
            name: String::from_utf8_lossy(member.name()).into_owned(),
            facts,
            data: member.data(bytes).ok().map(Cow::Borrowed),
        });
    }
    Some(members)
}

/// Compares two tars.
pub(super) fn compare_tar(task: Task, out: &mut Out) -> bool {
    if task.is_deep() {
        return false;
    }
    let limits = &task.limits.images;
    match (tar(task.left, limits), tar(task.right, limits)) {
        (Some(left), Some(right)) => {
            members::compare(task, &left, &right, out);
            true
        }
        _ => false,
    }
}

fn tar<'a>(bytes: &'a [u8], limits: &Limits) -> Option<Vec<Member<'a>>> {
    let mut entries = TarEntries::new(Streamed(bytes), limits);
    let mut members = Vec::new();
    while let Some(entry) = entries.next().ok()? {
        if members.len() >= MOST {
            return None;
        }
        let header = &entry.header;
        let time = match entry.record(b"mtime") {
            Some(time) => String::from_utf8_lossy(time).into_owned(),
            None => documents::rfc3339(header.mtime().ok()?.cast_signed()),
        };
        let owner = format!("{}:{}", header.uid().ok()?, header.gid().ok()?);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let names = [header.username_bytes(), header.groupname_bytes()];
        let names = names.map(|name| text(name.unwrap_or_default()));
        let start = usize::try_from(entry.content).ok()?;
        let end = start.checked_add(usize::try_from(entry.size).ok()?)?;
        members.push(Member {
            name: text(&entry.path),
            facts: vec![
                Fact::Time(time),
                Fact::Owner(owner),
                Fact::Mode(header.mode().ok()? & 0o7777),
                Fact::Other("names of user and group", names.join(":")),
                Fact::Other("type", char::from(entry.kind()).to_string()),
                Fact::Other("target", text(&entry.link)),
            ],
            data: bytes.get(start..end).map(Cow::Borrowed),
        });
    }
    Some(members)
}
