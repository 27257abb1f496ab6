//! What the kernel does not make for an ordinary user: device files, and files that belong to users
//! beyond the ranges that are set aside. Something stands in for each, and an attribute says what it
//! is: an empty file for a device, and the last user of the ranges for itself and all beyond.
//!
//! Whoever reads a status here is told what it stands for. A process that looks for itself would see the
//! stand-in: whoever starts one asks [`has_stand_ins`].

use std::ffi::OsStr;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{
    AtFlags, FileType, FsWord, Gid, Mode, OFlags, PROC_SUPER_MAGIC, Stat, Uid, XattrFlags,
};
use rustix::io::Errno;

use crate::owner::Owner;

/// What all names of these attributes begin with.
pub(crate) const PREFIX: &str = "user.stagex.";
/// Of an empty file: `c` or `b`, and the number of the device that it stands for.
const DEVICE: &str = "user.stagex.device";
/// The user and the group that it belongs to.
const OWNER: &str = "user.stagex.owner";

/// The number of no user and no group: a file that is given to it stays whose it is.
const NOBODY: u32 = u32::MAX;

/// Whether something stands in, in what this process has made or used.
static STANDS_IN: AtomicBool = AtomicBool::new(false);

/// Tells whether a file of those that this process has made or looked through may stand for another.
pub fn has_stand_ins() -> bool {
    STANDS_IN.load(Ordering::Relaxed)
}

/// Has it be known that a file stands for another, or will.
pub fn expect_stand_ins() {
    STANDS_IN.store(true, Ordering::Relaxed);
}

/// Tells whether an attribute says of a file what it stands for.
pub fn is_mark(attribute: &[u8]) -> bool {
    [DEVICE, OWNER]
        .iter()
        .any(|mark| mark.as_bytes() == attribute)
}

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
pub(crate) fn make_device(
    directory: BorrowedFd<'_>,
    name: &OsStr,
    (kind, mode): (FileType, Mode),
    number: u64,
) -> Result<(), Errno> {
    match rustix::fs::mknodat(directory, name, kind, mode, number) {
        Err(Errno::PERM) if stand_in().is_some() && !is_whiteout(kind, number) => {}
        made => return made,
    }
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let file = rustix::fs::openat(directory, name, flags, Mode::RUSR | Mode::WUSR)?;
    let marked =
        stand_for(file.as_fd(), kind, number).and_then(|()| rustix::fs::fchmod(&file, mode));
    if marked.is_err() {
        rustix::fs::unlinkat(directory, name, AtFlags::empty())?;
    }
    marked
}

/// Has an empty file, of which the descriptor says no more than where it is, stand for a device.
pub fn stand_for(file: BorrowedFd<'_>, kind: FileType, number: u64) -> Result<(), Errno> {
    expect_stand_ins();
    let letter = match kind {
        FileType::BlockDevice => 'b',
        _ => 'c',
    };
    let value = format!("{letter} {number}");
    rustix::fs::setxattr(path(file), DEVICE, value.as_bytes(), XattrFlags::empty())
}

fn is_whiteout(kind: FileType, number: u64) -> bool {
    kind == FileType::CharacterDevice && number == rustix::fs::makedev(0, 0)
}

/// Refuses the one device that the overlay file system takes for a deleted file, as that itself does.
pub(crate) fn refuse_whiteout(kind: FileType, number: u64) -> Result<(), Errno> {
    if is_whiteout(kind, number) {
        return Err(Errno::PERM);
    }
    Ok(())
}

/// Gives a file in a directory to somebody; a link is not followed.
pub(crate) fn set_owner(directory: BorrowedFd<'_>, name: &[u8], owner: Owner) -> Result<(), Errno> {
    let name = OsStr::from_bytes(name);
    let is_beyond = |stand_in: u32| owner.user.max(owner.group) >= stand_in;
    if !stand_in().is_some_and(is_beyond) {
        let (user, group) = (uid(owner.user), gid(owner.group));
        return rustix::fs::chownat(directory, name, user, group, AtFlags::SYMLINK_NOFOLLOW);
    }
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = rustix::fs::openat(directory, name, flags, Mode::empty())?;
    give(file.as_fd(), Some(owner.user), Some(owner.group))
}

fn uid(id: u32) -> Option<Uid> {
    (id != NOBODY).then(|| Uid::from_raw(id))
}

fn gid(id: u32) -> Option<Gid> {
    (id != NOBODY).then(|| Gid::from_raw(id))
}

