//! What the kernel does not make for an ordinary user: device files, and files that belong to users
//! beyond the ranges that are set aside. Something stands in for each, and an attribute says what it
//! is: an empty file for a device, and the last user of the ranges for one beyond.
//!
//! Whoever reads a status here is told what it stands for. A process that looks for itself sees the
//! stand-in.

use std::ffi::OsStr;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::sync::OnceLock;

use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, Stat, Uid, XattrFlags};
use rustix::io::Errno;

use crate::users::Owner;

/// What all names of these attributes begin with.
pub(crate) const PREFIX: &str = "user.stagex.";
/// Of an empty file: `c` or `b`, and the number of the device that it stands for.
const DEVICE: &str = "user.stagex.device";
/// The user and the group that it belongs to.
const OWNER: &str = "user.stagex.owner";

/// The number of no user and no group: a file that is given to it stays whose it is.
const NOBODY: u32 = u32::MAX;

/// Returns the user, and the group, that stands in for all from itself on; nothing where this process
/// may give files to anybody.
pub fn stand_in() -> Option<u32> {
    static FOUND: OnceLock<Option<u32>> = OnceLock::new();
    *FOUND.get_or_init(|| {
        let maps = ["/proc/self/uid_map", "/proc/self/gid_map"].map(std::fs::read_to_string);
        let ends = maps.into_iter().filter_map(|map| end(&map.ok()?));
        ends.min().filter(|end| *end < u32::MAX).map(|end| end - 1)
    })
}

/// Returns the first number that a map does not have, above those that it has.
fn end(map: &str) -> Option<u32> {
    let ends = map.lines().filter_map(|line| {
        let mut fields = line.split_whitespace();
        let first: u32 = fields.next()?.parse().ok()?;
        first.checked_add(fields.nth(1)?.parse().ok()?)
    });
    ends.max()
}

/// Makes a device file, or what stands in for it.
pub fn make_device(
    folder: BorrowedFd<'_>,
    name: &OsStr,
    (kind, mode): (FileType, Mode),
    number: u64,
) -> Result<(), Errno> {
    match rustix::fs::mknodat(folder, name, kind, mode, number) {
        Err(Errno::PERM) if stand_in().is_some() && number != 0 => {}
        made => return made,
    }
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let file = rustix::fs::openat(folder, name, flags, Mode::RUSR | Mode::WUSR)?;
    let letter = if kind == FileType::BlockDevice {
        'b'
    } else {
        'c'
    };
    let value = format!("{letter} {number}");
    let marked = rustix::fs::fsetxattr(&file, DEVICE, value.as_bytes(), XattrFlags::empty())
        .and_then(|()| rustix::fs::fchmod(&file, mode));
    if marked.is_err() {
        rustix::fs::unlinkat(folder, name, AtFlags::empty())?;
    }
    marked
}

/// Refuses the one device that the overlay file system takes for a deleted file, as that itself does.
pub(crate) fn refuse_whiteout(kind: FileType, number: u64) -> Result<(), Errno> {
    if kind == FileType::CharacterDevice && number == rustix::fs::makedev(0, 0) {
        return Err(Errno::PERM);
    }
    Ok(())
}

/// Gives a file in a folder to somebody; a link is not followed.
pub(crate) fn set_owner(folder: BorrowedFd<'_>, name: &[u8], owner: Owner) -> Result<(), Errno> {
    let name = OsStr::from_bytes(name);
    let is_beyond = |stand_in: u32| owner.user.max(owner.group) >= stand_in;
    if !stand_in().is_some_and(is_beyond) {
        let (user, group) = (uid(owner.user), gid(owner.group));
        return rustix::fs::chownat(folder, name, user, group, AtFlags::SYMLINK_NOFOLLOW);
    }
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = rustix::fs::openat(folder, name, flags, Mode::empty())?;
    give(file.as_fd(), Some(owner.user), Some(owner.group))
}

fn uid(id: u32) -> Option<Uid> {
    (id != NOBODY).then(|| Uid::from_raw(id))
}

fn gid(id: u32) -> Option<Gid> {
    (id != NOBODY).then(|| Gid::from_raw(id))
}

