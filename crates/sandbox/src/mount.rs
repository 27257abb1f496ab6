//! What is mounted for a process before it starts. A target is an open descriptor, so that no link
//! leads elsewhere.

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd};

use rustix::fs::{CWD, FileType, Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountFlags, MoveMountFlags, OpenTreeFlags,
    fsconfig_create, fsconfig_set_string, fsmount, fsopen, move_mount, open_tree,
};

use crate::error::{Error, Result};
use crate::mount_attributes::{set_attributes, set_own_attributes};
use crate::rights::Rights;

/// The devices of a build, with their numbers.
const DEVICES: [(&CStr, u32, u32); 6] = [
    (c"null", 1, 3),
    (c"zero", 1, 5),
    (c"full", 1, 7),
    (c"random", 1, 8),
    (c"urandom", 1, 9),
    (c"tty", 5, 0),
];

/// The links in `/dev`.
const LINKS: [(&CStr, &CStr); 5] = [
    (c"/proc/self/fd", c"fd"),
    (c"/proc/self/fd/0", c"stdin"),
    (c"/proc/self/fd/1", c"stdout"),
    (c"/proc/self/fd/2", c"stderr"),
    (c"pts/ptmx", c"ptmx"),
];

/// Makes a file system that is not mounted anywhere yet.
pub(crate) fn detached(
    kind: &CStr,
    options: &[(&CStr, &CStr)],
    attributes: MountAttrFlags,
) -> Result<OwnedFd, Errno> {
    let context = fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)?;
    for (key, value) in options {
        fsconfig_set_string(context.as_fd(), *key, *value)?;
    }
    fsconfig_create(context.as_fd())?;
    fsmount(context.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, attributes)
}

/// Mounts on an open directory or file what is not mounted anywhere yet.
pub(crate) fn attach(mount: impl AsFd, target: impl AsFd) -> Result<(), Errno> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    move_mount(mount, c"", target, c"", flags)
}

fn failed(what: impl Into<String>) -> impl FnOnce(Errno) -> Error {
    let what = what.into();
    move |errno| Error::Mount {
        what,
        source: io::Error::from(errno),
    }
}

/// What may be done with what is shown to a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// It may be read.
    Read,
    /// It may be read and written.
    Write,
}

/// Shows `source`, with all that is mounted in it, at the open directory or file `target`. No device in it
/// can be opened, and no program there gives rights.
pub fn bind(source: impl AsFd, target: impl AsFd, access: Access, what: &str) -> Result<()> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_EMPTY_PATH
        | OpenTreeFlags::AT_RECURSIVE;
    let mut attributes = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV;
    if access == Access::Read {
        attributes |= MountAttrFlags::MOUNT_ATTR_RDONLY;
    }
    let shown = || -> Result<(), Errno> {
        let tree = open_tree(source, c"", flags)?;
        set_attributes(&tree, attributes)?;
        attach(tree, target)
    };
    shown().map_err(failed(what))
}

/// Mounts an empty file system in memory. Returns it open.
pub fn temporary(target: impl AsFd, options: &[(&CStr, &CStr)], what: &str) -> Result<OwnedFd> {
    let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV;
    let mounted = || {
        let mount = detached(c"tmpfs", options, attributes)?;
        attach(&mount, target)?;
        Ok(mount)
    };
    mounted().map_err(failed(what))
}

/// Denies writing to an open mount, and not to what is mounted in it.
pub fn deny_writing(mount: impl AsFd, what: &str) -> Result<()> {
    set_own_attributes(mount, MountAttrFlags::MOUNT_ATTR_RDONLY).map_err(failed(what))
}

/// What is mounted at `/dev/shm`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SharedMemory {
    /// What every build has.
    Usual,
    /// Nothing: something else will be.
    None,
}

/// Mounts a directory with the devices that every build has, and no other.
pub fn devices(target: impl AsFd, memory: SharedMemory, rights: Rights) -> Result<()> {
    make_devices(target, memory, rights).map_err(failed("/dev"))
}

fn make_devices(target: impl AsFd, shared: SharedMemory, rights: Rights) -> Result<(), Errno> {
    let options = [(c"mode", c"755"), (c"size", c"65536k")];
    let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_STRICTATIME;
    let directory = detached(c"tmpfs", &options, attributes)?;
    attach(&directory, target)?;
    for (name, major, minor) in DEVICES {
        device(&directory, name, (major, minor), rights)?;
    }
    for (link, name) in LINKS {
        rustix::fs::symlinkat(link, &directory, name)?;
    }
    // Not every kernel shows its memory.
    if rustix::fs::access(c"/proc/kcore", rustix::fs::Access::EXISTS).is_ok() {
        rustix::fs::symlinkat(c"/proc/kcore", &directory, c"core")?;
    }
    let noexec = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    let terminals = [(c"ptmxmode", c"0666"), (c"mode", c"0620"), (c"gid", c"5")];
    submount(&directory, c"pts", c"devpts", &terminals, noexec)?;
    let memory = [(c"mode", c"1777"), (c"size", c"65536k")];
    let nodev = noexec | MountAttrFlags::MOUNT_ATTR_NODEV;
    if shared == SharedMemory::Usual {
        submount(&directory, c"shm", c"tmpfs", &memory, nodev)?;
    }
    // What is mounted here belongs to the process's own namespace, and it mounts it.
    rustix::fs::mkdirat(&directory, c"mqueue", Mode::from_raw_mode(0o755))?;
    // No other device can be opened here, whoever makes it.
    let path = format!("/proc/self/fd/{}", directory.as_raw_fd());
    let flags = MountFlags::BIND | MountFlags::NOSUID | MountFlags::NODEV | MountFlags::STRICTATIME;
    rustix::mount::mount_remount(path, flags, c"")
}

fn device(
    directory: &OwnedFd,
    name: &CStr,
    (major, minor): (u32, u32),
    rights: Rights,
) -> Result<(), Errno> {
    let mode = Mode::from_raw_mode(0o666);
    let open = |directory: BorrowedFd<'_>, name: &CStr| {
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        rustix::fs::openat(directory, name, flags, Mode::empty())
    };
    let (source, target);
    if rights == Rights::Root {
        let number = rustix::fs::makedev(major, minor);
        rustix::fs::mknodat(directory, name, FileType::CharacterDevice, mode, number)?;
        // It is mounted on itself, to stay one where devices are none any more.
        target = open(directory.as_fd(), name)?;
        source = open(directory.as_fd(), name)?;
    } else {
        // Only the system's root may make a device. Its own is shown.
        let flags = OFlags::CREATE | OFlags::WRONLY | OFlags::CLOEXEC;
        target = rustix::fs::openat(directory, name, flags, mode)?;
        let path = CString::new([b"/dev/", name.to_bytes()].concat());
        source = open(CWD, &path.map_err(|_| Errno::INVAL)?)?;
    }
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_EMPTY_PATH;
    let shown = open_tree(source, c"", flags)?;
    if rights != Rights::Root {
        // A device is written to all the same, and its times, its mode and its owner are not.
        set_own_attributes(&shown, MountAttrFlags::MOUNT_ATTR_RDONLY)?;
    }
    attach(shown, target)
}

fn submount(
    directory: &OwnedFd,
    name: &CStr,
    kind: &CStr,
    options: &[(&CStr, &CStr)],
    attributes: MountAttrFlags,
) -> Result<(), Errno> {
    rustix::fs::mkdirat(directory, name, Mode::from_raw_mode(0o755))?;
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let target = rustix::fs::openat(directory, name, flags, Mode::empty())?;
    attach(detached(kind, options, attributes)?, target)
}
