//! A layer of an image becomes a folder that can be stacked: what it deletes is what the overlay
//! file system takes for deleted. Or it comes over the layers before it, in a folder that has them all.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd as _;
use std::os::unix::ffi::OsStrExt as _;

use rustix::fs::{AtFlags, FileType, Mode, XattrFlags};
use rustix::io::Errno;

use crate::entry::{self, Entry, EntryKind};
use crate::error::{Context as _, Error, Result, shown};
use crate::place::Place;
use crate::stack::{OPAQUE, Stacking};
use crate::tree::{Tree, kind, set_times};
use crate::users::Owner;

/// What marks the name of a file that is deleted.
pub(crate) const WHITEOUT: &[u8] = b".wh.";
/// What marks a folder as hiding all that is below it.
const HIDING: &[u8] = b".wh..wh..opq";

/// Unpacks a layer, which may be compressed, into an empty folder; for copies, into one that has the
/// layers before it.
pub fn unpack(layer: File, name: &str, into: &Tree, stacking: Stacking) -> Result<()> {
    let wrong = |source: io::Error| Error::Archive {
        name: name.to_owned(),
        source,
    };
    let mut archive = entry::open(layer, name)?;
    // However often an archive has the same one.
    let mut folders = BTreeMap::new();
    let mut made = BTreeSet::new();
    while let Some(header) = archive.next().map_err(wrong)? {
        let Some(entry) = Entry::of(header).map_err(wrong)? else {
            continue;
        };
        let place = Place::new(&entry.path);
        if place.is_root() {
            if entry.kind != EntryKind::Folder {
                return Err(Error::BadEntry(shown(&entry.path)));
            }
            // The mode of the root is the first layer's that has it.
            entry
                .finish(into.as_fd(), b".", entry.owner)
                .at("set the mode of", b"/")?;
            continue;
        }
        // What it says is gone is no name in the folder.
        if let Some(b".wh." | b".wh.." | b".wh...") = place.name() {
            return Err(Error::BadEntry(shown(&entry.path)));
        }
        made.extend(into.make_folders(&place.parent(), 0o755, Owner::ROOT)?);
        if stacking == Stacking::Copies && delete(&place, into, &made)? {
            continue;
        }
        place_entry(&entry, &place, into, &mut archive)?;
        made.insert(place.clone());
        if entry.kind == EntryKind::Folder {
            folders.insert(place, entry.times);
        }
    }
    // What comes into a folder changes its time.
    for (place, times) in &folders {
        let (folder, name) = into.parent(place)?;
        set_times(folder.as_fd(), name, times).at("set the times of", place.as_bytes())?;
    }
    Ok(())
}

/// Deletes what an entry says is gone, but for what this layer has made. Returns whether it says so.
fn delete(place: &Place, into: &Tree, made: &BTreeSet<Place>) -> Result<bool> {
    let parent = place.parent();
    let gone = match place.name() {
        Some(HIDING) => into.names(&parent)?,
        Some(name) if name.starts_with(WHITEOUT) => vec![name[WHITEOUT.len()..].to_vec()],
        _ => return Ok(false),
    };
    for name in gone {
        let place = parent.join(&name);
        if !made.contains(&place) {
            into.remove(&place)?;
        }
    }
    Ok(true)
}

fn place_entry(entry: &Entry, place: &Place, into: &Tree, source: &mut impl Read) -> Result<()> {
    let (folder, name) = into.parent(place)?;
    let folder = folder.as_fd();
    if name == HIDING {
        return rustix::fs::fsetxattr(folder, OPAQUE.name(), b"y", XattrFlags::empty())
            .at("mark", place.as_bytes());
    }
    if let Some(deleted) = name.strip_prefix(WHITEOUT) {
        let path = OsStr::from_bytes(deleted);
        let made = rustix::fs::mknodat(
            folder,
            path,
            FileType::CharacterDevice,
            Mode::empty(),
            rustix::fs::makedev(0, 0),
        );
        return match made {
            // It is made anew by the same layer.
            Err(Errno::EXIST) => Ok(()),
            made => made.at("delete", place.as_bytes()),
        };
    }
    if let Some(status) = into.status(place)?
        && !(kind(&status) == FileType::Directory && entry.kind == EntryKind::Folder)
    {
        beneath::remove(folder, name).at("replace", place.as_bytes())?;
    }
    if let EntryKind::Link(target) = &entry.kind {
        let target = Place::new(target);
        let (from, from_name) = into.parent(&target)?;
        return rustix::fs::linkat(
            from,
            OsStr::from_bytes(from_name),
            folder,
            OsStr::from_bytes(name),
            AtFlags::empty(),
        )
        .at("link", place.as_bytes());
    }
    let made = match entry.create(folder, name, source) {
        Err(error)
            if entry.kind == EntryKind::Folder && error.kind() == io::ErrorKind::AlreadyExists =>
        {
            None
        }
        made => made.at("make", place.as_bytes())?,
    };
    if let Some(file) = made {
        return entry
            .finish_file(&file)
            .at("set the owner, mode or time of", place.as_bytes());
    }
    entry
        .finish(folder, name, entry.owner)
        .at("set the owner, mode or time of", place.as_bytes())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Seek as _;

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
        let unpacked = unpack(layer, "layer", &into, stacking);
        assert!(matches!(unpacked, Err(Error::BadEntry(_))), "{unpacked:?}");
        assert!(folder.path().join("a/b").exists());
    }
}
