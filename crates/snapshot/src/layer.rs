//! A layer of an image becomes a folder that can be stacked: what it deletes is what the overlay
//! file system takes for deleted. Or it comes over the layers before it, in a folder that has them all.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io::Read;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::ffi::OsStrExt as _;

use beneath::remove as remove_below;
use rustix::fs::{AtFlags, FileType, Mode, XattrFlags};
use rustix::io::Errno;

use crate::digest::Digest;
use crate::entry::{Entry, EntryKind};
use crate::error::{Context as _, Error, Result, shown};
use crate::hashing::Hashing;
use crate::place::Place;
use crate::reader::Reader;
use crate::special::refuse_whiteout;
use crate::stack::{OPAQUE, Stacking};
use crate::tree::{Tree, kind, names, open_in, status_in, times};
use crate::way::Way;

/// What marks the name of a file that is deleted.
pub(crate) const WHITEOUT: &[u8] = b".wh.";
/// What marks a folder as hiding all that is below it.
const HIDING: &[u8] = b".wh..wh..opq";
/// What the names of files begin with by which a file system of old kept its books. Of these, only
/// [`HIDING`] says something.
const BOOKKEEPING: &[u8] = b".wh..wh.";

/// What came of a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unpacked {
    /// The digest of the archive, uncompressed.
    pub archive: Digest,
    /// On other layers its files would be others: it has files in folders that it has no entries for, or
    /// deletes something.
    pub depends_on_those_below: bool,
}

/// Unpacks a layer, which may be compressed, into an empty folder; for copies, into one that has the
/// layers before it. Otherwise these are `below`, stacked: folders that the layer has no entries for are
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
        if let Some(entry) = Entry::of(header).map_err(Error::Layer)? {
            unpacking.take(&entry, &mut archive)?;
        }
    }
    let Unpacking {
        way,
        has_deleted,
        has_hidden,
        ..
    } = unpacking;
    let has_implied_folders = way.end()?;
    if has_deleted && has_hidden {
        remove_deletions(into.as_fd(), false).at("unpack to", b"/")?;
    }
    drop(archive);
    Ok(Unpacked {
        archive: input.finish().map_err(Error::Layer)?,
        depends_on_those_below: has_implied_folders || has_deleted,
    })
}

struct Unpacking<'tree> {
    into: &'tree Tree,
    way: Way<'tree>,
    below: Option<&'tree Tree>,
    /// Of copies, what this layer has made: the number of a folder, and a name in it.
    made: Option<BTreeSet<(u64, Box<[u8]>)>>,
    has_deleted: bool,
    /// A folder hides all that is below it.
    has_hidden: bool,
}

impl Unpacking<'_> {
    fn take(&mut self, entry: &Entry, contents: &mut impl Read) -> Result<()> {
        let place = Place::new(&entry.path);
        let Some(name) = place.name() else {
            if entry.kind != EntryKind::Folder {
                return Err(Error::BadEntry(shown(&entry.path)));
            }
            // The mode of the root is the first layer's that has it.
            return entry.finish(self.into.as_fd(), b".", &place);
        };
        // What it says is gone is no name in the folder.
        if let b".wh." | b".wh.." | b".wh..." = name {
            return Err(Error::BadEntry(shown(&entry.path)));
        }
        if name.starts_with(BOOKKEEPING) && name != HIDING {
            return Ok(());
        }
        let made = &mut self.made;
        self.way.enter(&place.parent(), |folder, name| {
            if let Some(made) = made {
                made.insert((folder, name.into()));
            }
        })?;
        let folder = self.way.inode()?;
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
            self.way.directory()?,
            contents,
        )?;
        if let Some(made) = &mut self.made {
            made.insert((folder, name.into()));
        }
        Ok(())
    }

    /// Deletes what a name says is gone, but for what this layer has made.
    fn delete(&mut self, name: &[u8], place: &Place) -> Result<()> {
        let inode = self.way.inode()?;
        let folder = self.way.directory()?;
        let Some(made) = &self.made else {
            let marked = if name == HIDING {
                self.has_hidden = true;
                rustix::fs::fsetxattr(folder, OPAQUE.name(), b"y", XattrFlags::empty())
            } else {
                self.has_deleted = true;
                let name = &name[WHITEOUT.len()..];
                match self.below {
                    Some(below) if below.has(&place.parent().join(name))? => {
                        mark_as_deleted(folder, name)
                    }
                    _ => Ok(()),
                }
            };
            return marked.at("delete", place.as_bytes());
        };
        let gone = match name {
            HIDING => names(folder).at("read", place.as_bytes())?,
            name => vec![name[WHITEOUT.len()..].to_vec()],
        };
        for name in gone {
            if !made.contains(&(inode, name.as_slice().into())) {
                remove_below(folder, &name).at("delete", place.as_bytes())?;
            }
        }
        Ok(())
    }
}

