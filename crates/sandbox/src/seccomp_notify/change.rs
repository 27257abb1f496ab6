//! Calls that make what the kernel does not make for an ordinary user, or could forge it.

use std::io::ErrorKind;
use std::os::fd::AsFd as _;

use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;

use super::answer::{Answer, Stop, Verdict};
use super::asked::Asked;
use super::caller::Target;
use super::{look, mode};
use crate::held::File;

/// The rights to give files away, and to make devices.
const CHOWN: u64 = 1;
const MKNOD: u64 = 1 << 27;

/// The attributes that are lists of who may do what, and how their entries look: what it is of, what it
/// allows, and whom.
const LISTS: [&[u8]; 2] = [b"system.posix_acl_access", b"system.posix_acl_default"];
const LIST_HEAD: usize = 4;
const ENTRY: usize = 8;
const OF_ONE_USER: u16 = 0x02;
const OF_ONE_GROUP: u16 = 0x08;
/// How long an attribute's value may be.
const LONGEST_VALUE: u64 = 1 << 16;
/// How many groups a process may have.
const MOST_GROUPS: u32 = 1 << 16;

/// Makes a device, or another file.
pub(super) fn device(asked: &Asked<'_>, mode: usize) -> Result<Answer, Stop> {
    let number = u64::from(asked.argument(mode + 1));
    let mode = asked.argument(mode);
    let kind = FileType::from_raw_mode(mode);
    if !matches!(kind, FileType::CharacterDevice | FileType::BlockDevice) {
        return mode::make_set_id(asked, mode);
    }
    let is_whiteout = kind == FileType::CharacterDevice && number == 0;
    // What stands for a deletion anybody may make; and who may make no other is told so by the kernel.
    if is_whiteout || !asked.caller.has(MKNOD)? {
        return Ok(Answer::Kernel);
    }
    if !asked.is_watched() {
        return Err(Stop::Verdict(Verdict::Again));
    }
    let target = asked.target()?;
    let identity = asked.caller.identity()?;
    let made = asked.caller.at(&target, Some(identity), |from, path| {
        let mode = Mode::from_raw_mode(mode & 0o7777);
        rustix::fs::mknodat(from, path, FileType::RegularFile, mode, 0)?;
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        rustix::fs::openat(from, path, flags, Mode::empty())
    })?;
    let marked = asked.stand_ins().stand_for(made.as_fd(), kind, number);
    marked.map_err(|error| {
        Stop::refused(&format!(
            "it makes a device file where none can stand: {error}"
        ))
    })?;
    Ok(Answer::Value(0))
}

/// Gives a file away.
pub(super) fn owner(asked: &Asked<'_>, user: usize) -> Result<Answer, Stop> {
    if let File::Flagged(_, flags) = asked.held.file {
        let known = libc::AT_SYMLINK_NOFOLLOW | libc::AT_EMPTY_PATH;
        if asked.argument(flags) & !known.cast_unsigned() != 0 {
            return Err(Errno::INVAL.into());
        }
    }
    let ids = [user, user + 1].map(|place| asked.held.id(asked.address(place)));
    let target = asked.target()?;
    if let (File::Descriptor(_), Target::Descriptor(number)) = (asked.held.file, &target)
        && asked.caller.is_a_place(*number)?
    {
        return Err(Errno::BADF.into());
    }
    let file = asked.caller.open(&target, Some(asked.caller.identity()?))?;
    if !asked.caller.has(CHOWN)? {
        // Nobody is a member of a group beyond the ranges, nor a user.
        let beyond = asked.rules.beyond;
        return if ids.iter().flatten().any(|id| *id > beyond) {
            Err(Errno::PERM.into())
        } else {
            Ok(Answer::Kernel)
        };
    }
    if !asked.is_watched() {
        return Err(Stop::Verdict(Verdict::Again));
    }
    let [user, group] = ids;
    match asked.stand_ins().give(file.as_fd(), user, group) {
        Ok(()) => Ok(Answer::Value(0)),
        Err(error) if error.kind() == ErrorKind::InvalidInput => Err(Stop::refused(
            "it gives a file that is neither a regular file nor a directory to a user or a group \
             beyond the ranges that are set aside for this user",
        )),
        Err(error) => Err(error.into()),
    }
}

