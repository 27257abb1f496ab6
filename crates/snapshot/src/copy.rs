//! `COPY` and `ADD` of local files, as `BuildKit` does them.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use crate::archive::{copy_contents, is_kept, open_for_attributes, set_attribute};
use crate::copies;
use crate::error::{Context as _, Error, Result};
use crate::expand::{expand, is_archive};
use crate::filter::{Below, Filter};
use crate::mode::Permissions;
use crate::pattern;
use crate::place::Place;
use crate::special::{self, set_owner};
use crate::tree::{Tree, kind, names, permissions, remove_below, set_mode, set_times, times};
use crate::users::Owner;

/// The mode of folders that are made on the way to a destination, whatever is asked for what is
/// copied: as every engine up to `BuildKit` 0.20 has it.
const FOLDER_MODE: u32 = 0o755;

/// What is copied from.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// The files.
    pub tree: &'a Tree,
    /// To whom they belong.
    pub ownership: Ownership,
}

/// To whom the files of a source belong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ownership {
    /// To whom the tree says: it is a build's own.
    Kept,
    /// To user and group 0, without attributes: it is somebody's folder.
    Root,
}

/// How to copy.
#[derive(Debug, Clone, Copy)]
pub struct Copying<'a> {
    /// Where to: absolute, with a slash at its end if it has to be a folder.
    pub destination: &'a [u8],
    /// Who owns what is copied, if not whom the source says.
    pub owner: Option<Owner>,
    /// The permissions of what is copied, if not those of the source. Folders that are made on the
    /// way, and what is unpacked, have their own.
    pub mode: Option<&'a Permissions>,
    /// What is copied of a folder, if not everything: a pattern, from that folder on. The folders on
    /// the way to it come along.
    pub include: Option<&'a [u8]>,
    /// What is not copied of a folder: patterns, from that folder on.
    pub exclude: &'a [String],
    /// Archives are unpacked.
    pub unpack: bool,
}

/// Copies what `path`, which may be a pattern, stands for in `source`. A pattern may stand for
/// nothing, a path may not.
pub fn copy(source: Source<'_>, path: &[u8], into: &Tree, copying: &Copying<'_>) -> Result<()> {
    let filter = &Filter::new(copying.include, copying.exclude)?;
    for found in find(source.tree, path)? {
        let followed = source.tree.resolve(found.as_bytes())?;
        if copying.unpack && is_archive(source.tree, &followed)? {
            let folder = into.resolve(copying.destination)?;
            let owner = copying.owner.unwrap_or(Owner::ROOT);
            into.make_folders(&folder, FOLDER_MODE, owner)?;
            let below = Tree::of(into.folder(&folder)?);
            // As every engine up to BuildKit 0.20 has it, the archive's owners stay.
            expand(source.tree, &followed, &below)?;
            continue;
        }
        copy_one(source, &found, &followed, into, (copying, filter.as_ref()))?;
    }
    Ok(())
}

/// Returns what a path or pattern stands for, in the order of a walk. A pattern may stand for
/// nothing; whether there is something at a path is not asked.
pub fn find(tree: &Tree, path: &[u8]) -> Result<Vec<Place>> {
    let place = Place::new(path);
    let names: Vec<&[u8]> = place.names().collect();
    let Some(first) = names.iter().position(|name| pattern::is_pattern(name)) else {
        return Ok(vec![place]);
    };
    let mut start = Place::root();
    for name in &names[..first] {
        start.step(name);
    }
    let start = tree.resolve(start.as_bytes())?;
    let pattern = names[first..].join(&b'/');
    let mut found = Vec::new();
    let mut walk = Matching {
        tree,
        pattern: &pattern,
        depth: names.len() - first,
        found: &mut found,
    };
    walk.below(&start, &[], 1)?;
    Ok(found)
}

struct Matching<'a> {
    tree: &'a Tree,
    pattern: &'a [u8],
    /// How many names the pattern has: none of its parts matches a slash.
    depth: usize,
    found: &'a mut Vec<Place>,
}

