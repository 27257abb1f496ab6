//! The files of an image as somebody's own: layer over layer in one directory, all of it owned by whoever unpacks it.
//!
//! It does not know where the layers come from.

use std::io::Read;

use rustix::fs::{FileType, Mode, OFlags};

use crate::error::{Context as _, Result};
use crate::layer::unpack_with;
use crate::own::Own;
use crate::place::Place;
use crate::stack::Stacking;
use crate::tree::{Tree, kind};

/// An image that is being unpacked.
#[derive(Debug)]
pub struct Export {
    into: Tree,
    own: Own,
}

impl Export {
    /// Begins to unpack into an empty directory.
    pub fn new(into: Tree) -> Self {
        let own = Own::of_caller();
        Self { into, own }
    }

    /// Unpacks the next layer over those before it. It is read to its end.
    ///
    /// # Errors
    ///
    /// It cannot be read, or one of its files cannot be made here.
    pub fn layer(&mut self, layer: impl Read) -> Result<()> {
        let own = Some(&mut self.own);
        unpack_with(layer, &self.into, None, Stacking::Copies, own).map(drop)
    }

    /// Gives directories their modes.
    ///
    /// # Errors
    ///
    /// What the operating system refuses.
    pub fn finish(self) -> Result<()> {
        // What is in a directory comes before the directory.
        for (path, mode) in self.own.into_modes().into_iter().rev() {
            let place = Place::new(&path);
            let is_directory = |status| kind(&status) == FileType::Directory;
            if !self.into.status(&place)?.is_some_and(is_directory) {
                continue;
            }
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW;
            let directory = self.into.open_at(&place, flags, Mode::empty())?;
            rustix::fs::fchmod(directory, Mode::from_raw_mode(mode))
                .at("set the mode of", place.as_bytes())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io;
    use std::os::unix::fs::MetadataExt as _;
    use std::path::Path;

    use tar::EntryType;

    use super::*;

    fn layer(entries: &[(&str, u32)]) -> Vec<u8> {
        let mut layer = tar::Builder::new(Vec::new());
        for (name, mode) in entries {
            let mut header = tar::Header::new_gnu();
            header.set_size(0);
            header.set_mode(*mode);
            header.set_mtime(1);
            header.set_uid(1234);
            header.set_gid(1234);
            if name.ends_with('/') {
                header.set_entry_type(EntryType::Directory);
            }
            layer.append_data(&mut header, name, io::empty()).unwrap();
        }
        layer.into_inner().unwrap()
    }

    /// An image has files of many users, and directories that nobody may write to.
    #[test]
    fn all_of_it_is_the_callers_and_gives_nobody_rights() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        let mut export = Export::new(Tree::open(path).unwrap());
        for entries in [
            &[
                ("a/", 0o555),
                ("a/b/", 0o2500),
                ("a/b/tool", 0o6755),
                ("gone/", 0o500),
            ][..],
            &[("a/b/late", 0o400), ("tmp/", 0o1777), (".wh.gone", 0)],
        ] {
            export.layer(&*layer(entries)).unwrap();
        }
        export.finish().unwrap();
        let mode = |name: &str| {
            let status = fs::symlink_metadata(Path::join(path, name)).unwrap();
            assert_eq!(status.uid(), rustix::process::geteuid().as_raw(), "{name}");
            (status.mode() & 0o7777, status.mtime())
        };
        for (name, expected) in [
            ("a", 0o555),
            ("a/b", 0o500),
            ("a/b/tool", 0o755),
            ("a/b/late", 0o400),
            ("tmp", 0o1777),
        ] {
            assert_eq!(mode(name), (expected, 1), "{name}");
        }
        assert!(!path.join("gone").exists());
        for name in ["a", "a/b"] {
            // So that the directory can be removed again.
            let writable = std::os::unix::fs::PermissionsExt::from_mode(0o700);
            fs::set_permissions(path.join(name), writable).unwrap();
        }
    }
}
