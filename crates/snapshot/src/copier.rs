//! Copies files from one tree into another: both are open, and each file is asked for by its name in
//! an open folder.
//!
//! It does not know where a `COPY` takes its files from, nor where they go.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;

use patterns::{Below, Filter};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use crate::attributes::{is_kept, set_attribute_of};
use crate::contents::copy_contents;
use crate::copies;
use crate::copy::{Copying, Ownership};
use crate::error::{Context as _, Error, Result};
use crate::place::Place;
use crate::remove::remove_below;
use crate::special::{self, refuse_whiteout, set_owner};
use crate::tree::{Tree, kind, names, open_in, permissions, set_mode, set_times, status_in, times};
use crate::users::Owner;

/// Copies files, and knows which it has copied.
pub(crate) struct Copier<'a> {
    ownership: Ownership,
    copying: &'a Copying<'a>,
    into: &'a Tree,
    /// The copies of files that have several names.
    links: BTreeMap<u64, Place>,
    exactness: Exactness,
    /// What is copied, if not everything.
    pub(crate) filter: Option<&'a Filter>,
}

/// How exact a copy is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exactness {
    /// As that of a `COPY`.
    Copy,
    /// All is as it was, and each folder is marked.
    Snapshot,
}

/// What becomes of the mode and the owner of a folder that is there already.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Existing {
    /// They stay.
    Kept,
    /// They become those of the source.
    Overwritten,
}

/// Where something is that may be copied.
struct At<'a> {
    folder: BorrowedFd<'a>,
    name: &'a [u8],
    /// It is copied itself, whatever is in it.
    included: bool,
    below: Below,
}

impl<'a> At<'a> {
    /// What is named is copied.
    fn top(folder: BorrowedFd<'a>, name: &'a [u8]) -> Self {
        Self {
            folder,
            name,
            included: true,
            below: Below::default(),
        }
    }
}

/// Where its copy comes to be.
#[derive(Clone, Copy)]
struct Target<'a> {
    folder: &'a Folder<'a>,
    /// Its name there.
    name: &'a [u8],
    place: &'a Place,
}

/// A folder that copies come into.
enum Folder<'a> {
    Made(Made),
    /// It is made when something in it is copied.
    OnTheWay {
        source: BorrowedFd<'a>,
        status: &'a Stat,
        to: Target<'a>,
        made: OnceCell<Made>,
    },
}

/// A folder that is there.
struct Made {
    folder: OwnedFd,
    /// It was made for this copy: nothing can be in it but copies, each of which has a name of its own.
    is_new: bool,
}

/// A name in a folder that is there.
#[derive(Clone, Copy)]
struct Open<'a> {
    folder: BorrowedFd<'a>,
    /// Nothing has the name yet.
    is_free: bool,
    name: &'a [u8],
    place: &'a Place,
}

impl Open<'_> {
    /// Returns what kind of file is there.
    fn there(&self) -> Result<Option<FileType>> {
        if self.is_free {
            return Ok(None);
        }
        let status = status_in(self.folder, self.name).at("ask about", self.place.as_bytes())?;
        Ok(status.map(|status| kind(&status)))
    }

    fn path(&self) -> &OsStr {
        OsStr::from_bytes(self.name)
    }

    /// Makes a folder of that name, if there is none, and opens it.
    fn make_folder(&self) -> Result<Made> {
        let is_new = match self.there()? {
            Some(FileType::Directory) => false,
            Some(_) => return Err(Error::NotAFolder(self.place.to_string())),
            None => {
                rustix::fs::mkdirat(self.folder, self.path(), Mode::RWXU)
                    .at("make the folder", self.place.as_bytes())?;
                true
            }
        };
        let folder = open_folder(self.folder, self.name).at("open", self.place.as_bytes())?;
        Ok(Made { folder, is_new })
    }
}

impl<'a> Copier<'a> {
    /// Returns one that has copied nothing yet, and leaves nothing out.
    pub(crate) fn new(
        ownership: Ownership,
        copying: &'a Copying<'a>,
        into: &'a Tree,
        exactness: Exactness,
    ) -> Self {
        Self {
            ownership,
            copying,
            into,
            links: BTreeMap::new(),
            exactness,
            filter: None,
        }
    }

