//! Copies files from one tree into another: both are open, and each file is asked for by its name in
//! an open directory.
//!
//! It does not know where a `COPY` takes its files from, nor where they go.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;

use patterns::Filter;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use crate::attributes::{is_kept, set_attribute_of};
use crate::contents::copy_contents;
use crate::copying::{Copying, Ownership};
use crate::error::{Context as _, Error, Result};
use crate::marks;
use crate::owner::Owner;
use crate::place::Place;
use crate::special::{self, refuse_whiteout, set_owner};
use crate::tree::{Tree, kind, open_in, permissions, set_mode, set_times, status_in, times};
use crate::walk::{Item, Reason, Sight, Visitor, Walk, open_directory};

/// Copies files, and knows which it has copied.
pub(crate) struct TreeCopy<'a> {
    ownership: Ownership,
    copying: &'a Copying<'a>,
    into: &'a Tree,
    /// The copies of files that have several names: of each file by its device and its number there.
    links: BTreeMap<(u64, u64), Place>,
    exactness: Exactness,
    shares_blocks: bool,
}

/// How exact a copy is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exactness {
    /// As that of a `COPY`.
    Copy,
    /// All is as it was, and each directory is marked.
    Snapshot,
}

/// A directory of copies, which is there.
pub(crate) struct CopyDirectory {
    directory: OwnedFd,
    place: Place,
    /// It was made for this copy: nothing can be in it but copies, each of which has a name of its own.
    is_new: bool,
    /// Where what is named comes to be, whatever its name is.
    named: Option<Place>,
}

impl CopyDirectory {
    /// Returns where the copy of something comes to be.
    fn open(&self, item: &Item<'_>) -> Open<'_> {
        let place = || self.place.join(item.name);
        Open {
            directory: self.directory.as_fd(),
            is_free: self.is_new,
            place: self.named.clone().unwrap_or_else(place),
        }
    }
}

/// A name in a directory that is there.
struct Open<'a> {
    directory: BorrowedFd<'a>,
    /// Nothing has the name yet.
    is_free: bool,
    place: Place,
}

impl Open<'_> {
    /// Returns what kind of file is there.
    fn there(&self) -> Result<Option<FileType>> {
        if self.is_free {
            return Ok(None);
        }
        let status =
            status_in(self.directory, self.name()).at("ask about", self.place.as_bytes())?;
        Ok(status.map(|status| kind(&status)))
    }

    fn name(&self) -> &[u8] {
        self.place.name().unwrap_or(b".")
    }

    fn path(&self) -> &OsStr {
        OsStr::from_bytes(self.name())
    }

    /// Makes a directory of that name, if there is none, and opens it.
    fn make_directory(&self) -> Result<CopyDirectory> {
        let is_new = match self.there()? {
            Some(FileType::Directory) => false,
            Some(_) => return Err(Error::NotADirectory(self.place.to_string())),
            None => {
                rustix::fs::mkdirat(self.directory, self.path(), Mode::RWXU)
                    .at("make the directory", self.place.as_bytes())?;
                true
            }
        };
        let directory =
            open_directory(self.directory, self.name()).at("open", self.place.as_bytes())?;
        Ok(CopyDirectory {
            directory,
            place: self.place.clone(),
            is_new,
            named: None,
        })
    }
}