/// Gives a file, of which the descriptor says no more than where it is, to a user, a group or both.
pub fn give(file: BorrowedFd<'_>, user: Option<u32>, group: Option<u32>) -> Result<(), Errno> {
    let [user, group] = [user, group].map(|id| id.filter(|id| *id != NOBODY));
    let stand_in = stand_in().unwrap_or(NOBODY);
    let set = [user, group].map(|id| id.map(|id| id.min(stand_in)));
    if set.contains(&Some(stand_in)) {
        let mut status = rustix::fs::fstat(file)?;
        let kind = FileType::from_raw_mode(status.st_mode);
        if !matches!(kind, FileType::RegularFile | FileType::Directory) {
            // It can have no attribute.
            return Err(Errno::INVAL);
        }
        see(&mut status, file)?;
        let value = format!(
            "{} {}",
            user.unwrap_or(status.st_uid),
            group.unwrap_or(status.st_gid)
        );
        let empty = XattrFlags::empty();
        rustix::fs::setxattr(path(file), OWNER, value.as_bytes(), empty)?;
    }
    let [user, group] = set;
    let (user, group) = (user.and_then(uid), group.and_then(gid));
    rustix::fs::chownat(file, "", user, group, AtFlags::EMPTY_PATH)
}

/// Returns the status of a file in a folder; a link is not followed.
pub(crate) fn status_at(folder: impl AsFd, name: &OsStr) -> Result<Stat, Errno> {
    let mut status = rustix::fs::statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW)?;
    if may_stand_in(&status) {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = rustix::fs::openat(folder, name, flags, Mode::empty())?;
        see(&mut status, file.as_fd())?;
    }
    Ok(status)
}

/// Makes of a file's status that of what it stands for.
pub(crate) fn see(status: &mut Stat, file: BorrowedFd<'_>) -> Result<(), Errno> {
    if !may_stand_in(status) {
        return Ok(());
    }
    if FileType::from_raw_mode(status.st_mode) == FileType::RegularFile
        && let Some(text) = attribute(file, DEVICE)?
        && let Some((letter, number)) = text.split_once(' ')
        && let Ok(number) = number.parse()
    {
        let kind = match letter {
            "b" => FileType::BlockDevice,
            _ => FileType::CharacterDevice,
        };
        status.st_mode = status.st_mode & 0o7777 | kind.as_raw_mode();
        status.st_rdev = number;
    }
    if let Some(text) = attribute(file, OWNER)?
        && let Some((user, group)) = text.split_once(' ')
        && let (Ok(user), Ok(group)) = (user.parse(), group.parse())
    {
        let stand_in = stand_in();
        if Some(status.st_uid) == stand_in {
            status.st_uid = user;
        }
        if Some(status.st_gid) == stand_in {
            status.st_gid = group;
        }
    }
    Ok(())
}

/// Tells whether a file may stand for another: most may not, and need not be asked.
fn may_stand_in(status: &Stat) -> bool {
    let Some(stand_in) = stand_in() else {
        return false;
    };
    match FileType::from_raw_mode(status.st_mode) {
        FileType::RegularFile if status.st_size == 0 => true,
        FileType::RegularFile | FileType::Directory => {
            [status.st_uid, status.st_gid].contains(&stand_in)
        }
        _ => false,
    }
}

fn attribute(file: BorrowedFd<'_>, name: &str) -> Result<Option<String>, Errno> {
    let mut value = [0; 64];
    match rustix::fs::getxattr(path(file), name, &mut value[..]) {
        Ok(length) => Ok(String::from_utf8(value[..length].to_vec()).ok()),
        Err(Errno::NODATA | Errno::NOTSUP | Errno::RANGE) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Returns a path of a file that is only known to be somewhere: its attributes are asked for by path.
fn path(file: BorrowedFd<'_>) -> String {
    format!("/proc/self/fd/{}", file.as_raw_fd())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::end;

    #[rstest]
    #[case("         0          0 4294967295\n", Some(u32::MAX))]
    #[case("0 1000 1\n1 100000 65536\n", Some(65_537))]
    #[case("", None)]
    fn where_the_ranges_end(#[case] map: &str, #[case] expected: Option<u32>) {
        assert_eq!(end(map), expected);
    }
}
