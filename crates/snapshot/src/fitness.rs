//! What a file system must hold so that what is built on it is the same as anywhere else: tried with a few
//! files, each read back. Some take an owner, a mode or a name, say that it is done, and keep another.
//!
//! It does not know what is built there.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::ffi::OsStrExt as _;

use rustix::fs::{
    AtFlags, FileType, Gid, Mode, OFlags, Stat, Timespec, Timestamps, Uid, XattrFlags,
};
use rustix::io::Errno;

use crate::attributes::CAPABILITY;
use crate::special::PREFIX;
use crate::tree::{Tree, kind, names, permissions};

/// Something that a file system must hold.
type Trial = fn(BorrowedFd<'_>) -> Result<bool, Errno>;

/// All of it, each with its name.
const TRIALS: &[(&str, Trial)] = &[
    ("owners of files", owners),
    ("all bits of modes", modes),
    ("extended attributes", attributes),
    ("kinds of files", kinds),
    ("times to the nanosecond", times),
    ("hard links", hard_links),
    ("targets of symbolic links", targets),
    ("names that differ in upper and lower case", case),
    ("names that differ in how Unicode is composed", composition),
    ("names of 255 bytes that are not UTF-8", long_names),
    ("names with any character", odd_names),
];

/// Returns what the file system of an empty directory does not hold. The directory has some files
/// afterwards.
pub fn lacks(directory: &Tree) -> io::Result<Vec<&'static str>> {
    let mut lacks = Vec::new();
    for (name, trial) in TRIALS {
        match trial(directory.as_fd()) {
            Ok(true) => {}
            // That has another reason.
            Err(error @ (Errno::NOSPC | Errno::DQUOT | Errno::ROFS | Errno::IO | Errno::NFILE)) => {
                return Err(error.into());
            }
            Ok(false) | Err(_) => lacks.push(*name),
        }
    }
    Ok(lacks)
}

fn file(directory: BorrowedFd<'_>, name: &[u8]) -> Result<std::fs::File, Errno> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let file = rustix::fs::openat(
        directory,
        OsStr::from_bytes(name),
        flags,
        Mode::RUSR | Mode::WUSR,
    )?;
    Ok(file.into())
}

fn status(directory: BorrowedFd<'_>, name: &str) -> Result<Stat, Errno> {
    rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW)
}

/// Makes a file, a directory and a symbolic link, whose names begin with `prefix`.
fn three(directory: BorrowedFd<'_>, prefix: &str) -> Result<[String; 3], Errno> {
    let made = ["f", "d", "l"].map(|kind| format!("{prefix}-{kind}"));
    file(directory, made[0].as_bytes())?;
    rustix::fs::mkdirat(directory, &made[1], Mode::RWXU)?;
    rustix::fs::symlinkat("target", directory, &made[2])?;
    Ok(made)
}

fn owners(directory: BorrowedFd<'_>) -> Result<bool, Errno> {
    // Of any ranges, the first number is there.
    let (user, group) = (Some(Uid::from_raw(1)), Some(Gid::from_raw(1)));
    for name in three(directory, "owner")? {
        let made = status(directory, &name)?;
        rustix::fs::chownat(directory, &name, user, group, AtFlags::SYMLINK_NOFOLLOW)?;
        let given = status(directory, &name)?;
        let owners = [&made, &given].map(|status| (status.st_uid, status.st_gid));
        if owners != [(0, 0), (1, 1)] {
            return Ok(false);
        }
    }
    Ok(true)
}