    /// Copies what is at a place of a tree, with all that is in it. The folder that its copy comes into
    /// is there.
    pub(crate) fn copy_from(&mut self, tree: &Tree, place: &Place, to: &Place) -> Result<()> {
        let (from, name) = tree.parent(place)?;
        let (folder, new) = self.into.parent(to)?;
        let is_new = false;
        let target = Target {
            folder: &Folder::Made(Made { folder, is_new }),
            name: new,
            place: to,
        };
        let existing = match self.exactness {
            Exactness::Copy => Existing::Kept,
            Exactness::Snapshot => Existing::Overwritten,
        };
        self.copy(&At::top(from.as_fd(), name), target, existing)
    }

    fn copy(&mut self, at: &At<'_>, to: Target<'_>, existing: Existing) -> Result<()> {
        let (from, name) = (at.folder, at.name);
        let path = OsStr::from_bytes(name);
        let status = match self.ownership {
            Ownership::Kept => special::status_at(from, path),
            // Nothing stands in where no build has made the files, whatever their attributes say.
            Ownership::Root => rustix::fs::statat(from, path, AtFlags::SYMLINK_NOFOLLOW),
        };
        let status = status.at("ask about", name)?;
        if kind(&status) == FileType::Directory {
            return self.copy_folder(at, &status, to, existing);
        }
        if !at.included {
            return Ok(());
        }
        let to = self.open(to)?;
        match to.there()? {
            None => {}
            Some(FileType::Directory) => return Err(Error::IsAFolder(to.place.to_string())),
            Some(_) => remove_below(to.folder, to.name).at("replace", to.place.as_bytes())?,
        }
        match kind(&status) {
            FileType::RegularFile => {
                if status.st_nlink > 1 {
                    if let Some(first) = self.links.get(&status.st_ino) {
                        let (other, first) = self.into.parent(first)?;
                        let first = OsStr::from_bytes(first);
                        let flags = AtFlags::empty();
                        rustix::fs::linkat(other, first, to.folder, to.path(), flags)
                            .at("link", to.place.as_bytes())?;
                        return self.copy_status((from, name), &status, to);
                    }
                    self.links.insert(status.st_ino, to.place.clone());
                }
                return self.copy_file(from, name, &status, to);
            }
            FileType::Symlink => {
                let target = rustix::fs::readlinkat(from, path, Vec::new());
                let target = target.at("read the link", name)?;
                rustix::fs::symlinkat(&*target, to.folder, to.path())
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
                special::make_device(to.folder, to.path(), (kind, mode), status.st_rdev)
                    .at("make", to.place.as_bytes())?;
            }
        }
        self.copy_status((from, name), &status, to)
    }

    fn copy_folder(
        &mut self,
        at: &At<'_>,
        status: &Stat,
        to: Target<'_>,
        existing: Existing,
    ) -> Result<()> {
        let (from, name) = (at.folder, at.name);
        to.place.check_length().at("copy to", to.place.as_bytes())?;
        let source = open_folder(from, name).at("open", name)?;
        let into = if at.included {
            Folder::Made(self.open(to)?.make_folder()?)
        } else {
            Folder::OnTheWay {
                source: source.as_fd(),
                status,
                to,
                made: OnceCell::new(),
            }
        };
        for name in names(&source).at("read", name)? {
            let (included, below) = match self.filter {
                Some(filter) => filter.step(&at.below, &name),
                None => (true, Below::default()),
            };
            let at = At {
                folder: source.as_fd(),
                name: &name,
                included,
                below,
            };
            let to = Target {
                folder: &into,
                name: &name,
                place: &to.place.join(&name),
            };
            self.copy(&at, to, Existing::Overwritten)?;
        }
        let Folder::Made(made) = &into else {
            return Ok(());
        };
        if self.exactness == Exactness::Snapshot {
            copies::mark(made.folder.as_fd(), to.place)?;
        }
        let to = self.open(to)?;
        if made.is_new || existing == Existing::Overwritten {
            self.copy_status((from, name), status, to)
        } else {
            set_times(to.folder, to.name, &times(status))
                .at("set the times of", to.place.as_bytes())
        }
    }