/// Takes on groups.
pub(super) fn groups(asked: &Asked<'_>) -> Result<Answer, Stop> {
    let (count, width) = (asked.argument(0), asked.held.width());
    if count > MOST_GROUPS {
        return Ok(Answer::Kernel);
    }
    let mut list = vec![0; usize::try_from(count).unwrap_or(0) * width];
    asked.caller.read(asked.address(1), &mut list)?;
    let beyond = asked.rules.beyond;
    let is_beyond = list.chunks_exact(width).any(|bytes| {
        let mut number = [0; 8];
        number[..width].copy_from_slice(bytes);
        let id = asked.held.id(u64::from_le_bytes(number));
        id.is_some_and(|id| id > beyond)
    });
    if is_beyond {
        return Err(Stop::refused(
            "it enters a group beyond the ranges that are set aside for this user",
        ));
    }
    Ok(Answer::Kernel)
}

/// Sets an attribute.
pub(super) fn set_attribute(asked: &Asked<'_>, name: usize) -> Result<Answer, Stop> {
    let (value, size) = (asked.address(name + 1), asked.address(name + 2));
    let name = asked.caller.read_name(asked.address(name))?;
    refuse_mark(asked, &name)?;
    if LISTS.contains(&name.as_slice()) && size <= LONGEST_VALUE {
        let mut list = vec![0; usize::try_from(size).unwrap_or(0)];
        asked.caller.read(value, &mut list)?;
        if names_beyond(&list, asked.rules.beyond) {
            return Err(Stop::refused(
                "it sets an access control list that names a user or a group beyond the ranges \
                 that are set aside for this user",
            ));
        }
    }
    look::of_a_device(asked, &name, Errno::PERM)
}

/// Removes an attribute.
pub(super) fn remove_attribute(asked: &Asked<'_>, name: usize) -> Result<Answer, Stop> {
    let name = asked.caller.read_name(asked.address(name))?;
    refuse_mark(asked, &name)?;
    look::of_a_device(asked, &name, Errno::PERM)
}

fn refuse_mark(asked: &Asked<'_>, name: &[u8]) -> Result<(), Stop> {
    if !asked.stand_ins().is_mark(name) {
        return Ok(());
    }
    let name = String::from_utf8_lossy(name);
    Err(Stop::refused(&format!(
        "it changes the attribute `{name}`, by which stagex itself marks files"
    )))
}

/// Tells whether an access control list names somebody beyond a number.
fn names_beyond(list: &[u8], beyond: u32) -> bool {
    let entries = list.get(LIST_HEAD..).unwrap_or_default();
    entries.chunks_exact(ENTRY).any(|entry| {
        let [a, b, _, _, id @ ..] = entry else {
            return false;
        };
        let of = u16::from_le_bytes([*a, *b]);
        let id = id.try_into().map_or(0, u32::from_le_bytes);
        [OF_ONE_USER, OF_ONE_GROUP].contains(&of) && id > beyond && id != u32::MAX
    })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::names_beyond;

    #[rstest]
    #[case(0x02, 70_000, true)]
    #[case(0x08, 70_000, true)]
    #[case(0x02, 65_536, false)]
    #[case(0x04, u32::MAX, false)]
    #[case(0x20, u32::MAX, false)]
    fn lists_that_name_somebody(#[case] of: u16, #[case] id: u32, #[case] expected: bool) {
        let head = 2_u32.to_le_bytes();
        let list = [&head[..], &of.to_le_bytes(), &[7, 0], &id.to_le_bytes()].concat();
        assert_eq!(names_beyond(&list, 65_536), expected);
        assert!(!names_beyond(&list[..7], 65_536));
    }
}
