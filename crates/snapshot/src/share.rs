//! What a `COPY` of a whole directory to the root of another file system need not copy: the directories that
//! it is stacked of can be stacked there as well, wherever that shows the same files.
//!
//! It does not know what is stacked, nor where the directories are. In doubt, they have to be copied.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;

use rustix::fs::{FileType, Stat};
use rustix::io::Errno;

use crate::attributes::is_kept;
use crate::error::{Context as _, Result};
use crate::layer::WHITEOUT;
use crate::place::Place;
use crate::stack::OPAQUE;
use crate::tree::{Tree, kind, open_in, permissions, status_in};
use crate::walk::{Item, Reason, Sight, Visitor, Walk, open_directory};

/// Returns which of the directories of a stack, from the lowest to the highest, have something of the
/// directory at a place of it that is seen there.
pub fn parts(stack: &[Tree], place: &Place) -> Result<Vec<usize>> {
    let mut parts = Vec::new();
    for (number, tree) in stack.iter().enumerate().rev() {
        let cover = Cover::of(tree, place)?;
        if cover.is_there {
            parts.insert(0, number);
        }
        if cover.hides {
            break;
        }
    }
    Ok(parts)
}

/// Tells whether directories that are stacked, from the lowest to the highest, show the same on top of
/// `below` as a copy of all that they show.
///
/// That is so if nothing in them hides what is below without replacing it, if nothing in them would be copied
/// as something else, and if a copy would go through.
pub fn shows_a_copy(parts: &[Tree], below: Option<&Tree>) -> Result<bool> {
    for (number, part) in parts.iter().enumerate() {
        let mut check = Check {
            above: &parts[number + 1..],
            missing: BTreeMap::new(),
            is_same: true,
        };
        let walk = Walk {
            filter: None,
            sight: Sight::Raw,
        };
        let below = below
            .map(|below| below.directory(&Place::root()))
            .transpose()?;
        walk.through(part, &Place::root(), &below, &mut check)?;
        // Of a file that has a name elsewhere, a copy has none there.
        if !check.is_same || check.missing.values().any(|missing| *missing > 0) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// What one directory of a stack makes of a place.
struct Cover {
    /// It has something there.
    is_there: bool,
    /// It hides what the directories below it have there.
    hides: bool,
}

impl Cover {
    fn of(tree: &Tree, place: &Place) -> Result<Self> {
        let (mut way, mut hides) = (Place::root(), false);
        for name in place.names() {
            way.step(name);
            let Some(status) = tree.status(&way)? else {
                let is_there = false;
                return Ok(Self { is_there, hides });
            };
            if kind(&status) != FileType::Directory {
                return Ok(Self {
                    is_there: way == *place && !is_whiteout(&status),
                    hides: true,
                });
            }
            hides |= is_opaque(tree.directory(&way)?).at("ask about", way.as_bytes())?;
        }
        let is_there = true;
        Ok(Self { is_there, hides })
    }
}

/// Looks for what a copy would be different in.
struct Check<'a> {
    /// The directories that are stacked above this one.
    above: &'a [Tree],
    /// How many names of a file that has several were not found yet.
    missing: BTreeMap<(u64, u64), u64>,
    is_same: bool,
}

impl Visitor for Check<'_> {
    /// The directory below it that it comes over.
    type Directory = Option<OwnedFd>;

    fn file(&mut self, item: &Item<'_>, below: &Self::Directory) -> Result<()> {
        let (status, place) = (&item.status, item.place.as_bytes());
        let below = below_of(item, below.as_ref()).at("ask about", place)?;
        if is_whiteout(status) {
            self.is_same &= below.is_none();
            return Ok(());
        }
        let is_over_directory = below.is_some_and(|below| kind(&below) == FileType::Directory);
        self.is_same &= !is_over_directory && !item.name.starts_with(WHITEOUT);
        match kind(status) {
            FileType::RegularFile => {
                let file = open_in(item.directory, item.name).at("open", place)?;
                self.is_same &= all_are_copied(file.as_fd()).at("ask about", place)?;
                if status.st_nlink > 1 {
                    self.count(item)?;
                }
            }
            // Of these, each name becomes a file of its own.
            FileType::Symlink | FileType::Fifo | FileType::CharacterDevice => {
                self.is_same &= status.st_nlink == 1;
            }
            // A block device is copied as another kind of file.
            _ => self.is_same = false,
        }
        Ok(())
    }

    fn enter(
        &mut self,
        item: &Item<'_>,
        opened: BorrowedFd<'_>,
        below: &Self::Directory,
        _: Reason,
    ) -> Result<Self::Directory> {
        let (status, place) = (&item.status, item.place.as_bytes());
        let ask = |asked: Result<bool, Errno>| asked.at("ask about", place);
        self.is_same &= ask(all_are_copied(opened))?;
        if item.place.is_root() {
            // A copy leaves the root as it is.
            let root = (permissions(status), status.st_uid, status.st_gid);
            self.is_same &= root == (0o755, 0, 0) && !ask(has_copied(opened))?;
            let below = below.as_ref().map(OwnedFd::try_clone);
            return below.transpose().at("open", place);
        }
        let Some(there) = below_of(item, below.as_ref()).at("ask about", place)? else {
            return Ok(None);
        };
        let directory = below
            .as_ref()
            .filter(|_| kind(&there) == FileType::Directory);
        let Some(directory) = directory else {
            self.is_same = false;
            return Ok(None);
        };
        let directory = open_directory(directory.as_fd(), item.name).at("open", place)?;
        // What a directory has already, it keeps when something is copied to it.
        let keeps = ask(has_copied(directory.as_fd()))?;
        self.is_same &= !keeps && !ask(is_opaque(opened))?;
        Ok(Some(directory))
    }

    fn leave(
        &mut self,
        _: &Item<'_>,
        _: &Self::Directory,
        _: &Self::Directory,
        _: Reason,
    ) -> Result<()> {
        Ok(())
    }
}

