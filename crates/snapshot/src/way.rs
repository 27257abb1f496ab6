//! The way to where the entries of a layer go: the directories on it stay open from one entry to the
//! next, so that to unpack a layer takes as long as its archive is long, however deep it goes.
//!
//! It knows directories. It does not know what is put into them.

use std::ffi::OsStr;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;

use rustix::fs::{Mode, OFlags, Timestamps};
use rustix::io::Errno;

use crate::copier::copy_attributes;
use crate::error::{Context as _, Result};
use crate::place::Place;
use crate::special::{self, set_owner};
use crate::tree::{Tree, permissions, set_mode, times};
use crate::users::Owner;

/// The mode of a directory that no entry describes.
const MODE: u32 = 0o755;
/// How many directories are open at once. Those above are opened again when they are needed.
const MOST: usize = 64;

/// The directories from a tree's root down to one of them, each of which is there.
///
/// What is put into a directory changes its times. They are set again when the way leaves it.
pub(crate) struct Way<'tree> {
    tree: &'tree Tree,
    /// What directories are like that are made on the way, if they are there.
    below: Option<&'tree Tree>,
    has_made: bool,
    /// The place of the last one.
    place: Place,
    /// The root is not among them.
    steps: Vec<Step>,
}

struct Step {
    /// Nothing if there are too many below it.
    directory: Option<OwnedFd>,
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
            place: Place::root(),
            steps: Vec::new(),
        }
    }

    /// Goes to the directory at `place`, and makes it and those that it is in where they are not there.
    /// `made` is told of each that is made: the number of the directory that it is in, and its name.
    pub(crate) fn enter(&mut self, place: &Place, mut made: impl FnMut(u64, &[u8])) -> Result<()> {
        place.check_length().at("unpack to", place.as_bytes())?;
        let common = self.place.names().zip(place.names());
        let common = common.take_while(|(one, other)| one == other).count();
        while self.steps.len() > common {
            self.leave()?;
        }
        for name in place.names().skip(common) {
            let inode = self.inode()?;
            let path = OsStr::from_bytes(name);
            let next = self.place.join(name);
            let here = self.directory()?;
            let mut opened = open(here, path);
            if matches!(opened, Err(Errno::NOENT)) {
                opened = make(here, name);
                made(inode, name);
                self.has_made = true;
                if let (Some(below), Ok(directory)) = (self.below, &opened) {
                    inherit(below, directory, &next)?;
                }
            }
            let directory = opened.at("make the folder", next.as_bytes())?;
            let status = rustix::fs::fstat(&directory).at("ask about", next.as_bytes())?;
            self.place = next;
            self.steps.push(Step {
                directory: Some(directory),
                inode: status.st_ino,
                times: times(&status),
            });
            self.close_above()?;
        }
        Ok(())
    }

    /// Returns the last directory.
    pub(crate) fn directory(&mut self) -> Result<BorrowedFd<'_>> {
        let Some(step) = self.steps.last_mut() else {
            return Ok(self.tree.as_fd());
        };
        if step.directory.is_none() {
            step.directory = Some(self.tree.folder(&self.place)?);
        }
        match &step.directory {
            Some(directory) => Ok(directory.as_fd()),
            None => Ok(self.tree.as_fd()),
        }
    }

    /// Returns the number that the file system has for the last directory.
    pub(crate) fn inode(&self) -> Result<u64> {
        match self.steps.last() {
            Some(step) => Ok(step.inode),
            None => Ok(rustix::fs::fstat(self.tree).at("ask about", b"/")?.st_ino),
        }
    }

    /// Goes back to the root: the times of all directories are what they were, or were said to be.
    /// Returns whether a directory was made.
    pub(crate) fn end(mut self) -> Result<bool> {
        while !self.steps.is_empty() {
            self.leave()?;
        }
        Ok(self.has_made)
    }

    fn leave(&mut self) -> Result<()> {
        if let Some(mut step) = self.steps.pop() {
            step.close().at("set the times of", self.place.as_bytes())?;
            self.place = self.place.parent();
        }
        Ok(())
    }

    fn close_above(&mut self) -> Result<()> {
        let Some(above) = self.steps.len().checked_sub(MOST + 1) else {
            return Ok(());
        };
        self.steps[above]
            .close()
            .at("set the times of", self.place.as_bytes())
    }
}

impl Step {
    fn close(&mut self) -> Result<(), Errno> {
        match self.directory.take() {
            Some(directory) => rustix::fs::futimens(directory, &self.times),
            // It was closed before, and nothing has been put into it since.
            None => Ok(()),
        }
    }
}

fn make(directory: BorrowedFd<'_>, name: &[u8]) -> Result<OwnedFd, Errno> {
    let path = OsStr::from_bytes(name);
    rustix::fs::mkdirat(directory, path, Mode::RWXU)?;
    set_owner(directory, name, Owner::ROOT)?;
    set_mode(directory, name, MODE)?;
    open(directory, path)
}

/// Gives a directory the owner, the mode, the attributes and the times of the one in its place below.
fn inherit(below: &Tree, directory: &OwnedFd, place: &Place) -> Result<()> {
    let Some(origin) = below.folder_if_there(place)? else {
        return Ok(());
    };
    let copied = || -> Result<(), Errno> {
        let mut status = rustix::fs::fstat(&origin)?;
        special::see(&mut status, origin.as_fd())?;
        special::give(directory.as_fd(), Some(status.st_uid), Some(status.st_gid))?;
        rustix::fs::fchmod(directory, Mode::from_raw_mode(permissions(&status)))?;
        let (origin, copy) = (origin.try_clone(), directory.try_clone());
        if let (Ok(origin), Ok(copy)) = (origin, copy) {
            copy_attributes(&origin.into(), &copy.into())?;
        }
        rustix::fs::futimens(directory, &times(&status))
    };
    copied().at("make the folder", place.as_bytes())
}

fn open(directory: BorrowedFd<'_>, name: &OsStr) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(directory, name, flags, Mode::empty())
}
