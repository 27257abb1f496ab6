//! `ADD` of an archive: what is in it is unpacked, over what is there, as Docker does it.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::{self, Read};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;

use rustix::fs::{AtFlags, FileType};

use crate::entry::{self, EntryKind, TarEntry};
use crate::error::{Context as _, Error, Result, shown};
use crate::owner::Owner;
use crate::place::Place;
use crate::special::{self, refuse_whiteout};
use crate::tree::{Tree, kind};

/// Tells whether a file is an archive that `ADD` unpacks: a tar of at least one entry, which may
/// be compressed.
pub(crate) fn is_archive(tree: &Tree, place: &Place) -> Result<bool> {
    match tree.status(place)? {
        Some(status) if kind(&status) == FileType::RegularFile => {}
        _ => return Ok(false),
    }
    let file = tree.read(place)?;
    let Ok(mut archive) = entry::open(file) else {
        return Ok(false);
    };
    Ok(matches!(archive.next(), Ok(Some(_))))
}

/// Unpacks an archive into a directory, which is then the root of every path and link in it. Its
/// entries belong to `owner`, if there is one, or else to whom the archive says. Directories that it has
/// no entry for are root's.
pub(crate) fn expand(
    source: &Tree,
    place: &Place,
    into: &Tree,
    owner: Option<Owner>,
) -> Result<()> {
    let name = place.to_string();
    let wrong = |source: io::Error| Error::Archive {
        name: name.clone(),
        source,
    };
    let mut archive = entry::open(source.read(place)?).map_err(wrong)?;
    // However often an archive has the same one.
    let mut directories = BTreeMap::new();
    let mut last: Option<Last> = None;
    while let Some(header) = archive.next().map_err(wrong)? {
        let Some(mut entry) = TarEntry::of(header).map_err(wrong)? else {
            continue;
        };
        entry.owner = owner.unwrap_or(entry.owner);
        if leaves(&entry.path) {
            return Err(Error::Breakout(shown(&entry.path)));
        }
        if let Some(last) = &last
            && last.put(&entry, &mut archive)?
        {
            continue;
        }
        let place = into.resolve_parent(Place::new(&entry.path).as_bytes())?;
        // Any other entry may change where a path leads to.
        last = None;
        let names_root = entry.path.starts_with(b"/");
        if place.is_root() && !names_root {
            // The directory itself stays as it is, whatever the archive takes it for.
            continue;
        }
        if place.is_root() && entry.kind != EntryKind::Directory {
            return Err(Error::BadEntry(shown(&entry.path)));
        }
        refuse_dangling(into, &Place::new(&entry.path).parent(), &place.parent())?;
        into.make_directories(&place.parent(), 0o755, Some(Owner::ROOT))?;
        put(&entry, &place, into, &mut archive)?;
        match entry.kind {
            EntryKind::Directory => {
                directories.insert(Place::new(&entry.path), entry.times);
            }
            EntryKind::File => last = Last::of(&entry.path, &place, into)?,
            _ => {}
        }
    }
    // What has come in the place of a directory since gets its time as well.
    for (place, times) in &directories {
        into.set_times(&into.resolve(place.as_bytes())?, times)?;
    }
    Ok(())
}

/// Refuses a way to a directory that leads through a link to nothing: no directory is made for it.
fn refuse_dangling(into: &Tree, written: &Place, directory: &Place) -> Result<()> {
    if into.status(directory)?.is_some() {
        return Ok(());
    }
    let mut way = Place::root();
    for name in written.names() {
        way.step(name);
        let is_link = into.status(&into.resolve_parent(way.as_bytes())?)?;
        let is_link = is_link.is_some_and(|status| kind(&status) == FileType::Symlink);
        if is_link && into.status(&into.resolve(way.as_bytes())?)?.is_none() {
            return Err(Error::NotFound(way.to_string()));
        }
    }
    Ok(())
}

/// The directory that a file was put into: the next one is likely to come into it too.
struct Last {
    /// As the archive writes it.
    written: Vec<u8>,
    directory: OwnedFd,
}

impl Last {
    fn of(path: &[u8], place: &Place, into: &Tree) -> Result<Option<Self>> {
        let Some((written, _)) = split(path) else {
            return Ok(None);
        };
        Ok(Some(Self {
            written: written.to_vec(),
            directory: into.directory(&place.parent())?,
        }))
    }

    /// Puts a file into the same directory, if that is where it goes and nothing is in its place.
    /// Returns whether it did.
    fn put(&self, entry: &TarEntry, contents: &mut impl Read) -> Result<bool> {
        let name = match split(&entry.path) {
            Some((written, name)) if written == self.written => name,
            _ => return Ok(false),
        };
        if entry.kind != EntryKind::File {
            return Ok(false);
        }
        match entry.create(self.directory.as_fd(), name, contents) {
            Ok(Some(file)) => entry.finish_file(&file, &Place::new(&entry.path))?,
            Ok(None) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(false),
            created => created.map(|_| ()).at("make", &entry.path)?,
        }
        Ok(true)
    }
}

