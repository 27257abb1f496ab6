//! A layer of an image becomes a directory that can be stacked: what it deletes is what the overlay
//! file system takes for deleted. Or it comes over the layers before it, in a directory that has them all.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io::Read;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::ffi::OsStrExt as _;

use beneath::remove as remove_below;
use rustix::fs::{AtFlags, FileType, Mode, XattrFlags};
use rustix::io::Errno;

use crate::digest::Digest;
use crate::entry::{EntryKind, TarEntry};
use crate::error::{Context as _, Error, Result, shown};
use crate::hashing::Hashing;
use crate::own::Own;
use crate::place::Place;
use crate::reader::Reader;
use crate::special::refuse_whiteout;
use crate::stack::{OPAQUE, Stacking};
use crate::tree::{Tree, kind, names, open_in, status_in, times};
use crate::way::Way;

/// What marks the name of a file that is deleted.
pub(crate) const WHITEOUT: &[u8] = b".wh.";
/// What marks a directory as hiding all that is below it.
const HIDING: &[u8] = b".wh..wh..opq";
/// What the names of files begin with by which a file system of old kept its books. Of these, only
/// [`HIDING`] says something.
const BOOKKEEPING: &[u8] = b".wh..wh.";

/// What came of a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unpacked {
    /// The digest of the archive, uncompressed.
    pub archive: Digest,
    /// On other layers its files would be others: it has files in directories that it has no entries for, or
    /// deletes something.
    pub depends_on_those_below: bool,
}

/// Unpacks a layer, which may be compressed, into an empty directory; for copies, into one that has the
/// layers before it. Otherwise these are `below`, stacked: directories that the layer has no entries for are
/// as they are there, and only what is there is deleted, since the overlay file system lists a
/// deletion as a name where it deletes nothing.
///
/// The archive is read to its end. The input need not have been.
///
/// It takes as long as what is in the layer is, and no memory that grows with it; for copies, as much
/// as the names in it.
pub fn unpack(
    layer: impl Read,
    into: &Tree,
    below: Option<&Tree>,
    stacking: Stacking,
) -> Result<Unpacked> {
    unpack_with(layer, into, below, stacking, None)
}

/// Unpacks a layer; `own` makes entries the caller's own.
pub(crate) fn unpack_with(
    layer: impl Read,
    into: &Tree,
    below: Option<&Tree>,
    stacking: Stacking,
    mut own: Option<&mut Own>,
) -> Result<Unpacked> {
    let input = compression::decompress(layer).map_err(Error::Layer)?;
    let mut input = Hashing::new(input);
    let mut archive = Reader::new(Box::new(&mut input));
    let mut unpacking = Unpacking {
        into,
        way: Way::new(into, below),
        below,
        made: (stacking == Stacking::Copies).then(BTreeSet::new),
        has_deleted: false,
        has_hidden: false,
    };
    while let Some(header) = archive.next().map_err(Error::Layer)? {
        if let Some(mut entry) = TarEntry::of(header).map_err(Error::Layer)? {
            if let Some(own) = &mut own {
                own.take(&mut entry);
            }
            unpacking.take(&entry, &mut archive)?;
        }
    }
    let Unpacking {
        way,
        has_deleted,
        has_hidden,
        ..
    } = unpacking;
    let has_implied_directories = way.end()?;
    if has_deleted && has_hidden {
        remove_deletions(into.as_fd(), false).at("unpack to", b"/")?;
    }
    drop(archive);
    Ok(Unpacked {
        archive: input.finish().map_err(Error::Layer)?,
        depends_on_those_below: has_implied_directories || has_deleted,
    })
}

struct Unpacking<'tree> {
    into: &'tree Tree,
    way: Way<'tree>,
    below: Option<&'tree Tree>,
    /// Of copies, what this layer has made.
    made: Option<MadeDirectories>,
    has_deleted: bool,
    /// A directory hides all that is below it.
    has_hidden: bool,
}

