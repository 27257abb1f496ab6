//! Where folders cannot be stacked: each snapshot is a copy of the one before it, whole. On a file
//! system that can share blocks between files, it takes no room until something is changed.
//!
//! Every folder of a copy is marked with its own path. One that was made anew, or came from elsewhere,
//! has no such mark, so that it can be told from one whose contents changed.

use std::os::fd::BorrowedFd;
use std::path::Path;

use rustix::fs::{StatVfsMountFlags, XattrFlags};
use rustix::io::Errno;
use rustix::mount::MountFlags;

use crate::copier::{Exactness, copy_to};
use crate::copy::{Copying, Ownership};
use crate::error::{Context as _, Result};
use crate::place::Place;
use crate::special::PREFIX;
use crate::stack::Mounted;
use crate::tree::Tree;

/// Fills the empty folder `copy` with what is in `folder`, if there is one, and mounts it at `at`,
/// where no device can be opened.
pub(crate) fn mount(folder: Option<&Path>, copy: &Path, at: &Path) -> Result<Mounted> {
    if let Some(folder) = folder {
        duplicate(&Tree::open(folder)?, &Tree::open(copy)?)?;
    }
    let mounted = || -> Result<(), Errno> {
        rustix::mount::mount_bind(copy, at)?;
        // What the file system was mounted with cannot be taken back by an ordinary user.
        let given = rustix::fs::statvfs(at)?.f_flag;
        let mut flags = MountFlags::BIND | MountFlags::NODEV;
        for (given_as, flag) in [
            (StatVfsMountFlags::NOSUID, MountFlags::NOSUID),
            (StatVfsMountFlags::NOEXEC, MountFlags::NOEXEC),
            (StatVfsMountFlags::NOATIME, MountFlags::NOATIME),
            (StatVfsMountFlags::NODIRATIME, MountFlags::NODIRATIME),
            (StatVfsMountFlags::RELATIME, MountFlags::RELATIME),
        ] {
            if given.contains(given_as) {
                flags |= flag;
            }
        }
        rustix::mount::mount_remount(at, flags, c"")
    };
    mounted().at("mount", at.as_os_str().as_encoded_bytes())?;
    Ok(Mounted::at(at.to_owned()))
}

/// Fills an empty tree with all of another.
fn duplicate(from: &Tree, into: &Tree) -> Result<()> {
    let copying = Copying {
        destination: b"/",
        owner: None,
        mode: None,
    };
    let root = Place::root();
    let (from, into) = ((from, &root), (into, &root));
    copy_to(
        from,
        into,
        (&copying, None),
        Ownership::Kept,
        Exactness::Snapshot,
    )
}

/// Marks a folder of a copy, open. Where a file system has no attributes, every folder counts as made
/// anew.
pub(crate) fn mark(folder: BorrowedFd<'_>, place: &Place) -> Result<()> {
    match rustix::fs::fsetxattr(folder, name(), &value(place), XattrFlags::empty()) {
        Err(Errno::NOTSUP) => Ok(()),
        set => set.at("mark", place.as_bytes()),
    }
}

/// Tells whether a folder is the one that was copied.
pub(crate) fn is_marked(tree: &Tree, place: &Place) -> Result<bool> {
    let mut found = [0; 64];
    match rustix::fs::fgetxattr(tree.folder(place)?, name(), &mut found[..]) {
        Ok(length) => Ok(found[..length] == value(place)),
        Err(Errno::NODATA | Errno::NOTSUP | Errno::RANGE) => Ok(false),
        Err(error) => Err(error).at("ask about", place.as_bytes()),
    }
}

fn name() -> String {
    format!("{PREFIX}copy")
}

/// Returns what stands for a path of any length: its last bytes, and how long it is.
fn value(place: &Place) -> Vec<u8> {
    let path = place.as_bytes();
    let mut value = path.len().to_string().into_bytes();
    value.extend_from_slice(&path[path.len().saturating_sub(32)..]);
    value
}