fn modes(directory: BorrowedFd<'_>) -> Result<bool, Errno> {
    let [file, inner, _] = three(directory, "mode")?;
    for name in [file, inner] {
        for mode in [0o7777, 0o4755, 0o2711, 0o1700, 0o070, 0o007, 0] {
            rustix::fs::chmodat(
                directory,
                &name,
                Mode::from_raw_mode(mode),
                AtFlags::empty(),
            )?;
            if permissions(&status(directory, &name)?) != mode {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

fn attributes(directory: BorrowedFd<'_>) -> Result<bool, Errno> {
    /// What `setcap cap_net_raw+ep` writes.
    const RAW_SOCKETS: [u8; 20] = [1, 0, 0, 2, 0, 32, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

    let one = file(directory, b"attributes-f")?;
    rustix::fs::mkdirat(directory, "attributes-d", Mode::RWXU)?;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let inner = rustix::fs::openat(directory, "attributes-d", flags, Mode::empty())?;
    let ours = format!("{PREFIX}trial");
    let trials: [(BorrowedFd<'_>, &str, &[u8]); 4] = [
        (one.as_fd(), &ours, b"value"),
        (inner.as_fd(), &ours, b"value"),
        (one.as_fd(), "user.trial", &[0xff; 200]),
        (one.as_fd(), CAPABILITY, &RAW_SOCKETS),
    ];
    for (file, name, value) in trials {
        rustix::fs::fsetxattr(file, name, value, XattrFlags::empty())?;
        let mut found = [0; 256];
        let length = rustix::fs::fgetxattr(file, name, &mut found[..])?;
        if found[..length] != *value {
            return Ok(false);
        }
    }
    Ok(true)
}

fn kinds(directory: BorrowedFd<'_>) -> Result<bool, Errno> {
    use FileType::{BlockDevice, CharacterDevice, Fifo};

    let null = rustix::fs::makedev(1, 3);
    let far = rustix::fs::makedev(300, 70_000);
    for (name, made, number) in [
        ("pipe", Fifo, 0),
        ("device", CharacterDevice, null),
        ("far-device", CharacterDevice, far),
        ("block-device", BlockDevice, null),
    ] {
        let mode = Mode::RUSR | Mode::WUSR;
        match rustix::fs::mknodat(directory, name, made, mode, number) {
            Ok(()) => {}
            // Whoever may make none has something that stands in for it, or is told so.
            Err(Errno::PERM) if made != Fifo => continue,
            Err(error) => return Err(error),
        }
        let found = status(directory, name)?;
        if kind(&found) != made || (made != Fifo && found.st_rdev != number) {
            return Ok(false);
        }
    }
    Ok(true)
}

fn times(directory: BorrowedFd<'_>) -> Result<bool, Errno> {
    let as_it_is = Timespec {
        tv_sec: 0,
        tv_nsec: rustix::fs::UTIME_OMIT,
    };
    for name in three(directory, "time")? {
        for (tv_sec, tv_nsec) in [(1_000_000_000, 123_456_789), (-1, 999_999_999), (1, 0)] {
            let time = Timespec { tv_sec, tv_nsec };
            // Some set both or none.
            for last_access in [as_it_is, time] {
                let times = Timestamps {
                    last_access,
                    last_modification: time,
                };
                rustix::fs::utimensat(directory, &name, &times, AtFlags::SYMLINK_NOFOLLOW)?;
                let found = status(directory, &name)?;
                if (found.st_mtime, i64::try_from(found.st_mtime_nsec)) != (tv_sec, Ok(tv_nsec)) {
                    return Ok(false);
                }
            }
        }
    }
    Ok(true)
}

fn hard_links(directory: BorrowedFd<'_>) -> Result<bool, Errno> {
    file(directory, b"link-1")?;
    rustix::fs::linkat(directory, "link-1", directory, "link-2", AtFlags::empty())?;
    let [one, other] = ["link-1", "link-2"].map(|name| status(directory, name));
    let (one, other) = (one?, other?);
    Ok(one.st_ino == other.st_ino && (one.st_nlink, other.st_nlink) == (2, 2))
}

fn targets(directory: BorrowedFd<'_>) -> Result<bool, Errno> {
    let target = [&[0xff; 500][..], b"//./\\", &[0x80; 400]].concat();
    rustix::fs::symlinkat(OsStr::from_bytes(&target), directory, "target")?;
    let found = rustix::fs::readlinkat(directory, "target", Vec::new())?;
    Ok(found.as_bytes() == target)
}

/// Tells whether there are files of just these names, all in one directory of their own.
fn holds_names(directory: BorrowedFd<'_>, new: &str, given: &[&[u8]]) -> Result<bool, Errno> {
    rustix::fs::mkdirat(directory, new, Mode::RWXU)?;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let directory = rustix::fs::openat(directory, new, flags, Mode::empty())?;
    for name in given {
        file(directory.as_fd(), name)?;
    }
    let mut given: Vec<_> = given.iter().map(|name| name.to_vec()).collect();
    given.sort_unstable();
    Ok(names(&directory)? == given)
}

fn case(directory: BorrowedFd<'_>) -> Result<bool, Errno> {
    holds_names(directory, "case", &[b"makefile", b"Makefile", b"MAKEFILE"])
}

fn composition(directory: BorrowedFd<'_>) -> Result<bool, Errno> {
    let names = ["\u{e9}", "e\u{301}"].map(str::as_bytes);
    holds_names(directory, "composition", &names)
}

fn long_names(directory: BorrowedFd<'_>) -> Result<bool, Errno> {
    holds_names(directory, "long", &[&[0xff; 255]])
}

fn odd_names(directory: BorrowedFd<'_>) -> Result<bool, Errno> {
    let all: Vec<u8> = (1..=127).filter(|byte| *byte != b'/').collect();
    holds_names(directory, "odd", &[&all, b"end.", b"end ", b"nul", b"a:b"])
}

/// Makes of a directory one that hands on nothing to what is made in it: no group, and no access list.
pub fn shut_off(directory: &Tree) -> io::Result<()> {
    for name in ["system.posix_acl_default", "system.posix_acl_access"] {
        match rustix::fs::fremovexattr(directory, name) {
            Ok(()) | Err(Errno::NODATA | Errno::NOTSUP) => {}
            Err(error) => return Err(error.into()),
        }
    }
    rustix::fs::fchown(directory, Some(Uid::ROOT), Some(Gid::ROOT))?;
    Ok(rustix::fs::fchmod(directory, Mode::RWXU)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_tests_are_made_on_holds_all_of_it_for_root() {
        let directory = tempfile::tempdir_in("/var/tmp").unwrap();
        let lacks = lacks(&Tree::open(directory.path()).unwrap()).unwrap();
        let expected: &[&str] = if rustix::process::geteuid().is_root() {
            &[]
        } else {
            // Nobody else may give files away, or has such capabilities.
            &["owners of files", "extended attributes"]
        };
        assert_eq!(lacks, expected);
    }
}
