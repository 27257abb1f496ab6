//! Regular files with the set-user-ID or the set-group-ID bit.
//!
//! It finds them. Why somebody wants to know is not its affair.

use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;

use rustix::fs::{AtFlags, FileType, OFlags};

use crate::error::{Context as _, Result};
use crate::place::Place;
use crate::tree::{Tree, kind, names};

/// Returns where in a tree such files are.
pub fn set_ids(tree: &Tree) -> Result<Vec<Place>> {
    let mut found = Vec::new();
    let mut ahead = vec![Place::root()];
    while let Some(place) = ahead.pop() {
        let folder = tree.folder(&place)?;
        for name in names(&folder).at("read", place.as_bytes())? {
            let inner = place.join(&name);
            let name = OsStr::from_bytes(&name);
            let status = rustix::fs::statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW);
            let status = status.at("ask about", inner.as_bytes())?;
            match kind(&status) {
                FileType::Directory => ahead.push(inner),
                FileType::RegularFile if status.st_mode & 0o6000 != 0 => found.push(inner),
                _ => {}
            }
        }
    }
    Ok(found)
}

/// Opens the regular files among those that are still there, without reading or writing any.
pub fn open_all(tree: &Tree, places: &[Place]) -> Result<Vec<OwnedFd>> {
    let mut files = Vec::new();
    for place in places {
        let Some(file) = tree.open_if_there(place, OFlags::PATH)? else {
            continue;
        };
        let status = rustix::fs::fstat(&file).at("ask about", place.as_bytes())?;
        if kind(&status) == FileType::RegularFile {
            files.push(file);
        }
    }
    Ok(files)
}
