//! Calls that could tell what stands in from what it stands for: answered as if that were there.

use std::ffi::OsStr;
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use super::answer::{Answer, Stop};
use super::asked::Asked;
use super::caller::Target;
use super::mode;
use super::place::by_number;
use crate::held::{File, Kind};

/// How much of a directory is read at once, at most.
const LARGEST_LIST: usize = 1 << 16;
/// Where an entry of a directory has its length, its kind and its name.
const ENTRY_LENGTH: usize = 16;
const ENTRY_KIND: usize = 18;
const ENTRY_NAME: usize = 19;
/// The most that a list of attributes takes.
const LARGEST_NAMES: usize = 1 << 16;

/// A file that stands in.
struct StandIn {
    file: OwnedFd,
    /// Of what it stands for.
    status: Stat,
}

/// Returns what the call is about, if that stands in for something, and if the caller would be let there.
fn stand_in(asked: &Asked<'_>) -> Result<Option<StandIn>, Stop> {
    let Ok(target) = asked.target() else {
        return Ok(None);
    };
    // What cannot be found, the kernel says best.
    let Ok(file) = asked.caller.open(&target, None) else {
        return Ok(None);
    };
    let Some(status) = status_of(asked, file.as_fd())? else {
        return Ok(None);
    };
    if matches!(target, Target::Path { .. }) {
        asked.caller.open(&target, Some(asked.caller.identity()?))?;
    }
    Ok(Some(StandIn { file, status }))
}

fn status_of(asked: &Asked<'_>, file: BorrowedFd<'_>) -> Result<Option<Stat>, Stop> {
    asked.stand_ins().status(file).map_err(|error| {
        Stop::refused(&format!(
            "it looks at a file of which nobody can tell whose it is: {error}"
        ))
    })
}

/// Returns what the call is about, if that stands in for a device.
fn device_there(asked: &Asked<'_>) -> Result<Option<StandIn>, Stop> {
    let stand_in = stand_in(asked)?;
    Ok(stand_in.filter(|stand_in| is_device(&stand_in.status)))
}

fn refuse_32_bits(asked: &Asked<'_>) -> Result<(), Stop> {
    if asked.is_of_32_bits() {
        return Err(Stop::refused(
            "a 32-bit program looks at a device file, or at a file of a user or a group beyond the \
             ranges that are set aside for this user",
        ));
    }
    Ok(())
}

/// Tells a file's status.
pub(super) fn status(asked: &Asked<'_>, buffer: usize) -> Result<Answer, Stop> {
    let flags = match asked.held.file {
        File::Flagged(_, flags) => asked.argument(flags).cast_signed(),
        _ => 0,
    };
    let known = libc::AT_SYMLINK_NOFOLLOW | libc::AT_EMPTY_PATH | libc::AT_NO_AUTOMOUNT;
    if flags & !known != 0 {
        return Ok(Answer::Kernel);
    }
    let Some(StandIn { status, .. }) = stand_in(asked)? else {
        return Ok(Answer::Kernel);
    };
    refuse_32_bits(asked)?;
    // SAFETY: it is what the kernel has written, of numbers without anything between them.
    let bytes =
        unsafe { std::slice::from_raw_parts((&raw const status).cast::<u8>(), size_of::<Stat>()) };
    asked.caller.write(asked.address(buffer), bytes)?;
    Ok(Answer::Value(0))
}

/// Tells a file's status as `statx` does.
pub(super) fn extended_status(asked: &Asked<'_>, mask: usize) -> Result<Answer, Stop> {
    let Some(StandIn { file, status }) = stand_in(asked)? else {
        return Ok(Answer::Kernel);
    };
    let flags = match asked.held.file {
        File::Flagged(_, flags) => asked.argument(flags).cast_signed(),
        _ => 0,
    };
    // SAFETY: of zeroes the kernel makes what it has to say.
    let mut told: libc::statx = unsafe { std::mem::zeroed() };
    // SAFETY: the path is empty and ends, and there is as much room as the call wants.
    let done = unsafe {
        libc::syscall(
            libc::SYS_statx,
            file.as_raw_fd(),
            c"".as_ptr(),
            flags | libc::AT_EMPTY_PATH,
            asked.argument(mask),
            &raw mut told,
        )
    };
    if done != 0 {
        return Err(std::io::Error::last_os_error().into());
    }
    let kind_and_mode = status.st_mode & 0xffff;
    told.stx_mode = u16::try_from(kind_and_mode).unwrap_or(told.stx_mode);
    (told.stx_uid, told.stx_gid) = (status.st_uid, status.st_gid);
    told.stx_blocks = status.st_blocks.cast_unsigned();
    told.stx_rdev_major = rustix::fs::major(status.st_rdev);
    told.stx_rdev_minor = rustix::fs::minor(status.st_rdev);
    // SAFETY: as above.
    let bytes = unsafe {
        std::slice::from_raw_parts((&raw const told).cast::<u8>(), size_of::<libc::statx>())
    };
    asked.caller.write(asked.address(mask + 1), bytes)?;
    Ok(Answer::Value(0))
}