impl Matching<'_> {
    fn below(&mut self, folder: &Place, relative: &[u8], depth: usize) -> Result<()> {
        match self.tree.status(folder)? {
            Some(status) if kind(&status) == FileType::Directory => {}
            Some(_) => return Ok(()),
            None => return Err(Error::NotFound(folder.to_string())),
        }
        for name in self.tree.names(folder)? {
            let place = folder.join(&name);
            let mut path = relative.to_vec();
            path.extend_from_slice(&name);
            if pattern::matches(self.pattern, &path)? {
                self.found.push(place);
                continue;
            }
            let status = self.tree.status(&place)?;
            let is_folder = status.is_some_and(|status| kind(&status) == FileType::Directory);
            if is_folder && depth < self.depth {
                path.push(b'/');
                self.below(&place, &path, depth + 1)?;
            }
        }
        Ok(())
    }
}

fn copy_one(
    source: Source<'_>,
    found: &Place,
    followed: &Place,
    into: &Tree,
    (copying, filter): (&Copying<'_>, Option<&Filter>),
) -> Result<()> {
    let owner = copying.owner.unwrap_or(Owner::ROOT);
    let end = copying.destination.iter().rposition(|byte| *byte == b'/');
    let (folder, name) = copying.destination.split_at(end.map_or(0, |end| end + 1));
    let ensured = if matches!(name, b"" | b".") {
        copying.destination
    } else {
        folder
    };
    into.make_folders(&into.resolve(ensured)?, FOLDER_MODE, owner)?;

    let mut destination = into.resolve(Place::new(copying.destination).as_bytes())?;
    let status = source.tree.status(followed)?;
    let status = status.ok_or_else(|| Error::NotFound(found.to_string()))?;
    let there = into.status(&destination)?.map(|status| kind(&status));
    let is_folder = kind(&status) == FileType::Directory;
    if !is_folder && there == Some(FileType::Directory) {
        destination = destination.join(found.name().unwrap_or_default());
    }
    let made = if is_folder && there.is_none() {
        destination.clone()
    } else {
        destination.parent()
    };
    into.make_folders(&made, FOLDER_MODE, owner)?;

    let mut copier = Copier {
        ownership: source.ownership,
        copying,
        into,
        links: BTreeMap::new(),
        exactness: Exactness::Copy,
        filter,
        folders: Vec::new(),
    };
    let (folder, name) = source.tree.parent(followed)?;
    let at = At::top(folder.as_fd(), name);
    copier.copy(&at, &destination, Existing::Kept)
}

/// What becomes of the mode and the owner of a folder that is there already.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Existing {
    /// They stay.
    Kept,
    /// They become those of the source.
    Overwritten,
}

struct Copier<'a> {
    ownership: Ownership,
    copying: &'a Copying<'a>,
    into: &'a Tree,
    /// The copies of files that have several names.
    links: BTreeMap<u64, Place>,
    exactness: Exactness,
    /// What is copied, if not everything.
    filter: Option<&'a Filter>,
    /// With a filter, the folders on the way to what is copied next.
    folders: Vec<OnTheWay>,
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

/// A folder that is made when something in it is copied.
struct OnTheWay {
    folder: OwnedFd,
    name: Vec<u8>,
    status: Stat,
    to: Place,
    made: bool,
}

/// How exact a copy is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Exactness {
    /// As that of a `COPY`.
    Copy,
    /// All is as it was, and each folder is marked.
    Snapshot,
}

/// Fills an empty tree with all of another.
pub(crate) fn duplicate(from: &Tree, into: &Tree) -> Result<()> {
    let mut copier = Copier {
        ownership: Ownership::Kept,
        copying: &Copying {
            destination: b"/",
            owner: None,
            mode: None,
            unpack: false,
            include: None,
            exclude: &[],
        },
        into,
        links: BTreeMap::new(),
        exactness: Exactness::Snapshot,
        filter: None,
        folders: Vec::new(),
    };
    let root = Place::root();
    let status = from.status(&root)?;
    let status = status.ok_or_else(|| Error::NotFound(root.to_string()))?;
    let folder = from.folder(&root)?;
    let at = At::top(folder.as_fd(), b".");
    copier.copy_folder(&at, &status, &root, Existing::Overwritten)
}

