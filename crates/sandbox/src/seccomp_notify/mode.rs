//! Calls that give a file the set-user-ID or the set-group-ID bit. They are done as the kernel does them; but
//! what they give it to is noted, since the kernel takes the bit away again when an ordinary user's build writes.

use std::os::fd::{AsRawFd as _, OwnedFd};

use rustix::fs::{CWD, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::answer::{Answer, Stop};
use super::asked::Asked;
use super::caller::Target;
use super::place::by_number;
use crate::held::{Kind, MAKES, SET_ID};

/// Gives a file a mode.
pub(super) fn mode(asked: &Asked<'_>, mode: usize) -> Result<Answer, Stop> {
    let Ok(target) = asked.target() else {
        return Ok(Answer::Kernel);
    };
    match asked.caller.open(&target, None) {
        Ok(file) => note(asked, file, asked.argument(mode) & SET_ID)?,
        Err(errno) => refuse_if_unknown(errno)?,
    }
    Ok(Answer::Kernel)
}

/// Makes a file that is no device, by `mknod`.
pub(super) fn make_set_id(asked: &Asked<'_>, mode: u32) -> Result<Answer, Stop> {
    let kind = FileType::from_raw_mode(mode);
    // Zero is as good.
    if !matches!(kind, FileType::RegularFile) && mode & !0o7777 != 0 {
        return Ok(Answer::Kernel);
    }
    let identity = asked.caller.identity()?;
    let made = asked
        .caller
        .at(&asked.target()?, Some(identity), |from, path| {
            let mode = Mode::from_raw_mode(mode & 0o7777);
            rustix::fs::mknodat(from, path, FileType::RegularFile, mode, 0)?;
            let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            rustix::fs::openat(from, path, flags, Mode::empty())
        })?;
    note_made(asked, made)?;
    Ok(Answer::Value(0))
}

/// Opens a file that it makes with such a bit; nothing if it does not make one.
pub(super) fn open_set_id(asked: &Asked<'_>, flags: OFlags) -> Result<Option<Answer>, Stop> {
    let mode = match asked.held.kind {
        Kind::Open(place) => u64::from(asked.argument(place + 1)),
        Kind::OpenHow(place) => {
            let mut mode = [0; 8];
            asked.caller.read(asked.address(place) + 8, &mut mode)?;
            u64::from_le_bytes(mode)
        }
        _ => u64::from(asked.argument(1)),
    };
    let makes = flags.bits() & MAKES != 0 && !flags.contains(OFlags::PATH);
    if !makes || mode & u64::from(SET_ID) == 0 {
        return Ok(None);
    }
    let Ok(mut target) = asked.target() else {
        return Ok(None);
    };
    if let Target::Path { follow, .. } = &mut target {
        *follow = !flags.contains(OFlags::NOFOLLOW);
    }
    let alone = if flags.contains(OFlags::TMPFILE) {
        OFlags::empty()
    } else {
        // What is there already keeps its mode, and may be a pipe, which would wait for somebody.
        OFlags::EXCL
    };
    if matches!(asked.held.kind, Kind::OpenHow(_)) {
        return match asked.caller.open(&target, None) {
            Ok(_) if alone == OFlags::EXCL => Ok(None),
            _ => Err(Stop::refused(
                "it makes a file with the set-user-ID or set-group-ID bit by `openat2`",
            )),
        };
    }
    let identity = asked.caller.identity()?;
    let opened = asked.caller.at(&target, Some(identity), |from, path| {
        let mode = Mode::from_raw_mode(u32::try_from(mode & 0o7777).unwrap_or(0));
        rustix::fs::openat(from, path, flags | alone | OFlags::CLOEXEC, mode)
    });
    match opened {
        Err(Errno::EXIST) if !flags.contains(OFlags::EXCL) => {
            match asked.caller.open(&target, None) {
                Err(Errno::NOENT) => Err(Stop::refused(
                    "it makes a file with the set-user-ID or set-group-ID bit where a symbolic link leads",
                )),
                _ => Ok(None),
            }
        }
        Err(errno) => Err(errno.into()),
        Ok(file) => {
            let place = rustix::fs::openat(
                CWD,
                by_number(&file),
                OFlags::PATH | OFlags::CLOEXEC,
                Mode::empty(),
            )?;
            note_made(asked, place)?;
            // The caller's is the only one when it is told: who executes a file that is open to be written fails.
            hand_over(asked, file, flags).map(Some)
        }
    }
}

/// Gives the caller a descriptor.
fn hand_over(asked: &Asked<'_>, file: OwnedFd, flags: OFlags) -> Result<Answer, Stop> {
    let close = flags & OFlags::CLOEXEC;
    let handed = libc::seccomp_notif_addfd {
        id: asked.call.id,
        flags: 0,
        srcfd: file.as_raw_fd().cast_unsigned(),
        newfd: 0,
        newfd_flags: close.bits(),
    };
    // SAFETY: the descriptor is the filter's, and the argument is what the call wants.
    let number = unsafe {
        libc::ioctl(
            asked.listener.as_raw_fd(),
            libc::SECCOMP_IOCTL_NOTIF_ADDFD,
            &raw const handed,
        )
    };
    if number < 0 {
        return Err(std::io::Error::last_os_error().into());
    }
    drop(file);
    Ok(Answer::Value(i64::from(number)))
}

fn note_made(asked: &Asked<'_>, file: OwnedFd) -> Result<(), Stop> {
    // Not always are they those that were asked for.
    let bits = rustix::fs::fstat(&file)?.st_mode & SET_ID;
    note(asked, file, bits)
}

fn note(asked: &Asked<'_>, file: OwnedFd, bits: u32) -> Result<(), Stop> {
    asked.set_ids.give(file, bits)
}

/// What the caller cannot find or reach, the kernel will not find either. Of anything else nobody knows.
fn refuse_if_unknown(errno: Errno) -> Result<(), Stop> {
    match errno {
        Errno::MFILE | Errno::NFILE | Errno::NOMEM => Err(Stop::refused(&format!(
            "it sets the set-user-ID or the set-group-ID bit of a file that cannot be opened: {errno}"
        ))),
        _ => Ok(()),
    }
}
