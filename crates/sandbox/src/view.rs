//! What a process sees of the machine: `/proc`, `/sys` and `/dev/null`, with what tells of the
//! machine or steers it hidden or only to be read.
//!
//! The child's own side: system calls and nothing else. Every file is found from the descriptor of
//! what was mounted, and no path of the build's, in which a link may stand, is walked for it.

use std::ffi::CStr;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use rustix::mount::{MountAttrFlags, OpenTreeFlags, open_tree};

use crate::mount::{attach, detached};
use crate::mount_attributes::set_attributes;
use crate::network::Network;
use crate::rights::Rights;

/// Files and directories of `/proc` that tell of the machine, and are empty to a build.
const HIDDEN: [&CStr; 9] = [
    c"acpi",
    c"asound",
    c"kcore",
    c"keys",
    c"latency_stats",
    c"timer_list",
    c"timer_stats",
    c"sched_debug",
    c"scsi",
];

/// Directories of `/sys` that do, or through which the machine's own control groups could be changed.
const HIDDEN_OF_SYSTEM: [&CStr; 3] = [c"firmware", c"devices/virtual/powercap", c"fs/cgroup"];

/// Directories and files of `/proc` that steer the machine, and can only be read.
const READ_ONLY: [&CStr; 5] = [c"bus", c"fs", c"irq", c"sys", c"sysrq-trigger"];

const SAFE: MountAttrFlags = MountAttrFlags::MOUNT_ATTR_NOSUID
    .union(MountAttrFlags::MOUNT_ATTR_NODEV)
    .union(MountAttrFlags::MOUNT_ATTR_NOEXEC);

/// Opens something in the root by a path in which no link is followed, since no engine follows one
/// there either.
pub(crate) fn open_in_root(root: impl AsFd, path: &CStr, flags: OFlags) -> Result<OwnedFd, Errno> {
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_SYMLINKS;
    rustix::fs::openat2(root, path, flags | OFlags::CLOEXEC, Mode::empty(), resolve)
}

/// Mounts what shows the process's own namespaces. It must be done where another `/proc` can be
/// seen: the kernel gives none to a namespace of users that sees none.
pub(crate) fn mount(root: &OwnedFd, network: Network, rights: Rights) -> Result<(), Errno> {
    let nothing = null(root, OFlags::PATH)?;
    let directory = |path: &CStr| open_in_root(root, path, OFlags::PATH | OFlags::DIRECTORY);

    let processes = detached(c"proc", &[], SAFE)?;
    attach(&processes, directory(c"proc")?)?;
    for name in HIDDEN {
        hide(&processes, name, &nothing)?;
    }
    for name in READ_ONLY {
        deny_writing(&processes, name)?;
    }

    attach(detached(c"mqueue", &[], SAFE)?, directory(c"dev/mqueue")?)?;

    let read_only = SAFE | MountAttrFlags::MOUNT_ATTR_RDONLY;
    let system = if network != Network::Machine || rights == Rights::Root {
        detached(c"sysfs", &[], read_only)?
    } else {
        // Who sees the machine's interfaces without owning them may only be shown what there is.
        let system = open_tree(CWD, c"/sys", CLONE | OpenTreeFlags::AT_RECURSIVE)?;
        set_attributes(&system, read_only)?;
        system
    };
    attach(&system, directory(c"sys")?)?;
    for name in HIDDEN_OF_SYSTEM {
        hide(&system, name, &nothing)?;
    }
    Ok(())
}

const CLONE: OpenTreeFlags = OpenTreeFlags::OPEN_TREE_CLONE.union(OpenTreeFlags::OPEN_TREE_CLOEXEC);

/// Opens the root's own device that takes everything and gives nothing.
pub(crate) fn null(root: &OwnedFd, flags: OFlags) -> Result<OwnedFd, Errno> {
    let null = open_in_root(root, c"dev/null", flags)?;
    let status = rustix::fs::fstat(&null)?;
    let is_device = FileType::from_raw_mode(status.st_mode) == FileType::CharacterDevice;
    if is_device && status.st_rdev == rustix::fs::makedev(1, 3) {
        Ok(null)
    } else {
        Err(Errno::NODEV)
    }
}

/// Opens something below a mount; nothing where the kernel has no such thing.
fn find(mount: &OwnedFd, name: &CStr) -> Result<Option<OwnedFd>, Errno> {
    match open_in_root(mount, name, OFlags::PATH | OFlags::NOFOLLOW) {
        Ok(found) => Ok(Some(found)),
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(error),
    }
}

fn hide(mount: &OwnedFd, name: &CStr, nothing: &OwnedFd) -> Result<(), Errno> {
    let Some(found) = find(mount, name)? else {
        return Ok(());
    };
    let status = rustix::fs::fstat(&found)?;
    let cover = if FileType::from_raw_mode(status.st_mode) == FileType::Directory {
        let read_only = SAFE | MountAttrFlags::MOUNT_ATTR_RDONLY;
        detached(c"tmpfs", &[(c"size", c"0"), (c"mode", c"755")], read_only)?
    } else {
        open_tree(nothing, c"", CLONE | OpenTreeFlags::AT_EMPTY_PATH)?
    };
    attach(cover, found)
}

fn deny_writing(mount: &OwnedFd, name: &CStr) -> Result<(), Errno> {
    let Some(found) = find(mount, name)? else {
        return Ok(());
    };
    let flags = CLONE | OpenTreeFlags::AT_EMPTY_PATH | OpenTreeFlags::AT_RECURSIVE;
    let copy = open_tree(&found, c"", flags)?;
    set_attributes(&copy, SAFE | MountAttrFlags::MOUNT_ATTR_RDONLY)?;
    attach(copy, found)
}