/// Returns the directory and the name of a path that says both as plainly as can be.
fn split(path: &[u8]) -> Option<(&[u8], &[u8])> {
    let slash = path.iter().rposition(|byte| *byte == b'/')?;
    let (directory, name) = (&path[..slash], &path[slash + 1..]);
    (!matches!(name, b"" | b"." | b"..")).then_some((directory, name))
}

fn put(entry: &TarEntry, place: &Place, into: &Tree, contents: &mut impl Read) -> Result<()> {
    let there = into.status(place)?.map(|status| kind(&status));
    let merged = there == Some(FileType::Directory) && entry.kind == EntryKind::Directory;
    if there.is_some() && !merged {
        into.remove(place)?;
    }
    let (directory, name) = into.parent(place)?;
    if let EntryKind::Link(target) = &entry.kind {
        if leaves(target) {
            return Err(Error::Breakout(shown(target)));
        }
        let target = into.resolve_parent(Place::new(target).as_bytes())?;
        let (from, from_name) = into.parent(&target)?;
        let (from_name, name) = (OsStr::from_bytes(from_name), OsStr::from_bytes(name));
        rustix::fs::linkat(from, from_name, &directory, name, AtFlags::empty())
            .at("link", place.as_bytes())?;
        if into.status(place)?.map(|status| kind(&status)) == Some(FileType::Symlink) {
            // A further name of a symbolic link changes its owner only.
            return special::set_owner(directory.as_fd(), name.as_bytes(), entry.owner)
                .at("set the owner of", place.as_bytes());
        }
    } else if !merged {
        if let EntryKind::Device { kind, number } = entry.kind {
            refuse_whiteout(kind, number).at("make", place.as_bytes())?;
        }
        let made = entry.create(directory.as_fd(), name, contents);
        if let Some(file) = made.at("make", place.as_bytes())? {
            return entry.finish_file(&file, place);
        }
    }
    entry.finish(directory.as_fd(), name, place)
}

/// Tells whether a path leads above where it begins. (`/..` does not.)
fn leaves(path: &[u8]) -> bool {
    if path.starts_with(b"/") {
        return false;
    }
    let mut depth = 0_i64;
    for name in path.split(|byte| *byte == b'/') {
        match name {
            b"" | b"." => {}
            b".." => depth -= 1,
            _ => depth += 1,
        }
        if depth < 0 {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use tar::{Builder, EntryType, Header};

    use super::*;
    use crate::tree::tests::look_ups;

    /// Returns how many paths are looked up to unpack directories, each with a file and a link, that lie
    /// so deep in one another.
    fn look_ups_at(depth: usize) -> u64 {
        let [from, into] = [(); 2].map(|()| tempfile::tempdir().unwrap());
        let file = std::fs::File::create(from.path().join("archive")).unwrap();
        let mut archive = Builder::new(file);
        let mut path = String::new();
        for _ in 0..depth {
            path.push_str("d/");
            for (name, kind) in [
                ("", EntryType::Directory),
                ("file", EntryType::Regular),
                ("link", EntryType::Link),
            ] {
                let mut header = Header::new_gnu();
                header.set_entry_type(kind);
                header.set_mode(0o755);
                header.set_size(0);
                // To whom an ordinary user can give files.
                header.set_uid(rustix::process::getuid().as_raw().into());
                header.set_gid(rustix::process::getgid().as_raw().into());
                header.set_mtime(1);
                let entry = format!("{path}{name}");
                match kind {
                    EntryType::Link => {
                        archive.append_link(&mut header, entry, format!("{path}file"))
                    }
                    _ => archive.append_data(&mut header, entry, io::empty()),
                }
                .unwrap();
            }
        }
        archive.into_inner().unwrap();
        let [source, tree] = [&from, &into].map(|directory| Tree::open(directory.path()).unwrap());
        let count = look_ups(|| expand(&source, &Place::new("/archive"), &tree, None).unwrap());
        let last = Place::new(format!("/{path}link"));
        assert!(tree.has(&last).unwrap());
        count
    }

    #[test]
    fn what_lies_deep_is_looked_up_no_more_often_than_what_does_not() {
        let [few, many] = [50, 400].map(look_ups_at);
        assert_eq!(many / 400, few / 50, "{few} and {many}");
    }

    #[rstest]
    #[case("a/../b", false)]
    #[case("a/../../b", true)]
    #[case("../b", true)]
    #[case("/../b", false)]
    fn paths_that_lead_out(#[case] path: &str, #[case] expected: bool) {
        assert_eq!(leaves(path.as_bytes()), expected);
    }
}