impl Copier<'_> {
    fn copy(&mut self, at: &At<'_>, to: &Place, existing: Existing) -> Result<()> {
        let (from, name) = (at.folder, at.name);
        let path = OsStr::from_bytes(name);
        let status = special::status_at(from, path).at("ask about", name)?;
        if kind(&status) == FileType::Directory {
            return self.copy_folder(at, &status, to, existing);
        }
        if !at.included {
            return Ok(());
        }
        self.make_folders_on_the_way()?;
        let (folder, new) = self.into.parent(to)?;
        let there = self.into.status(to)?;
        if there.is_some_and(|status| kind(&status) == FileType::Directory) {
            return Err(Error::IsAFolder(to.to_string()));
        }
        if there.is_some() {
            remove_below(folder.as_fd(), new).at("replace", to.as_bytes())?;
        }
        let new_path = OsStr::from_bytes(new);
        match kind(&status) {
            FileType::RegularFile => {
                if status.st_nlink > 1 {
                    if let Some(first) = self.links.get(&status.st_ino) {
                        let (other, first) = self.into.parent(first)?;
                        let first = OsStr::from_bytes(first);
                        rustix::fs::linkat(other, first, &folder, new_path, AtFlags::empty())
                            .at("link", to.as_bytes())?;
                        return self.copy_status((from, name), &status, &folder, new, to);
                    }
                    self.links.insert(status.st_ino, to.clone());
                }
                copy_file(from, name, &status, &folder, new, self.exactness)
                    .at("copy to", to.as_bytes())?;
            }
            FileType::Symlink => {
                let target = rustix::fs::readlinkat(from, path, Vec::new());
                let target = target.at("read the link", name)?;
                rustix::fs::symlinkat(&*target, &folder, new_path).at("link", to.as_bytes())?;
            }
            kind => {
                // BuildKit makes a character device of every device.
                let kind = match (kind, self.exactness) {
                    (FileType::BlockDevice, Exactness::Copy) => FileType::CharacterDevice,
                    (kind, _) => kind,
                };
                let mode = Mode::RUSR | Mode::WUSR;
                special::make_device(folder.as_fd(), new_path, (kind, mode), status.st_rdev)
                    .at("make", to.as_bytes())?;
            }
        }
        self.copy_status((from, name), &status, &folder, new, to)
    }

    fn copy_folder(
        &mut self,
        at: &At<'_>,
        status: &Stat,
        to: &Place,
        existing: Existing,
    ) -> Result<()> {
        let (from, name) = (at.folder, at.name);
        let mut created = false;
        if at.included {
            self.make_folders_on_the_way()?;
            created = self.make_folder(to)?;
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let folder = rustix::fs::openat(from, OsStr::from_bytes(name), flags, Mode::empty());
        let folder = folder.at("open", name)?;
        if self.filter.is_some() {
            let of = folder.try_clone().at("open", name)?;
            self.folders.push(OnTheWay {
                folder: of,
                name: b".".to_vec(),
                status: *status,
                to: to.clone(),
                made: at.included,
            });
        }
        for name in names(&folder).at("read", name)? {
            let to = to.join(&name);
            let (included, below) = match self.filter {
                Some(filter) => filter.step(&at.below, &name),
                None => (true, Below::default()),
            };
            let at = At {
                folder: folder.as_fd(),
                name: &name,
                included,
                below,
            };
            self.copy(&at, &to, Existing::Overwritten)?;
        }
        self.folders.pop();
        if !at.included {
            return Ok(());
        }
        if self.exactness == Exactness::Snapshot {
            copies::mark(self.into, to)?;
        }
        let (parent, new) = self.into.parent(to)?;
        if created || existing == Existing::Overwritten {
            self.copy_status((from, name), status, &parent, new, to)
        } else {
            set_times(parent.as_fd(), new, &times(status)).at("set the times of", to.as_bytes())
        }
    }

    /// Makes a folder, if there is none. Returns whether it did.
    fn make_folder(&self, to: &Place) -> Result<bool> {
        match self.into.status(to)?.map(|there| kind(&there)) {
            Some(FileType::Directory) => Ok(false),
            Some(_) => Err(Error::NotAFolder(to.to_string())),
            None => {
                let (folder, new) = self.into.parent(to)?;
                rustix::fs::mkdirat(folder, OsStr::from_bytes(new), Mode::RWXU)
                    .at("make the folder", to.as_bytes())?;
                Ok(true)
            }
        }
    }

    /// Makes the folders that something that is copied is in. Of those that are there, the modes become
    /// the source's.
    fn make_folders_on_the_way(&mut self) -> Result<()> {
        let mut folders = std::mem::take(&mut self.folders);
        for on_the_way in folders.iter_mut().filter(|folder| !folder.made) {
            let OnTheWay {
                folder: from,
                name,
                status,
                to,
                made,
            } = on_the_way;
            let created = self.make_folder(to)?;
            let (folder, new) = self.into.parent(to)?;
            if created {
                self.copy_status((from.as_fd(), name), status, &folder, new, to)?;
            } else {
                let mode = permissions(status);
                set_mode(folder.as_fd(), new, mode).at("set the mode of", to.as_bytes())?;
            }
            *made = true;
        }
        self.folders = folders;
        Ok(())
    }

    /// Gives a copy its owner, mode, times and attributes.
    fn copy_status(
        &self,
        (from, name): (BorrowedFd<'_>, &[u8]),
        status: &Stat,
        folder: &OwnedFd,
        new: &[u8],
        to: &Place,
    ) -> Result<()> {
        let folder = folder.as_fd();
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
        let set = || -> Result<(), Errno> {
            set_owner(folder, new, owner)?;
            set_mode(folder, new, mode)?;
            if self.ownership == Ownership::Kept {
                copy_attributes(from, name, folder, new, status)?;
            }
            set_times(folder, new, &times(status))
        };
        set().at("set the owner, mode or times of", to.as_bytes())
    }
}

fn copy_file(
    from: BorrowedFd<'_>,
    name: &[u8],
    status: &Stat,
    folder: &OwnedFd,
    new: &[u8],
    exactness: Exactness,
) -> std::io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let source = rustix::fs::openat(from, OsStr::from_bytes(name), flags, Mode::empty())?;
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let mode = Mode::RUSR | Mode::WUSR;
    let copy = rustix::fs::openat(folder, OsStr::from_bytes(new), flags, mode)?;
    let size = u64::try_from(status.st_size).unwrap_or(0);
    if exactness == Exactness::Snapshot && rustix::fs::ioctl_ficlone(&copy, &source).is_ok() {
        // The two share their blocks.
        return Ok(());
    }
    copy_contents(&File::from(source), &File::from(copy), size, 0)
}

fn copy_attributes(
    from: BorrowedFd<'_>,
    name: &[u8],
    folder: BorrowedFd<'_>,
    new: &[u8],
    status: &Stat,
) -> Result<(), Errno> {
    if !matches!(kind(status), FileType::RegularFile | FileType::Directory) {
        return Ok(());
    }
    let Some(file) = open_for_attributes(from, name)? else {
        return Ok(());
    };
    let mut list = vec![0_u8; 1 << 16];
    let length = match rustix::fs::flistxattr(&file, &mut list[..]) {
        Err(Errno::NOTSUP) => return Ok(()),
        length => length?,
    };
    let keys = list[..length].split(|byte| *byte == 0);
    for key in keys.filter_map(|key| str::from_utf8(key).ok()) {
        if !is_kept(key) {
            continue;
        }
        let mut value = vec![0_u8; 1 << 16];
        let length = rustix::fs::fgetxattr(&file, key, &mut value[..])?;
        set_attribute(folder, new, key, &value[..length])?;
    }
    Ok(())
}