impl Unpacking<'_> {
    fn take(&mut self, entry: &TarEntry, contents: &mut impl Read) -> Result<()> {
        let place = Place::new(&entry.path);
        let Some(name) = place.name() else {
            if entry.kind != EntryKind::Directory {
                return Err(Error::BadEntry(shown(&entry.path)));
            }
            // The mode of the root is the first layer's that has it.
            return entry.finish(self.into.as_fd(), b".", &place);
        };
        // What it says is gone is no name in the directory.
        if let b".wh." | b".wh.." | b".wh..." = name {
            return Err(Error::BadEntry(shown(&entry.path)));
        }
        if name.starts_with(BOOKKEEPING) && name != HIDING {
            return Ok(());
        }
        let made = &mut self.made;
        self.way.enter(&place.parent(), |directory, name| {
            if let Some(made) = made {
                made.insert((directory, name.into()));
            }
        })?;
        let directory = self.way.inode()?;
        if name.starts_with(WHITEOUT) {
            return self.delete(name, &place);
        }
        if is_deletion(&entry.kind) {
            return Err(Error::Deletion(shown(&entry.path)));
        }
        put(
            entry,
            name,
            &place,
            self.into,
            self.way.directory(),
            contents,
        )?;
        if let Some(made) = &mut self.made {
            made.insert((directory, name.into()));
        }
        Ok(())
    }

    /// Deletes what a name says is gone, but for what this layer has made.
    fn delete(&mut self, name: &[u8], place: &Place) -> Result<()> {
        let inode = self.way.inode()?;
        let directory = self.way.directory();
        let Some(made) = &self.made else {
            let marked = if name == HIDING {
                self.has_hidden = true;
                rustix::fs::fsetxattr(directory, OPAQUE.name(), b"y", XattrFlags::empty())
            } else {
                self.has_deleted = true;
                let name = &name[WHITEOUT.len()..];
                match self.below {
                    Some(below) if below.has(&place.parent().join(name))? => {
                        mark_as_deleted(directory, name)
                    }
                    _ => Ok(()),
                }
            };
            return marked.at("delete", place.as_bytes());
        };
        let removed = match name {
            HIDING => remove_unless(made, directory, inode).map(|_| ()),
            name => match &name[WHITEOUT.len()..] {
                name if made.contains(&(inode, name.into())) => Ok(()),
                name => remove_one(made, directory, inode, name).map(|_| ()),
            },
        };
        removed.at("delete", place.as_bytes())
    }
}

/// What a layer has made in a directory of copies: the number of the directory, and a name in it.
type MadeDirectories = BTreeSet<(u64, Box<[u8]>)>;

/// Removes what is in a directory of this number, unless it was made. Returns whether anything is left.
fn remove_unless(
    made: &MadeDirectories,
    directory: BorrowedFd<'_>,
    inode: u64,
) -> Result<bool, Errno> {
    let mut is_left = false;
    for name in names(directory)? {
        is_left |= remove_one(made, directory, inode, &name)?;
    }
    Ok(is_left)
}

/// Removes a name with all that is in it, unless it was made, or something in it. Returns whether it is
/// left.
fn remove_one(
    made: &MadeDirectories,
    directory: BorrowedFd<'_>,
    inode: u64,
    name: &[u8],
) -> Result<bool, Errno> {
    let mut is_left = made.contains(&(inode, name.into()));
    if let Some(status) = status_in(directory, name)?
        && kind(&status) == FileType::Directory
    {
        is_left |= remove_unless(made, open_in(directory, name)?.as_fd(), status.st_ino)?;
    }
    if !is_left {
        remove_below(directory, name)?;
    }
    Ok(is_left)
}

/// Makes what the overlay file system takes for a deletion.
fn mark_as_deleted(directory: BorrowedFd<'_>, name: &[u8]) -> Result<(), Errno> {
    let deleted = OsStr::from_bytes(name);
    let number = rustix::fs::makedev(0, 0);
    let kind = FileType::CharacterDevice;
    match rustix::fs::mknodat(directory, deleted, kind, Mode::empty(), number) {
        // It is made anew by the same layer.
        Err(Errno::EXIST) => Ok(()),
        made => made,
    }
}

/// Removes deletions from directories that hide all that is below them, where they would be listed.
fn remove_deletions(directory: BorrowedFd<'_>, is_in_hiding: bool) -> Result<(), Errno> {
    let is_hiding = match rustix::fs::fgetxattr(directory, OPAQUE.name(), &mut [0_u8; 1][..]) {
        Err(Errno::NODATA | Errno::NOTSUP) => is_in_hiding,
        mark => mark.map(|_| true)?,
    };
    let before = times(&rustix::fs::fstat(directory)?);
    for name in names(directory)? {
        let Some(status) = status_in(directory, &name)? else {
            continue;
        };
        if kind(&status) == FileType::Directory {
            remove_deletions(open_in(directory, &name)?.as_fd(), is_hiding)?;
        } else if is_hiding && refuse_whiteout(kind(&status), status.st_rdev).is_err() {
            remove_below(directory, &name)?;
        }
    }
    rustix::fs::futimens(directory, &before)
}

/// Tells whether an entry is the one device that the overlay file system takes for a deletion.
fn is_deletion(kind: &EntryKind) -> bool {
    let EntryKind::Device { kind, number } = kind else {
        return false;
    };
    refuse_whiteout(*kind, *number).is_err()
}

