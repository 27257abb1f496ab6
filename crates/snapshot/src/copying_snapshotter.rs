//! Where directories cannot be stacked: each snapshot is a copy of the one before it, whole. On a file
//! system that can share blocks between files, it takes no room until something is changed.
//!
//! Every directory of a copy is marked with its own path. One that was made anew, or came from elsewhere,
//! has no such mark, so that it can be told from one whose contents changed.

use std::path::Path;

use rustix::fs::StatVfsMountFlags;
use rustix::io::Errno;
use rustix::mount::MountFlags;

use crate::copying::{Copying, Ownership};
use crate::error::{Context as _, Result};
use crate::mounted::Mounted;
use crate::place::Place;
use crate::tree::Tree;
use crate::tree_copy::{Exactness, copy_to};

/// Fills the empty directory `copy` with what is in `directory`, if there is one, and mounts it at `at`,
/// where no device can be opened.
pub(crate) fn mount(directory: Option<&Path>, copy: &Path, at: &Path) -> Result<Mounted> {
    if let Some(directory) = directory {
        duplicate(&Tree::open(directory)?, &Tree::open(copy)?)?;
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
