//! Calls that give a file another name.
//!
//! An ordinary user's overlay file system does not know the two names of a file for one, if the file is from an earlier
//! step and was looked at before it had two: they have different numbers (inodes), and whoever copies them makes
//! two files. To the system's root they are one. So the file is looked up anew before it gets the name.

use std::ffi::OsStr;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;

use rustix::fs::{
    Access, AtFlags, FileType, Mode, OFlags, ResolveFlags, Stat, Timespec, Timestamps,
};
use rustix::io::Errno;

use super::answer::{Answer, Stop};
use super::asked::Asked;
use super::caller::Target;
use super::place::by_number;
use crate::held::File;

/// The right to do with a file what its owner may do.
const FOWNER: u64 = 1 << 3;

/// Gives a file another name.
pub(super) fn link(asked: &Asked<'_>) -> Result<Answer, Stop> {
    // What cannot be found, the kernel says best; and what is known by a descriptor only has no name.
    let Ok(Target::Path { from, path, .. }) = asked.target() else {
        return Ok(Answer::Kernel);
    };
    let target = Target::Path {
        from,
        path,
        follow: false,
    };
    let Ok(file) = asked.caller.open(&target, None) else {
        return Ok(Answer::Kernel);
    };
    let status = rustix::fs::fstat(&file)?;
    let is_regular = FileType::from_raw_mode(status.st_mode) == FileType::RegularFile;
    let is_watched = asked.set_ids.knows(&file)?;
    let is_one = status.st_nlink != 1 || is_of_changes(asked, &file, &status);
    if !is_regular || (is_one && !is_watched) {
        return Ok(Answer::Kernel);
    }
    if !may_link(asked, &target, &status)? {
        return Ok(Answer::Kernel);
    }
    let (directory, name) = target.split();
    let Ok(directory) = asked.caller.open(&directory, None) else {
        return Ok(Answer::Kernel);
    };
    let before = rustix::fs::fstat(&directory)?;
    if renew(asked, &file, &directory, &name)? {
        let times = times(&before);
        rustix::fs::utimensat(&directory, ".", &times, AtFlags::empty())?;
    }
    Ok(Answer::Kernel)
}

/// Tells whether the caller may give a file that other name: if not, nothing is changed for it.
fn may_link(asked: &Asked<'_>, target: &Target, status: &Stat) -> Result<bool, Errno> {
    let (from, place) = match asked.held.file {
        File::Link(_) => (libc::AT_FDCWD, 1),
        _ => (asked.argument(2).cast_signed(), 3),
    };
    let path = asked.caller.read_path(asked.address(place))?;
    let other = Target::Path {
        from,
        path,
        follow: false,
    };
    if asked.caller.open(&other, None).is_ok() {
        return Ok(false);
    }
    let identity = asked.caller.identity()?;
    let may = |target: &Target, access| {
        let answer = asked.caller.at(target, Some(identity), |from, path| {
            rustix::fs::accessat(from, path, access, AtFlags::EACCESS)
        });
        answer.is_ok()
    };
    // What is another's is linked by whoever may read and write it.
    let is_own = identity.user == status.st_uid || asked.caller.has(FOWNER)?;
    let may_be_linked = is_own || may(target, Access::READ_OK | Access::WRITE_OK);
    let (directory, _) = other.split();
    Ok(may_be_linked && may(&directory, Access::WRITE_OK | Access::EXEC_OK))
}

/// Tells whether the number of a file is that of the one in the directory of changes, as a second name of it
/// would have.
fn is_of_changes(asked: &Asked<'_>, file: &OwnedFd, status: &Stat) -> bool {
    let Some(changes) = &asked.rules.changes else {
        return false;
    };
    let Ok(path) = rustix::fs::readlink(by_number(file), Vec::new()) else {
        return false;
    };
    let path = path.as_bytes();
    let path = OsStr::from_bytes(path.strip_prefix(b"/").unwrap_or(path));
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let own = rustix::fs::openat2(changes, path, flags, Mode::empty(), resolve);
    let own = own.and_then(rustix::fs::fstat);
    own.is_ok_and(|own| own.st_ino == status.st_ino)
}

/// Has the name of a file be that of what the file is called by a new name. Returns whether it could try.
fn renew(
    asked: &Asked<'_>,
    file: &OwnedFd,
    directory: &OwnedFd,
    name: &[u8],
) -> Result<bool, Stop> {
    let other = format!(".stagex-{:x}", asked.call.id);
    let other = other.as_bytes();
    let linked = rustix::fs::linkat(directory, name, directory, other, AtFlags::empty());
    if linked.is_err() {
        // So it is for the caller: nothing can be written there, or the names are not of one file system.
        return Ok(false);
    }
    let renewed = || -> Result<OwnedFd, Errno> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let found = rustix::fs::openat(directory.as_fd(), other, flags, Mode::empty())?;
        let inode = |status: Stat| (status.st_dev, status.st_ino);
        if inode(rustix::fs::fstat(file)?) == inode(rustix::fs::fstat(&found)?) {
            rustix::fs::unlinkat(directory, other, AtFlags::empty())?;
        } else {
            // One name over the other the kernel does not rename: to the file system below they are of one file.
            rustix::fs::unlinkat(directory, name, AtFlags::empty())?;
            rustix::fs::renameat(directory, other, directory, name)?;
        }
        Ok(found)
    };
    let found = renewed().map_err(|errno| {
        let name = String::from_utf8_lossy(name);
        Stop::refused(&format!(
            "it gives `{name}`, which is from an earlier step, another name: {errno}"
        ))
    })?;
    asked.set_ids.follow(file, found)?;
    Ok(true)
}

fn times(status: &Stat) -> Timestamps {
    let time = |seconds: i64, fraction: u64| Timespec {
        tv_sec: seconds,
        // Less than a thousand million.
        tv_nsec: i64::try_from(fraction).unwrap_or(0),
    };
    Timestamps {
        last_access: time(status.st_atime, status.st_atime_nsec),
        last_modification: time(status.st_mtime, status.st_mtime_nsec),
    }
}