impl Check<'_> {
    /// Counts a name of a file that has several, if it is seen.
    fn count(&mut self, item: &Item<'_>) -> Result<()> {
        let file = (item.status.st_dev, item.status.st_ino);
        let mut is_seen = true;
        for tree in self.above {
            let cover = Cover::of(tree, item.place)?;
            is_seen &= !cover.hides && !cover.is_there;
        }
        let missing = self.missing.entry(file).or_insert(item.status.st_nlink);
        *missing = missing.saturating_sub(u64::from(is_seen));
        Ok(())
    }
}

/// Returns the status of what is below something, if anything is.
fn below_of(item: &Item<'_>, below: Option<&OwnedFd>) -> Result<Option<Stat>, Errno> {
    match below {
        Some(below) => status_in(below.as_fd(), item.name),
        None => Ok(None),
    }
}

fn is_whiteout(status: &Stat) -> bool {
    kind(status) == FileType::CharacterDevice && status.st_rdev == rustix::fs::makedev(0, 0)
}

fn is_opaque(directory: impl AsFd) -> Result<bool, Errno> {
    match rustix::fs::fgetxattr(directory, OPAQUE.name(), &mut [0_u8; 1][..]) {
        Ok(_) | Err(Errno::RANGE) => Ok(true),
        Err(Errno::NODATA | Errno::NOTSUP) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Tells whether a copy has all attributes of a file that anybody sees.
fn all_are_copied(file: BorrowedFd<'_>) -> Result<bool, Errno> {
    let is_stacking = |name: &str| name.starts_with("user.overlay.");
    // The system's own, which a copy has as well.
    let is_label = |name: &str| name == "security.selinux";
    let names = attributes(file)?;
    Ok(names
        .iter()
        .all(|name| is_kept(name) || is_stacking(name) || is_label(name)))
}

/// Tells whether a file has attributes that a copy of it has.
fn has_copied(file: BorrowedFd<'_>) -> Result<bool, Errno> {
    Ok(attributes(file)?.iter().any(|name| is_kept(name)))
}

fn attributes(file: BorrowedFd<'_>) -> Result<Vec<String>, Errno> {
    let length = match rustix::fs::flistxattr_query(file) {
        // Most have none.
        Err(Errno::NOTSUP) | Ok(0) => return Ok(Vec::new()),
        length => length?,
    };
    let mut list = vec![0_u8; length];
    let length = rustix::fs::flistxattr(file, &mut list[..])?;
    let names = list[..length].split(|byte| *byte == 0);
    let names = names.filter(|name| !name.is_empty()).map(OsStr::from_bytes);
    Ok(names
        .map(|name| name.to_string_lossy().into_owned())
        .collect())
}