/// Opens a file: no device can be, in a build.
pub(super) fn open(asked: &Asked<'_>) -> Result<Answer, Stop> {
    let flags = match asked.held.kind {
        Kind::Open(place) => asked.argument(place),
        Kind::OpenHow(place) => {
            let mut flags = [0; 8];
            asked.caller.read(asked.address(place), &mut flags)?;
            u32::try_from(u64::from_le_bytes(flags) & 0xffff_ffff).unwrap_or(0)
        }
        _ => (OFlags::CREATE | OFlags::WRONLY | OFlags::TRUNC).bits(),
    };
    let flags = OFlags::from_bits_retain(flags);
    if let Some(answer) = mode::open_set_id(asked, flags)? {
        return Ok(answer);
    }
    if !asked.is_watched() {
        return Ok(Answer::Kernel);
    }
    let is_answered_alike = flags.contains(OFlags::PATH)
        || flags.contains(OFlags::DIRECTORY)
        || flags.contains(OFlags::CREATE | OFlags::EXCL);
    if is_answered_alike {
        return Ok(Answer::Kernel);
    }
    let Ok(mut target) = asked.target() else {
        return Ok(Answer::Kernel);
    };
    if let Target::Path { follow, .. } = &mut target {
        *follow = !flags.contains(OFlags::NOFOLLOW);
    }
    let Ok(file) = asked.caller.open(&target, None) else {
        return Ok(Answer::Kernel);
    };
    match status_of(asked, file.as_fd())? {
        Some(status) if is_device(&status) => Err(Errno::ACCESS.into()),
        _ => Ok(Answer::Kernel),
    }
}

/// Does what cannot be done with a device, and what the kernel says of one.
pub(super) fn use_device(asked: &Asked<'_>, errno: Errno) -> Result<Answer, Stop> {
    match device_there(asked)? {
        Some(_) => Err(errno.into()),
        None => Ok(Answer::Kernel),
    }
}

/// Answers for an attribute, of which a device has none of a user's; the kernel otherwise.
pub(super) fn of_a_device(asked: &Asked<'_>, name: &[u8], errno: Errno) -> Result<Answer, Stop> {
    if asked.is_watched() && name.starts_with(b"user.") {
        return use_device(asked, errno);
    }
    Ok(Answer::Kernel)
}

/// Reads an attribute.
pub(super) fn read_attribute(asked: &Asked<'_>, name: usize) -> Result<Answer, Stop> {
    let name = asked.caller.read_name(asked.address(name))?;
    if !asked.stand_ins().is_mark(&name) {
        return of_a_device(asked, &name, Errno::NODATA);
    }
    asked
        .caller
        .open(&asked.target()?, Some(asked.caller.identity()?))?;
    Err(Errno::NODATA.into())
}

/// Lists attributes.
pub(super) fn list_attributes(asked: &Asked<'_>, buffer: usize) -> Result<Answer, Stop> {
    let Ok(target) = asked.target() else {
        return Ok(Answer::Kernel);
    };
    let Ok(file) = asked.caller.open(&target, None) else {
        return Ok(Answer::Kernel);
    };
    let mut list = vec![0; LARGEST_NAMES];
    // That of a symbolic link would be its target's: it has none that are marks.
    let status = rustix::fs::fstat(&file)?;
    let kind = FileType::from_raw_mode(status.st_mode);
    if !matches!(kind, FileType::RegularFile | FileType::Directory) {
        return Ok(Answer::Kernel);
    }
    let Ok(length) = rustix::fs::listxattr(by_number(&file), &mut list[..]) else {
        return Ok(Answer::Kernel);
    };
    let names = list[..length].split_inclusive(|byte| *byte == 0);
    let is_mark = |name: &&[u8]| {
        asked
            .stand_ins()
            .is_mark(name.strip_suffix(&[0]).unwrap_or(name))
    };
    if !names.clone().any(|name| is_mark(&name)) {
        return Ok(Answer::Kernel);
    }
    let status = status_of(asked, file.as_fd())?;
    let is_device = status.is_some_and(|status| is_device(&status));
    let is_shown = |name: &&[u8]| !(is_mark(name) || is_device && name.starts_with(b"user."));
    let shown: Vec<u8> = names.filter(is_shown).flatten().copied().collect();
    asked.caller.open(&target, Some(asked.caller.identity()?))?;
    let room = asked.address(buffer + 1);
    if room > 0 {
        if room < shown.len() as u64 {
            return Err(Errno::RANGE.into());
        }
        asked.caller.write(asked.address(buffer), &shown)?;
    }
    Ok(Answer::Value(i64::try_from(shown.len()).unwrap_or(0)))
}