/// Copies what is at a place of a tree, with all of it that is taken, to the place `to` in another. The
/// directory that its copy comes into is there.
pub(crate) fn copy_to(
    (from, place): (&Tree, &Place),
    (into, to): (&Tree, &Place),
    (copying, filter): (&Copying<'_>, Option<&Filter>),
    ownership: Ownership,
    exactness: Exactness,
) -> Result<()> {
    let (directory, _) = into.parent(to)?;
    let top = CopyDirectory {
        directory,
        place: to.parent(),
        is_new: false,
        named: Some(to.clone()),
    };
    let mut copying_tree = TreeCopy {
        ownership,
        copying,
        into,
        links: BTreeMap::new(),
        exactness,
        shares_blocks: true,
    };
    let sight = match ownership {
        Ownership::Kept => Sight::Meant,
        // Somebody's files have no marks of ours, whatever they say.
        Ownership::Root => Sight::Raw,
    };
    Walk { filter, sight }.through(from, place, &top, &mut copying_tree)
}

impl Visitor for TreeCopy<'_> {
    type Directory = CopyDirectory;

    fn file(&mut self, item: &Item<'_>, into: &CopyDirectory) -> Result<()> {
        let (from, status) = (item.directory, &item.status);
        let path = OsStr::from_bytes(item.name);
        let to = into.open(item);
        match to.there()? {
            None => {}
            Some(FileType::Directory) => return Err(Error::IsADirectory(to.place.to_string())),
            Some(_) => {
                beneath::remove(to.directory, to.name()).at("replace", to.place.as_bytes())?;
            }
        }
        match kind(status) {
            FileType::RegularFile => {
                if status.st_nlink > 1 {
                    let file = (status.st_dev, status.st_ino);
                    if let Some(first) = self.links.get(&file) {
                        let (other, first) = self.into.parent(first)?;
                        let first = OsStr::from_bytes(first);
                        let flags = AtFlags::empty();
                        rustix::fs::linkat(other, first, to.directory, to.path(), flags)
                            .at("link", to.place.as_bytes())?;
                        return self.copy_status((from, item.name), status, &to);
                    }
                    self.links.insert(file, to.place.clone());
                }
                return self.copy_file(item, &to);
            }
            FileType::Symlink => {
                let target = rustix::fs::readlinkat(from, path, Vec::new());
                let target = target.at("read the link", item.place.as_bytes())?;
                rustix::fs::symlinkat(&*target, to.directory, to.path())
                    .at("link", to.place.as_bytes())?;
            }
            kind => {
                // BuildKit makes a character device of every device.
                let kind = match (kind, self.exactness) {
                    (FileType::BlockDevice, Exactness::Copy) => FileType::CharacterDevice,
                    (kind, _) => kind,
                };
                let mode = Mode::RUSR | Mode::WUSR;
                if self.exactness == Exactness::Copy {
                    refuse_whiteout(kind, status.st_rdev).at("make", to.place.as_bytes())?;
                }
                special::make_device(to.directory, to.path(), (kind, mode), status.st_rdev)
                    .at("make", to.place.as_bytes())?;
            }
        }
        self.copy_status((from, item.name), status, &to)
    }

    fn enter(
        &mut self,
        item: &Item<'_>,
        opened: BorrowedFd<'_>,
        into: &CopyDirectory,
        reason: Reason,
    ) -> Result<CopyDirectory> {
        let to = into.open(item);
        to.place.check_length().at("copy to", to.place.as_bytes())?;
        let made = to.make_directory()?;
        if reason == Reason::OnTheWay {
            if made.is_new {
                self.copy_status((opened, b"."), &item.status, &to)?;
            } else {
                // If it is there, its mode becomes the source's.
                let mode = permissions(&item.status);
                set_mode(to.directory, to.name(), mode)
                    .at("set the mode of", to.place.as_bytes())?;
            }
        }
        Ok(made)
    }

    fn leave(
        &mut self,
        item: &Item<'_>,
        made: &CopyDirectory,
        into: &CopyDirectory,
        reason: Reason,
    ) -> Result<()> {
        if reason == Reason::OnTheWay {
            return Ok(());
        }
        if self.exactness == Exactness::Snapshot {
            marks::mark(made.directory.as_fd(), &made.place)?;
        }
        let to = into.open(item);
        // Of what is named, a directory that is there keeps its mode and its owner.
        let is_kept = into.named.is_some() && self.exactness == Exactness::Copy && !made.is_new;
        if is_kept {
            return set_times(to.directory, to.name(), &times(&item.status))
                .at("set the times of", to.place.as_bytes());
        }
        self.copy_status((item.directory, item.name), &item.status, &to)
    }
}

