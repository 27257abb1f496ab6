//! What a step changed: the directory that took its changes, compared with what is below it.
//!
//! The rules are those of `BuildKit`: of its comparison of overlays, and of the walk through two
//! trees that it makes in a directory that hides what is below. Times are compared to the nanosecond.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read};
use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::{FileType, Stat};
use rustix::io::Errno;

use crate::attributes::CAPABILITY;
use crate::error::{Context as _, Error, Result};
use crate::layer::WHITEOUT;
use crate::marks;
use crate::owner::Owner;
use crate::place::Place;
use crate::stack::{OPAQUE, Stacking};
use crate::tree::{Tree, kind, names, open_in, permissions, status_in};

/// An entry of a layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The name is this file now.
    Put {
        /// The name.
        place: Place,
        /// The file.
        file: File,
        /// The name that the layer has for the same file already.
        first: Option<Place>,
    },
    /// The name is gone.
    Delete(Place),
}

/// A file as a layer records it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    pub(crate) kind: FileType,
    pub(crate) mode: u32,
    pub(crate) owner: Owner,
    pub(crate) size: u64,
    /// When it was last modified, in whole seconds since 1970, rounded down.
    pub(crate) seconds: i64,
    pub(crate) device: u64,
    /// Of a symbolic link.
    pub(crate) target: Vec<u8>,
    pub(crate) capability: Option<Vec<u8>>,
}

/// Returns what `upper`, the directory that took a step's changes, has that `lower` has not, in the
/// order of a canonical layer: each directory before what is in it, and the names in it in the order
/// of their bytes.
///
/// Of copies, `upper` is the whole of one, and `lower` what it was copied from.
pub fn changes(upper: &Tree, lower: Option<&Tree>, stacking: Stacking) -> Result<Vec<Change>> {
    let mut walk = Walk {
        upper,
        stacking,
        changes: Vec::new(),
        pending: Vec::new(),
        first: BTreeMap::new(),
        unchanged: BTreeMap::new(),
    };
    let view = View {
        lower,
        complete: stacking == Stacking::Copies,
        anew: false,
    };
    walk.directory(&Place::root(), view)?;
    Ok(walk.changes)
}

/// How a directory is to be seen.
#[derive(Clone, Copy)]
struct View<'a> {
    /// What is below, if the directory is there as well.
    lower: Option<&'a Tree>,
    /// The directory has all that there is: what is below shows through nowhere.
    complete: bool,
    /// It, or one that it is in, was made anew in place of what is below.
    anew: bool,
}

/// A directory, open in both trees if it is there in both.
#[derive(Clone, Copy)]
struct Open<'a> {
    upper: BorrowedFd<'a>,
    lower: Option<BorrowedFd<'a>>,
}

/// What a file may have that an image keeps.
type Capability = Option<Vec<u8>>;

/// A file by its number, and that of the device it is on.
type Inode = (u64, u64);

struct Walk<'a> {
    upper: &'a Tree,
    stacking: Stacking,
    changes: Vec<Change>,
    /// Directories that are the same as below, and will be recorded if something in them is.
    pending: Vec<(Place, Stat)>,
    /// The first name that was recorded of a file that has several.
    first: BTreeMap<Inode, Place>,
    /// The names of such a file that are as they were, before one was recorded.
    unchanged: BTreeMap<Inode, Vec<Place>>,
}