/// Makes what the overlay file system takes for a deletion.
fn mark_as_deleted(folder: BorrowedFd<'_>, name: &[u8]) -> Result<(), Errno> {
    let deleted = OsStr::from_bytes(name);
    let number = rustix::fs::makedev(0, 0);
    let kind = FileType::CharacterDevice;
    match rustix::fs::mknodat(folder, deleted, kind, Mode::empty(), number) {
        // It is made anew by the same layer.
        Err(Errno::EXIST) => Ok(()),
        made => made,
    }
}

/// Removes deletions from folders that hide all that is below them, where they would be listed.
fn remove_deletions(folder: BorrowedFd<'_>, is_in_hiding: bool) -> Result<(), Errno> {
    let is_hiding = match rustix::fs::fgetxattr(folder, OPAQUE.name(), &mut [0_u8; 1][..]) {
        Err(Errno::NODATA | Errno::NOTSUP) => is_in_hiding,
        mark => mark.map(|_| true)?,
    };
    let before = times(&rustix::fs::fstat(folder)?);
    for name in names(folder)? {
        let Some(status) = status_in(folder, &name)? else {
            continue;
        };
        if kind(&status) == FileType::Directory {
            remove_deletions(open_in(folder, &name)?.as_fd(), is_hiding)?;
        } else if is_hiding && refuse_whiteout(kind(&status), status.st_rdev).is_err() {
            remove_below(folder, &name)?;
        }
    }
    rustix::fs::futimens(folder, &before)
}

/// Tells whether an entry is the one device that the overlay file system takes for a deletion.
fn is_deletion(kind: &EntryKind) -> bool {
    let EntryKind::Device { kind, number } = kind else {
        return false;
    };
    refuse_whiteout(*kind, *number).is_err()
}

/// Puts an entry into an open folder, in place of what has its name there.
fn put(
    entry: &Entry,
    name: &[u8],
    place: &Place,
    into: &Tree,
    folder: BorrowedFd<'_>,
    contents: &mut impl Read,
) -> Result<()> {
    let there = status_in(folder, name).at("ask about", place.as_bytes())?;
    let there = there.map(|status| kind(&status));
    let is_folder = entry.kind == EntryKind::Folder;
    let is_merged = is_folder && there == Some(FileType::Directory);
    if there.is_some() && !is_merged {
        remove_below(folder, name).at("replace", place.as_bytes())?;
    }
    if let EntryKind::Link(target) = &entry.kind {
        let target = Place::new(target);
        let (from, from_name) = into.parent(&target)?;
        let (from_name, name) = (OsStr::from_bytes(from_name), OsStr::from_bytes(name));
        return rustix::fs::linkat(from, from_name, folder, name, AtFlags::empty())
            .at("link", place.as_bytes());
    }
    if !is_merged {
        let made = entry.create(folder, name, contents);
        if let Some(file) = made.at("make", place.as_bytes())? {
            return entry.finish_file(&file, place);
        }
    }
    entry.finish(folder, name, place)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::{self, Seek as _};

    use rstest::rstest;

    use super::*;

    #[rstest]
    fn no_layer_deletes_a_folder_by_another_name(
        #[values("a/b/.wh.", "a/b/.wh..", "a/b/.wh...")] name: &str,
        #[values(Stacking::Copies, Stacking::Overlay)] stacking: Stacking,
    ) {
        let mut layer = tar::Builder::new(tempfile::tempfile().unwrap());
        let mut header = tar::Header::new_gnu();
        header.set_size(0);
        layer.append_data(&mut header, name, io::empty()).unwrap();
        let mut layer = layer.into_inner().unwrap();
        layer.rewind().unwrap();
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("a/b")).unwrap();
        let into = Tree::open(folder.path()).unwrap();
        let unpacked = unpack(layer, &into, None, stacking);
        assert!(matches!(unpacked, Err(Error::BadEntry(_))), "{unpacked:?}");
        assert!(folder.path().join("a/b").exists());
    }
}