impl TreeCopy<'_> {
    /// Copies a file, all that goes with it included, while both are open.
    fn copy_file(&mut self, item: &Item<'_>, to: &Open<'_>) -> Result<()> {
        let status = &item.status;
        let mut copied = || -> std::io::Result<()> {
            let source = open_in(item.directory, item.name)?;
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
            let mode = Mode::RUSR | Mode::WUSR;
            let copy = rustix::fs::openat(to.directory, to.path(), flags, mode)?;
            let copy = File::from(copy);
            let size = u64::try_from(status.st_size).unwrap_or(0);
            // Where the two can share their blocks, a copy takes no room. Where one file cannot, none can.
            self.shares_blocks =
                self.shares_blocks && rustix::fs::ioctl_ficlone(&copy, &source).is_ok();
            if !self.shares_blocks {
                copy_contents(&source, &copy, size, 0)?;
            }
            let (owner, mode) = self.status_of(status);
            special::give(copy.as_fd(), Some(owner.user), Some(owner.group))?;
            // After the owner, which takes the setuid and setgid bits away.
            rustix::fs::fchmod(&copy, Mode::from_raw_mode(mode & 0o7777))?;
            if self.ownership == Ownership::Kept {
                copy_attributes(&source, &copy)?;
            }
            Ok(rustix::fs::futimens(&copy, &times(status))?)
        };
        copied().at("copy to", to.place.as_bytes())
    }

    /// Returns the owner and the mode of a copy.
    fn status_of(&self, status: &Stat) -> (Owner, u32) {
        let kept = || match self.ownership {
            Ownership::Root => Owner::ROOT,
            Ownership::Kept => Owner {
                user: status.st_uid,
                group: status.st_gid,
            },
        };
        let owner = self.copying.owner.unwrap_or_else(kept);
        let is_directory = kind(status) == FileType::Directory;
        let before = permissions(status);
        let mode = self.copying.mode;
        let mode = mode.map_or(before, |mode| mode.apply(before, is_directory));
        (owner, mode)
    }

    /// Gives a copy its owner, mode, times and attributes.
    fn copy_status(
        &self,
        (from, name): (BorrowedFd<'_>, &[u8]),
        status: &Stat,
        to: &Open<'_>,
    ) -> Result<()> {
        let (owner, mode) = self.status_of(status);
        // To open a device would be to use it.
        let has_attributes = matches!(kind(status), FileType::RegularFile | FileType::Directory);
        let set = || -> Result<(), Errno> {
            set_owner(to.directory, to.name(), owner)?;
            set_mode(to.directory, to.name(), mode)?;
            if has_attributes && self.ownership == Ownership::Kept {
                copy_attributes(&open_in(from, name)?, &open_in(to.directory, to.name())?)?;
            }
            set_times(to.directory, to.name(), &times(status))
        };
        set().at("set the owner, mode or times of", to.place.as_bytes())
    }
}

pub(crate) fn copy_attributes(from: &File, to: &File) -> Result<(), Errno> {
    let length = match rustix::fs::flistxattr_query(from) {
        Err(Errno::NOTSUP) | Ok(0) => return Ok(()),
        length => length?,
    };
    let mut list = vec![0_u8; length];
    let length = rustix::fs::flistxattr(from, &mut list[..])?;
    let keys = list[..length].split(|byte| *byte == 0);
    for key in keys.filter_map(|key| str::from_utf8(key).ok()) {
        if !is_kept(key) {
            continue;
        }
        let mut value = vec![0_u8; 1 << 16];
        let length = rustix::fs::fgetxattr(from, key, &mut value[..])?;
        set_attribute_of(to, key, &value[..length])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::tree::tests::{deep, walking};

    fn copying() -> Copying<'static> {
        Copying {
            destination: b"/",
            owner: Some(Owner {
                user: rustix::process::getuid().as_raw(),
                group: rustix::process::getgid().as_raw(),
            }),
            mode: None,
        }
    }

    #[test]
    fn directories_deeper_than_a_path_is_long_are_an_error() {
        let directories = [(); 2].map(|()| tempfile::tempdir().unwrap());
        deep(directories[0].path(), 3000);
        let [from, into] = [0, 1].map(|place| Tree::open(directories[place].path()).unwrap());
        let copied = walking(|| {
            let root = Place::root();
            let (from, into) = ((&from, &root), (&into, &root));
            copy_to(
                from,
                into,
                (&copying(), None),
                Ownership::Root,
                Exactness::Copy,
            )
        });
        let error = copied.unwrap_err().to_string();
        assert!(error.contains("File name too long"), "{error}");
        for directory in directories {
            crate::clear(directory.path()).unwrap();
        }
    }

    /// What the overlay file system takes for a deletion cannot be made on one, so a COPY may not make
    /// it anywhere; a snapshot has what was there.
    #[rstest]
    #[case(Exactness::Copy, false)]
    #[case(Exactness::Snapshot, true)]
    fn a_device_that_is_a_deletion(#[case] exactness: Exactness, #[case] is_copied: bool) {
        let directories = [(); 2].map(|()| tempfile::tempdir().unwrap());
        let [from, into] = [0, 1].map(|place| Tree::open(directories[place].path()).unwrap());
        let kind = FileType::CharacterDevice;
        rustix::fs::mknodat(&from, "deleted", kind, Mode::RUSR, 0).unwrap();
        let place = Place::new("/deleted");
        let how = (&copying(), None);
        let copied = copy_to(
            (&from, &place),
            (&into, &place),
            how,
            Ownership::Root,
            exactness,
        );
        assert_eq!(copied.is_ok(), is_copied, "{copied:?}");
        assert_eq!(into.status(&place).unwrap().is_some(), is_copied);
    }
}