/// Lists a directory: each entry says of what kind it is.
pub(super) fn list(asked: &Asked<'_>) -> Result<Answer, Stop> {
    let number = asked.argument(0).cast_signed();
    let directory = asked.caller.share(number)?;
    if !asked.is_waiting() {
        return Err(Errno::SRCH.into());
    }
    let room = usize::try_from(asked.argument(2)).unwrap_or(LARGEST_LIST);
    let mut list = vec![0; room.min(LARGEST_LIST)];
    // SAFETY: there is as much room as is said.
    let length = unsafe {
        libc::syscall(
            libc::SYS_getdents64,
            directory.as_raw_fd(),
            list.as_mut_ptr(),
            list.len(),
        )
    };
    let length = usize::try_from(length).map_err(|_| std::io::Error::last_os_error())?;
    let list = &mut list[..length];
    let mut at = 0;
    while let Some(entry) = list.get_mut(at..).filter(|rest| rest.len() > ENTRY_NAME) {
        at += usize::from(u16::from_le_bytes([
            entry[ENTRY_LENGTH],
            entry[ENTRY_LENGTH + 1],
        ]));
        if entry[ENTRY_KIND] == libc::DT_REG {
            let name = entry[ENTRY_NAME..].split(|byte| *byte == 0).next();
            let name = OsStr::from_bytes(name.unwrap_or_default());
            if let Some(kind) = device_in(asked, directory.as_fd(), name) {
                entry[ENTRY_KIND] = kind;
            }
        }
    }
    asked.caller.write(asked.address(1), list)?;
    Ok(Answer::Value(i64::try_from(length).unwrap_or(0)))
}

/// Lists a directory in a form that is not written here.
pub(super) fn list_in_an_old_form(asked: &Asked<'_>) -> Result<Answer, Stop> {
    let number = asked.argument(0).cast_signed();
    let Ok(directory) = asked
        .caller
        .descriptor(number, OFlags::RDONLY | OFlags::DIRECTORY)
    else {
        return Ok(Answer::Kernel);
    };
    for entry in rustix::fs::Dir::read_from(&directory)? {
        let name = entry?.file_name().to_owned();
        let name = OsStr::from_bytes(name.to_bytes());
        if device_in(asked, directory.as_fd(), name).is_some() {
            return Err(Stop::refused(
                "it lists a directory with a device file by an old call",
            ));
        }
    }
    Ok(Answer::Kernel)
}

/// Returns the kind of a device for which a file in a directory stands, as in a list of entries.
fn device_in(asked: &Asked<'_>, directory: BorrowedFd<'_>, name: &OsStr) -> Option<u8> {
    let seen = rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW);
    let may_be = |status: &Stat| {
        status.st_size == 0 && FileType::from_raw_mode(status.st_mode) == FileType::RegularFile
    };
    if !seen.is_ok_and(|status| may_be(&status)) {
        return None;
    }
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let Ok(file) = rustix::fs::openat(directory, name, flags, Mode::empty()) else {
        return None;
    };
    // Whose it is, is not said here.
    let status = asked.stand_ins().status(file.as_fd()).ok().flatten();
    let kind = status.map(|status| FileType::from_raw_mode(status.st_mode));
    match kind {
        Some(FileType::BlockDevice) => Some(libc::DT_BLK),
        Some(FileType::CharacterDevice) => Some(libc::DT_CHR),
        _ => None,
    }
}

fn is_device(status: &Stat) -> bool {
    let kind = FileType::from_raw_mode(status.st_mode);
    matches!(kind, FileType::BlockDevice | FileType::CharacterDevice)
}