/// Puts an entry into an open directory, in place of what has its name there.
fn put(
    entry: &TarEntry,
    name: &[u8],
    place: &Place,
    into: &Tree,
    directory: BorrowedFd<'_>,
    contents: &mut impl Read,
) -> Result<()> {
    let there = status_in(directory, name).at("ask about", place.as_bytes())?;
    let there = there.map(|status| kind(&status));
    let is_directory = entry.kind == EntryKind::Directory;
    let is_merged = is_directory && there == Some(FileType::Directory);
    if there.is_some() && !is_merged {
        remove_below(directory, name).at("replace", place.as_bytes())?;
    }
    if let EntryKind::Link(target) = &entry.kind {
        let target = Place::new(target);
        let (from, from_name) = into.parent(&target)?;
        let (from_name, name) = (OsStr::from_bytes(from_name), OsStr::from_bytes(name));
        return rustix::fs::linkat(from, from_name, directory, name, AtFlags::empty())
            .at("link", place.as_bytes());
    }
    if !is_merged {
        let made = entry.create(directory, name, contents);
        if let Some(file) = made.at("make", place.as_bytes())? {
            return entry.finish_file(&file, place);
        }
    }
    entry.finish(directory, name, place)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::io::{self, Cursor};
    use std::os::unix::fs::MetadataExt as _;
    use std::path::Path;

    use rstest::rstest;
    use tar::EntryType;

    use super::*;

    const MODE: u32 = 0o750;
    const TIME: u64 = 1_000_000_000;

    /// Returns an archive: of names that end with a slash, directories.
    fn layer(names: &[&str]) -> Vec<u8> {
        let mut layer = tar::Builder::new(Vec::new());
        for name in names {
            let mut header = header();
            if name.ends_with('/') {
                header.set_entry_type(EntryType::Directory);
            }
            layer.append_data(&mut header, name, io::empty()).unwrap();
        }
        layer.into_inner().unwrap()
    }

    fn header() -> tar::Header {
        let mut header = tar::Header::new_gnu();
        header.set_size(0);
        header.set_mode(MODE);
        header.set_mtime(TIME);
        header.set_uid(rustix::process::getuid().as_raw().into());
        header.set_gid(rustix::process::getgid().as_raw().into());
        header
    }

    fn unpack_into(layer: &[u8], into: &Path, stacking: Stacking) -> Result<Unpacked> {
        unpack(
            Cursor::new(layer),
            &Tree::open(into).unwrap(),
            None,
            stacking,
        )
    }

    #[rstest]
    fn no_layer_deletes_a_directory_by_another_name(
        #[values("a/b/.wh.", "a/b/.wh..", "a/b/.wh...")] name: &str,
        #[values(Stacking::Copies, Stacking::Overlay)] stacking: Stacking,
    ) {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir_all(directory.path().join("a/b")).unwrap();
        let unpacked = unpack_into(&layer(&[name]), directory.path(), stacking);
        assert!(matches!(unpacked, Err(Error::BadEntry(_))), "{unpacked:?}");
        assert!(directory.path().join("a/b").exists());
    }

    /// Whatever the order: what comes into a directory later changes its time no more than what comes into
    /// one of its directories.
    #[rstest]
    #[case(&["a/", "a/b/", "a/b/1", "a/1", "c/", "a/b/2", "a/.wh.gone"])]
    #[case(&["a/", "c/", "a/b/", "a/1", "a/b/1", "a/", "a/b/", "a/2"])]
    fn directories_have_the_times_of_their_entries(
        #[case] names: &[&str],
        #[values(Stacking::Copies, Stacking::Overlay)] stacking: Stacking,
    ) {
        let directory = tempfile::tempdir().unwrap();
        let unpacked = unpack_into(&layer(names), directory.path(), stacking).unwrap();
        let has_deleted = names.contains(&"a/.wh.gone") && stacking == Stacking::Overlay;
        assert_eq!(unpacked.depends_on_those_below, has_deleted);
        for name in ["a", "a/b", "c", "a/1", "a/b/1"] {
            let status = fs::metadata(directory.path().join(name)).unwrap();
            assert_eq!(status.mtime().cast_unsigned(), TIME, "{name}");
            assert_eq!(status.mode() & 0o7777, MODE, "{name}");
        }
    }

    #[test]
    fn only_what_is_below_is_deleted() {
        let directories = [(); 2].map(|()| tempfile::tempdir().unwrap());
        let [below, into] = directories.each_ref().map(tempfile::TempDir::path);
        fs::create_dir_all(below.join("hidden")).unwrap();
        for name in ["there", "hidden/there"] {
            fs::write(below.join(name), "").unwrap();
        }
        let trees = [below, into].map(|path| Tree::open(path).unwrap());
        let layer = layer(&[
            "hidden/",
            "hidden/inner/",
            ".wh.there",
            ".wh.nowhere",
            "hidden/.wh.there",
            "hidden/.wh..wh..opq",
            "hidden/inner/.wh.there",
        ]);
        let stacking = Stacking::Overlay;
        let unpacked = unpack(&*layer, &trees[1], Some(&trees[0]), stacking);
        assert!(unpacked.unwrap().depends_on_those_below);
        let names = |directory: &str| names(File::open(into.join(directory)).unwrap()).unwrap();
        assert_eq!(names(""), [b"hidden".as_slice(), b"there"]);
        assert_eq!(names("hidden"), [b"inner"]);
        assert_eq!(names("hidden/inner"), [b""; 0]);
    }

    #[test]
    fn of_copies_a_layer_deletes_what_it_has_not_made() {
        let directory = tempfile::tempdir().unwrap();
        let unpack = |names: &[&str]| {
            unpack_into(&layer(names), directory.path(), Stacking::Copies).unwrap();
        };
        unpack(&["a/", "a/old", "a/b/", "a/b/old", "a/d/", "a/d/old", "c"]);
        unpack(&[
            "a/new",
            "a/b/new",
            "a/d/",
            "a/.wh..wh..opq",
            "d",
            ".wh.c",
            ".wh.d",
            ".wh.e",
        ]);
        let there = |name: &str| directory.path().join(name).exists();
        let left = ["a/new", "a/b/new", "a/d", "d"].map(there);
        let gone = ["a/old", "a/b/old", "a/d/old", "c"].map(there);
        assert_eq!((left, gone), ([true; 4], [false; 4]));
    }

    #[test]
    fn the_digest_is_of_all_of_the_archive() {
        let mut layer = layer(&["file"]);
        layer.extend_from_slice(b"behind its end");
        let directory = tempfile::tempdir().unwrap();
        let unpacked = unpack_into(&layer, directory.path(), Stacking::Overlay).unwrap();
        let file = tempfile::tempfile().unwrap();
        std::os::unix::fs::FileExt::write_all_at(&file, &layer, 0).unwrap();
        assert_eq!(unpacked.archive, crate::sha256(file).unwrap());
    }

    #[test]
    fn deep_directories_are_entered_in_turns() {
        let paths = ["a", "b"].map(|top| format!("{top}/{}", "d/".repeat(1000)));
        let mut layer = tar::Builder::new(Vec::new());
        for path in &paths {
            for (end, _) in path.match_indices('/') {
                let mut header = header();
                header.set_entry_type(EntryType::Directory);
                let name = &path[..=end];
                layer.append_data(&mut header, name, io::empty()).unwrap();
            }
        }
        for number in 0..50 {
            for path in &paths {
                let name = format!("{path}{number}");
                layer.append_data(&mut header(), name, io::empty()).unwrap();
            }
        }
        let layer = layer.into_inner().unwrap();
        let directory = tempfile::tempdir().unwrap();
        unpack_into(&layer, directory.path(), Stacking::Overlay).unwrap();
        for path in paths {
            let count = fs::read_dir(directory.path().join(path)).unwrap().count();
            assert_eq!(count, 50);
        }
        crate::clear(directory.path()).unwrap();
    }

    #[test]
    fn what_is_deeper_than_a_path_is_long_is_an_error() {
        let mut layer = tar::Builder::new(Vec::new());
        let name = format!("{}file", "d/".repeat(2100));
        layer
            .append_data(&mut header(), &name, io::empty())
            .unwrap();
        let directory = tempfile::tempdir().unwrap();
        let layer = layer.into_inner().unwrap();
        let error = unpack_into(&layer, directory.path(), Stacking::Overlay).unwrap_err();
        assert!(error.to_string().contains("File name too long"), "{error}");
    }

    #[rstest]
    #[case("file/inner", "cannot make the directory `/file`: Not a directory")]
    #[case("link/inner", "cannot make the directory `/link`: Not a directory")]
    fn nothing_is_put_into_what_is_no_directory(#[case] name: &str, #[case] expected: &str) {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("directory")).unwrap();
        fs::write(directory.path().join("file"), "").unwrap();
        std::os::unix::fs::symlink("directory", directory.path().join("link")).unwrap();
        let error = unpack_into(&layer(&[name]), directory.path(), Stacking::Overlay).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
}