/// Gives a file, of which the descriptor says no more than where it is, to a user, a group or both. It is
/// an invalid argument if the file can have no attribute that says whose it is.
pub fn give(file: BorrowedFd<'_>, user: Option<u32>, group: Option<u32>) -> Result<(), Errno> {
    let chown = |user: Option<u32>, group: Option<u32>| {
        let (user, group) = (user.and_then(uid), group.and_then(gid));
        rustix::fs::chownat(file, "", user, group, AtFlags::EMPTY_PATH)
    };
    let is_beyond = |stand_in: &u32| {
        [user, group]
            .into_iter()
            .flatten()
            .any(|id| id >= *stand_in)
    };
    let known = |id: &u32| *id != NOBODY;
    let (user, group) = (user.filter(known), group.filter(known));
    let Some(stand_in) = stand_in().filter(is_beyond) else {
        return chown(user, group);
    };
    expect_stand_ins();
    let mut status = rustix::fs::fstat(file)?;
    see(&mut status, file)?;
    chown(
        user.map(|id| id.min(stand_in)),
        group.map(|id| id.min(stand_in)),
    )?;
    let user = user.unwrap_or(status.st_uid);
    let group = group.unwrap_or(status.st_gid);
    if can_be_marked(&status) {
        let value = format!("{user} {group}");
        let empty = XattrFlags::empty();
        return rustix::fs::setxattr(path(file), OWNER, value.as_bytes(), empty);
    }
    // Without a mark, the user is who he seems to be; of a group, that may not be so.
    if user <= stand_in && group < stand_in {
        Ok(())
    } else {
        Err(Errno::INVAL)
    }
}

/// Tells whether a file can have an attribute that says whose it is. (The status may be that of a device
/// for which it stands.)
fn can_be_marked(status: &Stat) -> bool {
    let kind = FileType::from_raw_mode(status.st_mode);
    matches!(kind, FileType::RegularFile | FileType::Directory) || is_device(kind)
}

fn is_device(kind: FileType) -> bool {
    matches!(kind, FileType::CharacterDevice | FileType::BlockDevice)
}

/// Returns the status of a file in a directory; a link is not followed.
pub(crate) fn status_at(directory: impl AsFd, name: &OsStr) -> Result<Stat, Errno> {
    let mut status = rustix::fs::statat(&directory, name, AtFlags::SYMLINK_NOFOLLOW)?;
    if stand_in().is_some_and(|stand_in| may_stand_in(&status, stand_in)) {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = rustix::fs::openat(directory, name, flags, Mode::empty())?;
        see(&mut status, file.as_fd())?;
    }
    Ok(status)
}

/// Makes of a file's status that of what it stands for. It is [`Errno::OVERFLOW`] if it has the group that
/// stands in for others, and nothing says for which: it took that of a directory with the set-group-ID bit.
pub(crate) fn see(status: &mut Stat, file: BorrowedFd<'_>) -> Result<(), Errno> {
    let Some(stand_in) = stand_in().filter(|stand_in| may_stand_in(status, *stand_in)) else {
        return Ok(());
    };
    let is_of_all = status.st_gid == stand_in;
    let kind = FileType::from_raw_mode(status.st_mode);
    let mut owner = None;
    if can_be_marked(status) && !is_device(kind) {
        if kind == FileType::RegularFile
            && status.st_size == 0
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
            // Its attribute may have one.
            status.st_blocks = 0;
        }
        owner = attribute(file, OWNER)?;
    }
    let owner = owner.as_deref().and_then(|text| text.split_once(' '));
    let owner = owner.and_then(|(user, group)| Some((user.parse().ok()?, group.parse().ok()?)));
    let (user, group) = owner.unwrap_or((status.st_uid, 0));
    if status.st_uid == stand_in {
        status.st_uid = user;
    }
    if is_of_all && group < stand_in {
        return Err(Errno::OVERFLOW);
    }
    if is_of_all {
        status.st_gid = group;
    }
    Ok(())
}

/// Returns the status of what an open file stands for; nothing if it is what it seems to be.
pub fn status_of(file: BorrowedFd<'_>) -> Result<Option<Stat>, Errno> {
    let seeming = rustix::fs::fstat(file)?;
    let mut status = seeming;
    see(&mut status, file)?;
    let facts = |status: &Stat| (status.st_mode, status.st_rdev, status.st_uid, status.st_gid);
    Ok((facts(&status) != facts(&seeming)).then_some(status))
}

/// Tells whether a file may stand for another: most may not, and need not be asked.
fn may_stand_in(status: &Stat, stand_in: u32) -> bool {
    [status.st_uid, status.st_gid].contains(&stand_in)
        || (FileType::from_raw_mode(status.st_mode) == FileType::RegularFile && status.st_size == 0)
}

fn attribute(file: BorrowedFd<'_>, name: &str) -> Result<Option<String>, Errno> {
    let mut value = [0; 64];
    match rustix::fs::getxattr(path(file), name, &mut value[..]) {
        Ok(length) => Ok(String::from_utf8(value[..length].to_vec()).ok()),
        Err(Errno::NODATA | Errno::NOTSUP | Errno::RANGE) => Ok(None),
        // Some machines close files of /proc to all but root. Nothing there stands for anything.
        Err(Errno::ACCESS) if is_of_the_kernel(file)? => Ok(None),
        Err(error) => Err(error),
    }
}

/// Tells whether a file is one that the kernel shows of itself.
fn is_of_the_kernel(file: BorrowedFd<'_>) -> Result<bool, Errno> {
    const SYSFS: FsWord = 0x6265_6572;
    let system = rustix::fs::fstatfs(file)?.f_type;
    Ok([PROC_SUPER_MAGIC, SYSFS].contains(&system))
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
