//! The way to where the entries of a layer go: the directory of the last one stays open for the next,
//! and any other is found by a few calls, so that to unpack a layer takes as long as its archive is
//! long, however deep it goes.
//!
//! It knows directories. It does not know what is put into them.

use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;

use rustix::fs::{Mode, OFlags, Timestamps};
use rustix::io::Errno;

use crate::error::{Context as _, Result};
use crate::owner::Owner;
use crate::place::Place;
use crate::special::{self, set_owner};
use crate::tree::{Tree, permissions, set_mode, times};
use crate::tree_copy::copy_attributes;

/// The mode of a directory that no entry describes.
const MODE: u32 = 0o755;

/// The way to one directory of a tree after the other.
///
/// What is put into a directory changes its times. They are set again when the way leaves it.
pub(crate) struct Way<'tree> {
    tree: &'tree Tree,
    /// What directories are like that are made on the way, if they are there.
    below: Option<&'tree Tree>,
    has_made: bool,
    /// Where it is; nothing at the root, whose times no layer says.
    here: Option<Here>,
}

struct Here {
    place: Place,
    directory: OwnedFd,
    inode: u64,
    times: Timestamps,
}

impl<'tree> Way<'tree> {
    /// Begins at the root.
    pub(crate) fn new(tree: &'tree Tree, below: Option<&'tree Tree>) -> Self {
        Self {
            tree,
            below,
            has_made: false,
            here: None,
        }
    }

    /// Goes to the directory at `place`, and makes it and those that it is in where they are not there.
    /// `made` is told of each that is made: the number of the directory that it is in, and its name.
    pub(crate) fn enter(&mut self, place: &Place, mut made: impl FnMut(u64, &[u8])) -> Result<()> {
        let is_here = match &self.here {
            Some(here) => here.place == *place,
            None => place.is_root(),
        };
        if is_here {
            return Ok(());
        }
        place.check_length().at("unpack to", place.as_bytes())?;
        if let Some(directory) = self.tree.directory_if_there(place)? {
            return self.go(place.clone(), directory);
        }
        let (mut next, directory) = self.nearest(place)?;
        let known = next.names().count();
        self.go(next.clone(), directory)?;
        for name in place.names().skip(known) {
            let inode = self.inode()?;
            next.step(name);
            let directory = make(self.directory(), name);
            let directory = File::from(directory.at("make the directory", next.as_bytes())?);
            self.has_made = true;
            made(inode, name);
            if let Some(below) = self.below {
                inherit(below, &directory, &next)?;
            }
            self.go(next.clone(), directory.into())?;
        }
        Ok(())
    }

    /// Returns the last directory on the way to `place` that is there: the root always is.
    fn nearest(&self, place: &Place) -> Result<(Place, OwnedFd)> {
        let names: Vec<&[u8]> = place.names().collect();
        let at = |count: usize| Place::new(names[..count].join(&b'/'));
        let mut found = (Place::root(), self.tree.directory(&Place::root())?);
        // As many are there as are known, and fewer than are not.
        let (mut known, mut unknown) = (0, names.len());
        while unknown - known > 1 {
            let middle = known.midpoint(unknown);
            match self.tree.directory_if_there(&at(middle))? {
                Some(directory) => (known, found) = (middle, (at(middle), directory)),
                None => unknown = middle,
            }
        }
        Ok(found)
    }

    /// Returns the directory.
    pub(crate) fn directory(&self) -> BorrowedFd<'_> {
        match &self.here {
            Some(here) => here.directory.as_fd(),
            None => self.tree.as_fd(),
        }
    }

    /// Returns the number that the file system has for the directory.
    pub(crate) fn inode(&self) -> Result<u64> {
        match &self.here {
            Some(here) => Ok(here.inode),
            None => Ok(rustix::fs::fstat(self.tree).at("ask about", b"/")?.st_ino),
        }
    }

    /// Goes back to the root: the times of all directories are what they were, or were said to be.
    /// Returns whether a directory was made.
    pub(crate) fn end(mut self) -> Result<bool> {
        self.leave()?;
        Ok(self.has_made)
    }

    fn go(&mut self, place: Place, directory: OwnedFd) -> Result<()> {
        self.leave()?;
        if !place.is_root() {
            let status = rustix::fs::fstat(&directory).at("ask about", place.as_bytes())?;
            self.here = Some(Here {
                place,
                directory,
                inode: status.st_ino,
                times: times(&status),
            });
        }
        Ok(())
    }

    fn leave(&mut self) -> Result<()> {
        match self.here.take() {
            Some(here) => rustix::fs::futimens(&here.directory, &here.times)
                .at("set the times of", here.place.as_bytes()),
            None => Ok(()),
        }
    }
}

fn make(directory: BorrowedFd<'_>, name: &[u8]) -> Result<OwnedFd, Errno> {
    let path = OsStr::from_bytes(name);
    match rustix::fs::mkdirat(directory, path, Mode::RWXU) {
        Err(Errno::EXIST) => return Err(Errno::NOTDIR),
        made => made?,
    }
    set_owner(directory, name, Owner::ROOT)?;
    set_mode(directory, name, MODE)?;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(directory, path, flags, Mode::empty())
}

/// Gives a directory the owner, the mode, the attributes and the times of the one in its place below.
fn inherit(below: &Tree, directory: &File, place: &Place) -> Result<()> {
    let Some(origin) = below.directory_if_there(place)?.map(File::from) else {
        return Ok(());
    };
    let copied = || -> Result<(), Errno> {
        let mut status = rustix::fs::fstat(&origin)?;
        special::see(&mut status, origin.as_fd())?;
        special::give(directory.as_fd(), Some(status.st_uid), Some(status.st_gid))?;
        rustix::fs::fchmod(directory, Mode::from_raw_mode(permissions(&status)))?;
        copy_attributes(&origin, directory)?;
        rustix::fs::futimens(directory, &times(&status))
    };
    copied().at("make the directory", place.as_bytes())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};

    use super::*;

    #[test]
    fn a_directory_is_made_as_the_one_below_is() {
        let directories = [(); 2].map(|()| tempfile::tempdir().unwrap());
        let [below, above] = directories.each_ref().map(tempfile::TempDir::path);
        for path in [below, above] {
            fs::create_dir_all(path.join("a/b")).unwrap();
        }
        let mode = fs::Permissions::from_mode(0o1770);
        fs::set_permissions(below.join("a/b"), mode).unwrap();
        symlink("a", below.join("link")).unwrap();
        let tree = Tree::open(below).unwrap();
        let made = File::open(above.join("a/b")).unwrap();
        let before = made.metadata().unwrap().mode();
        // What a link leads to below is not what a directory is put in place of.
        inherit(&tree, &made, &Place::new("/link/b")).unwrap();
        assert_eq!(made.metadata().unwrap().mode(), before);
        inherit(&tree, &made, &Place::new("/a/b")).unwrap();
        let [made, origin] = [above, below].map(|path| fs::metadata(path.join("a/b")).unwrap());
        assert_eq!(made.mode() & 0o7777, 0o1770);
        let times = [&made, &origin].map(|status| (status.mtime(), status.mtime_nsec()));
        assert_eq!(times[0], times[1]);
    }
}
