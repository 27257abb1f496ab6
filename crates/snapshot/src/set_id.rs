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
        let directory = tree.directory(&place)?;
        for name in names(&directory).at("read", place.as_bytes())? {
            let inner = place.join(&name);
            let name = OsStr::from_bytes(&name);
            let status = rustix::fs::statat(&directory, name, AtFlags::SYMLINK_NOFOLLOW);
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

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    #[test]
    fn those_that_are_there_still_are_opened() {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir_all(directory.path().join("d/e")).unwrap();
        for (path, mode) in [
            ("user", 0o4755),
            ("d/e/group", 0o2755),
            ("d/both", 0o6644),
            ("d/plain", 0o755),
            ("d/e", 0o2755),
        ] {
            let path = directory.path().join(path);
            if !path.exists() {
                fs::write(&path, "").unwrap();
            }
            fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
        }
        symlink("user", directory.path().join("link")).unwrap();
        let tree = Tree::open(directory.path()).unwrap();
        let mut found = set_ids(&tree).unwrap();
        found.sort_by(|one, other| one.as_bytes().cmp(other.as_bytes()));
        let paths: Vec<_> = found.iter().map(Place::as_bytes).collect();
        assert_eq!(paths, [&b"/d/both"[..], b"/d/e/group", b"/user"]);
        fs::remove_file(directory.path().join("user")).unwrap();
        symlink("d/plain", directory.path().join("user")).unwrap();
        assert_eq!(open_all(&tree, &found).unwrap().len(), 2);
    }
}