    /// Makes the folder that a copy comes into, if it is not there.
    fn open<'to>(&self, to: Target<'to>) -> Result<Open<'to>> {
        let made = match to.folder {
            Folder::Made(made) => made,
            Folder::OnTheWay {
                source,
                status,
                to,
                made,
            } => {
                if let Some(made) = made.get() {
                    made
                } else {
                    let new = self.make_on_the_way(*source, status, *to)?;
                    made.get_or_init(|| new)
                }
            }
        };
        Ok(Open {
            folder: made.folder.as_fd(),
            is_free: made.is_new,
            name: to.name,
            place: to.place,
        })
    }

    /// Makes a folder that something that is copied is in, and those that it is in itself. If it is
    /// there, its mode becomes the source's.
    fn make_on_the_way(
        &self,
        source: BorrowedFd<'_>,
        status: &Stat,
        to: Target<'_>,
    ) -> Result<Made> {
        let to = self.open(to)?;
        let made = to.make_folder()?;
        if made.is_new {
            self.copy_status((source, b"."), status, to)?;
        } else {
            let mode = permissions(status);
            set_mode(to.folder, to.name, mode).at("set the mode of", to.place.as_bytes())?;
        }
        Ok(made)
    }

    /// Copies a file, all that goes with it included, while both are open.
    fn copy_file(
        &self,
        from: BorrowedFd<'_>,
        name: &[u8],
        status: &Stat,
        to: Open<'_>,
    ) -> Result<()> {
        let copied = || -> std::io::Result<()> {
            let source = open_in(from, name)?;
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
            let mode = Mode::RUSR | Mode::WUSR;
            let copy = rustix::fs::openat(to.folder, to.path(), flags, mode)?;
            let copy = File::from(copy);
            let size = u64::try_from(status.st_size).unwrap_or(0);
            let share = || rustix::fs::ioctl_ficlone(&copy, &source).is_ok();
            // Where the two can share their blocks, a snapshot takes no room.
            if self.exactness == Exactness::Copy || !share() {
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
        let is_folder = kind(status) == FileType::Directory;
        let before = permissions(status);
        let mode = self.copying.mode;
        let mode = mode.map_or(before, |mode| mode.apply(before, is_folder));
        (owner, mode)
    }

    /// Gives a copy its owner, mode, times and attributes.
    fn copy_status(
        &self,
        (from, name): (BorrowedFd<'_>, &[u8]),
        status: &Stat,
        to: Open<'_>,
    ) -> Result<()> {
        let (owner, mode) = self.status_of(status);
        // To open a device would be to use it.
        let has_attributes = matches!(kind(status), FileType::RegularFile | FileType::Directory);
        let set = || -> Result<(), Errno> {
            set_owner(to.folder, to.name, owner)?;
            set_mode(to.folder, to.name, mode)?;
            if has_attributes && self.ownership == Ownership::Kept {
                copy_attributes(&open_in(from, name)?, &open_in(to.folder, to.name)?)?;
            }
            set_times(to.folder, to.name, &times(status))
        };
        set().at("set the owner, mode or times of", to.place.as_bytes())
    }
}

fn open_folder(folder: BorrowedFd<'_>, name: &[u8]) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(folder, OsStr::from_bytes(name), flags, Mode::empty())
}

fn copy_attributes(from: &File, to: &File) -> Result<(), Errno> {
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
            include: None,
            exclude: &[],
            unpack: false,
        }
    }

    #[test]
    fn folders_deeper_than_a_path_is_long_are_an_error() {
        let folders = [(); 2].map(|()| tempfile::tempdir().unwrap());
        deep(folders[0].path(), 3000);
        let [from, into] = [0, 1].map(|place| Tree::open(folders[place].path()).unwrap());
        let copied = walking(|| {
            let copying = copying();
            let mut copier = Copier::new(Ownership::Root, &copying, &into, Exactness::Copy);
            copier.copy_from(&from, &Place::root(), &Place::root())
        });
        let error = copied.unwrap_err().to_string();
        assert!(error.contains("File name too long"), "{error}");
        for folder in folders {
            crate::clear(folder.path()).unwrap();
        }
    }

    /// What the overlay file system takes for a deletion cannot be made on one, so a COPY may not make
    /// it anywhere; a snapshot has what was there.
    #[rstest]
    #[case(Exactness::Copy, false)]
    #[case(Exactness::Snapshot, true)]
    fn a_device_that_is_a_deletion(#[case] exactness: Exactness, #[case] is_copied: bool) {
        let folders = [(); 2].map(|()| tempfile::tempdir().unwrap());
        let [from, into] = [0, 1].map(|place| Tree::open(folders[place].path()).unwrap());
        let kind = FileType::CharacterDevice;
        rustix::fs::mknodat(&from, "deleted", kind, Mode::RUSR, 0).unwrap();
        let copying = copying();
        let mut copier = Copier::new(Ownership::Root, &copying, &into, exactness);
        let place = Place::new("/deleted");
        let copied = copier.copy_from(&from, &place, &place);
        assert_eq!(copied.is_ok(), is_copied, "{copied:?}");
        assert_eq!(into.status(&place).unwrap().is_some(), is_copied);
    }
}