impl Walk<'_> {
    fn directory(&mut self, place: &Place, view: View<'_>) -> Result<()> {
        let directory = self.upper.directory(place)?;
        let lower = view.lower.map(|lower| lower.directory(place)).transpose()?;
        let mut all = names(&directory).at("read", place.as_bytes())?;
        if let (true, Some(lower)) = (view.complete, &lower) {
            all.extend(names(lower).at("read", place.as_bytes())?);
            all.sort_unstable();
            all.dedup();
        }
        let open = Open {
            upper: directory.as_fd(),
            lower: lower.as_ref().map(AsFd::as_fd),
        };
        for name in all {
            self.name(place.join(&name), open, view)?;
        }
        Ok(())
    }

    fn name(&mut self, place: Place, open: Open<'_>, view: View<'_>) -> Result<()> {
        let name = place.name().unwrap_or_default();
        let status_in = |directory| status_in(directory, name).at("ask about", place.as_bytes());
        let below = open.lower.map(status_in).transpose()?.flatten();
        let status = status_in(open.upper)?;
        let Some(status) = status.filter(|status| !self.is_whiteout(status)) else {
            if below.is_some() {
                self.include_parents()?;
                self.changes.push(Change::Delete(place));
            }
            return Ok(());
        };
        if kind(&status) == FileType::Socket {
            return Ok(());
        }
        if name.starts_with(WHITEOUT) {
            return Err(Error::Mark(place.to_string()));
        }
        let capability_in = |directory, status: &Stat| {
            capability(directory, name, status).at("ask about", place.as_bytes())
        };
        let capability = capability_in(open.upper, &status)?;
        let same = match (view.lower, open.lower, &below) {
            (Some(lower), Some(directory), Some(below)) => {
                capability == capability_in(directory, below)?
                    && self.is_same(&place, (&status, below), lower)?
            }
            _ => false,
        };
        if kind(&status) != FileType::Directory {
            return if !same {
                self.include_parents()?;
                self.put(place, &status, capability)
            } else if view.anew && status.st_nlink > 1 {
                self.keep(place, &status, capability)
            } else {
                Ok(())
            };
        }
        if same {
            self.pending.push((place.clone(), status));
        } else {
            self.include_parents()?;
            self.put(place.clone(), &status, None)?;
        }
        let is_directory_below = below.is_some_and(|below| kind(&below) == FileType::Directory);
        let anew = view.anew || self.is_anew(&place)?;
        let inner = View {
            lower: view.lower.filter(|_| is_directory_below),
            complete: view.complete || anew,
            anew,
        };
        self.directory(&place, inner)?;
        // It is the last one, if nothing in it was recorded.
        self.pending.pop_if(|(pending, _)| *pending == place);
        Ok(())
    }

    /// Tells whether a directory was made anew: then it hides what is below it.
    fn is_anew(&self, place: &Place) -> Result<bool> {
        if self.stacking == Stacking::Copies {
            return Ok(!marks::is_marked(self.upper, place)?);
        }
        let directory = self.upper.directory(place)?;
        match rustix::fs::fgetxattr(directory, OPAQUE.name(), &mut [0_u8; 1][..]) {
            Ok(_) | Err(Errno::RANGE) => Ok(true),
            Err(Errno::NODATA | Errno::NOTSUP) => Ok(false),
            Err(error) => Err(error).at("ask about", place.as_bytes()),
        }
    }

    fn is_whiteout(&self, status: &Stat) -> bool {
        self.stacking == Stacking::Overlay
            && kind(status) == FileType::CharacterDevice
            && status.st_rdev == rustix::fs::makedev(0, 0)
    }

    /// Records the directories on the way to what is recorded next.
    fn include_parents(&mut self) -> Result<()> {
        for (place, status) in std::mem::take(&mut self.pending) {
            self.put(place, &status, None)?;
        }
        Ok(())
    }

    fn put(&mut self, place: Place, status: &Stat, capability: Capability) -> Result<()> {
        let file = self.file(&place, status, capability)?;
        let mut first = None;
        let mut further = Vec::new();
        if file.kind != FileType::Directory && status.st_nlink > 1 {
            let inode = inode(status);
            first = self.first.get(&inode).cloned();
            if first.is_none() {
                self.first.insert(inode, place.clone());
                further = self.unchanged.remove(&inode).unwrap_or_default();
            }
        }
        let leader = place.clone();
        self.changes.push(Change::Put {
            place,
            file: file.clone(),
            first,
        });
        for place in further {
            self.changes.push(Change::Put {
                place,
                file: file.clone(),
                first: Some(leader.clone()),
            });
        }
        Ok(())
    }

    /// Takes note of a name that is as it was, of a file that may have changed names.
    fn keep(&mut self, place: Place, status: &Stat, capability: Capability) -> Result<()> {
        if self.first.contains_key(&inode(status)) {
            self.include_parents()?;
            return self.put(place, status, capability);
        }
        self.unchanged.entry(inode(status)).or_default().push(place);
        Ok(())
    }

    fn file(&self, place: &Place, status: &Stat, capability: Capability) -> Result<File> {
        let kind = kind(status);
        let target = match kind {
            FileType::Symlink => self.upper.read_link(place)?,
            _ => Vec::new(),
        };
        Ok(File {
            kind,
            mode: permissions(status),
            owner: Owner {
                user: status.st_uid,
                group: status.st_gid,
            },
            size: u64::try_from(status.st_size).unwrap_or(0),
            seconds: status.st_mtime,
            device: status.st_rdev,
            target,
            capability,
        })
    }

    fn is_same(
        &self,
        place: &Place,
        (status, below): (&Stat, &Stat),
        lower: &Tree,
    ) -> Result<bool> {
        let fields = |status: &Stat| (status.st_mode, status.st_uid, status.st_gid, status.st_rdev);
        if fields(status) != fields(below) {
            return Ok(false);
        }
        if kind(status) == FileType::Directory {
            return Ok(true);
        }
        let known = |status: &Stat| (status.st_size, status.st_mtime);
        if known(status) != known(below) {
            return Ok(false);
        }
        if (status.st_mtime_nsec, below.st_mtime_nsec) != (0, 0) {
            return Ok(status.st_mtime_nsec == below.st_mtime_nsec);
        }
        match kind(status) {
            FileType::Symlink => Ok(self.upper.read_link(place)? == lower.read_link(place)?),
            FileType::RegularFile => {
                let (one, other) = (self.upper.read(place)?, lower.read(place)?);
                have_same_bytes(one, other).at("read", place.as_bytes())
            }
            _ => Ok(true),
        }
    }
}

fn inode(status: &Stat) -> Inode {
    (status.st_dev, status.st_ino)
}

/// Returns the capability of a name in an open directory; only a file has one.
fn capability(directory: BorrowedFd<'_>, name: &[u8], status: &Stat) -> Result<Capability, Errno> {
    if kind(status) != FileType::RegularFile {
        return Ok(None);
    }
    let mut value = [0; 64];
    match rustix::fs::fgetxattr(open_in(directory, name)?, CAPABILITY, &mut value[..]) {
        Ok(length) => Ok(Some(value[..length].to_vec())),
        Err(Errno::NODATA | Errno::NOTSUP) => Ok(None),
        Err(error) => Err(error),
    }
}

fn have_same_bytes(one: impl Read, other: impl Read) -> io::Result<bool> {
    const BUFFER: usize = 1 << 16;
    let mut one = BufReader::with_capacity(BUFFER, one);
    let mut other = BufReader::with_capacity(BUFFER, other);
    loop {
        let (left, right) = (one.fill_buf()?, other.fill_buf()?);
        let count = left.len().min(right.len());
        if count == 0 {
            return Ok(left.len() == right.len());
        }
        if left[..count] != right[..count] {
            return Ok(false);
        }
        one.consume(count);
        other.consume(count);
    }
}
