//! What the kernel does not do for an ordinary user, done for its builds: device files, and owners
//! beyond the ranges that are set aside for the user.
//!
//! The filter of system calls holds such a call up until the builder has answered it. What is made
//! in its place is for a [`Deputy`] to say; here is who may ask, and what a path leads to: within the
//! root of the one who asks, and nowhere else.

#![expect(
    unsafe_code,
    reason = "calls that are held up are answered by calls that no library offers"
)]

use std::ffi::{CString, OsStr};
use std::fs;
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::sync::Arc;

use rustix::event::{PollFd, PollFlags};
use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use crate::seccomp::{self, Kind};

/// Makes what the kernel would not.
pub trait Deputy: std::fmt::Debug + Send + Sync {
    /// Makes a device file of a kind and with permissions in an open folder.
    fn make_device(
        &self,
        folder: BorrowedFd<'_>,
        name: &OsStr,
        kind: (FileType, Mode),
        number: u64,
    ) -> io::Result<()>;

    /// Gives a file, of which the descriptor says no more than where it is, to a user, a group or both.
    fn give(&self, file: BorrowedFd<'_>, user: Option<u32>, group: Option<u32>) -> io::Result<()>;
}

/// How much of a path is read.
const LONGEST_PATH: usize = 4096;
/// The rights to give files away, and to make devices.
const CHOWN: u64 = 1;
const MKNOD: u64 = 1 << 27;

/// Answers calls until nobody is left who could make any.
pub(crate) fn answer(listener: &OwnedFd, deputy: &Arc<dyn Deputy>) {
    loop {
        let mut ready = [PollFd::new(listener, PollFlags::IN)];
        match rustix::event::poll(&mut ready, None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(_) => return,
        }
        let events = ready[0].revents();
        if !events.contains(PollFlags::IN) {
            if events.intersects(PollFlags::HUP | PollFlags::ERR) {
                return;
            }
            continue;
        }
        // SAFETY: of zeroes the kernel makes what it has to say.
        let mut call: libc::seccomp_notif = unsafe { std::mem::zeroed() };
        // SAFETY: the descriptor is the filter's, and the argument is what the call wants.
        if unsafe {
            libc::ioctl(
                listener.as_raw_fd(),
                libc::SECCOMP_IOCTL_NOTIF_RECV,
                &raw mut call,
            )
        } < 0
        {
            // Whoever asked has ended.
            continue;
        }
        let done = carry_out(listener, &call, deputy.as_ref());
        let error = done
            .err()
            .map_or(0, |error| -error.raw_os_error().unwrap_or(libc::EPERM));
        let response = libc::seccomp_notif_resp {
            id: call.id,
            val: 0,
            error,
            flags: 0,
        };
        // SAFETY: as above. That nobody waits for the answer any more is no failure.
        unsafe {
            libc::ioctl(
                listener.as_raw_fd(),
                libc::SECCOMP_IOCTL_NOTIF_SEND,
                &raw const response,
            )
        };
    }
}

fn carry_out(
    listener: &OwnedFd,
    call: &libc::seccomp_notif,
    deputy: &dyn Deputy,
) -> io::Result<()> {
    let denied = || io::Error::from(Errno::PERM);
    let number = call.data.nr.cast_unsigned();
    let (kind, place) = seccomp::held_up(call.data.arch, number).ok_or_else(denied)?;
    let caller = Caller { id: call.pid };
    // Numbers and flags are of 32 bits, whatever else stands in the register.
    let argument = |place: usize| u32::try_from(call.data.args[place] & 0xffff_ffff).unwrap_or(0);
    let at = |place: usize| argument(place).cast_signed();
    let path = |place: usize| caller.read_path(call.data.args[place]);
    // Asked when everything is open: until then the number may have become another process's, and what was
    // found by it would be that one's, this builder's own files among it.
    let is_valid = || {
        // SAFETY: the argument is the call's number.
        let asked = unsafe {
            libc::ioctl(
                listener.as_raw_fd(),
                libc::SECCOMP_IOCTL_NOTIF_ID_VALID,
                &raw const call.id,
            )
        };
        if asked == 0 { Ok(()) } else { Err(denied()) }
    };
    let id = |place: usize| Some(argument(place)).filter(|id| *id != u32::MAX);
    match kind {
        Kind::Device => {
            caller.has(MKNOD)?;
            let folder = if place == 0 { libc::AT_FDCWD } else { at(0) };
            let path = caller.absolute(folder, &path(place)?)?;
            let end = path.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
            let (parent, name) = (&path[..end], OsStr::from_bytes(&path[end + 1..]));
            let parent = caller.open(parent, OFlags::DIRECTORY)?;
            let mode = argument(place + 1);
            let permissions = Mode::from_raw_mode(mode & 0o7777 & !caller.mask()?);
            let kind = FileType::from_raw_mode(mode);
            let number = u64::from(argument(place + 2));
            is_valid()?;
            deputy.make_device(parent.as_fd(), name, (kind, permissions), number)
        }
        Kind::Owner { at: folder, flags } => {
            caller.has(CHOWN)?;
            let flags = flags.map_or(0, argument);
            let folder = if folder { at(0) } else { libc::AT_FDCWD };
            let path = path(place)?;
            let file = if path.is_empty() && flags & libc::AT_EMPTY_PATH.cast_unsigned() != 0 {
                caller.descriptor(folder)?
            } else {
                let follow = if flags & libc::AT_SYMLINK_NOFOLLOW.cast_unsigned() == 0 {
                    OFlags::empty()
                } else {
                    OFlags::NOFOLLOW
                };
                caller.open(&caller.absolute(folder, &path)?, follow)?
            };
            is_valid()?;
            deputy.give(file.as_fd(), id(place + 1), id(place + 2))
        }
        Kind::LinkOwner => {
            caller.has(CHOWN)?;
            let path = caller.absolute(libc::AT_FDCWD, &path(place)?)?;
            let file = caller.open(&path, OFlags::NOFOLLOW)?;
            is_valid()?;
            deputy.give(file.as_fd(), id(place + 1), id(place + 2))
        }
        Kind::DescriptorOwner => {
            caller.has(CHOWN)?;
            let file = caller.descriptor(at(place))?;
            is_valid()?;
            deputy.give(file.as_fd(), id(place + 1), id(place + 2))
        }
    }
}

/// Who made a call.
struct Caller {
    id: u32,
}

impl Caller {
    fn file(&self, name: &str) -> String {
        format!("/proc/{}/{name}", self.id)
    }

    fn field(&self, name: &str) -> io::Result<String> {
        let status = fs::read_to_string(self.file("status"))?;
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        Ok(line.unwrap_or_default().trim().to_owned())
    }

    /// Refuses who would not have been allowed to do it as the system's root.
    fn has(&self, right: u64) -> io::Result<()> {
        let held = u64::from_str_radix(&self.field("CapEff:")?, 16).unwrap_or(0);
        if held & right == 0 {
            return Err(Errno::PERM.into());
        }
        Ok(())
    }

    fn mask(&self) -> io::Result<u32> {
        Ok(u32::from_str_radix(&self.field("Umask:")?, 8).unwrap_or(0o022))
    }

    fn read_path(&self, address: u64) -> io::Result<Vec<u8>> {
        use std::io::{Read as _, Seek as _, SeekFrom};

        let mut memory = fs::File::open(self.file("mem"))?;
        memory.seek(SeekFrom::Start(address))?;
        let mut path = Vec::new();
        // A path may end where the memory does.
        let mut bytes = [0; 64];
        while path.len() < LONGEST_PATH {
            let count = match memory.read(&mut bytes) {
                Ok(0) | Err(_) => return Err(Errno::FAULT.into()),
                Ok(count) => count,
            };
            if let Some(end) = bytes[..count].iter().position(|byte| *byte == 0) {
                path.extend_from_slice(&bytes[..end]);
                return Ok(path);
            }
            path.extend_from_slice(&bytes[..count]);
        }
        Err(Errno::NAMETOOLONG.into())
    }

    /// Returns a path from the root on. Who has changed its root is not served.
    fn absolute(&self, folder: i32, path: &[u8]) -> io::Result<Vec<u8>> {
        if fs::read_link(self.file("root"))?.as_os_str() != "/" {
            return Err(Errno::PERM.into());
        }
        if path.is_empty() {
            return Err(Errno::NOENT.into());
        }
        if path.starts_with(b"/") {
            return Ok(path.to_vec());
        }
        let folder = if folder == libc::AT_FDCWD {
            "cwd".to_owned()
        } else {
            format!("fd/{folder}")
        };
        let folder = fs::read_link(self.file(&folder))?;
        Ok([folder.as_os_str().as_bytes(), b"/", path].concat())
    }

    /// Opens what a path leads to, as somewhere to be: nothing is read or written by that.
    fn open(&self, path: &[u8], flags: OFlags) -> io::Result<OwnedFd> {
        let place = OFlags::PATH | OFlags::CLOEXEC;
        let root = rustix::fs::openat(CWD, self.file("root"), place, Mode::empty())?;
        let path = CString::new(if path.is_empty() { b"/" } else { path })?;
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        Ok(rustix::fs::openat2(
            root,
            path,
            place | flags,
            Mode::empty(),
            resolve,
        )?)
    }

    fn descriptor(&self, number: i32) -> io::Result<OwnedFd> {
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        let path = self.file(&format!("fd/{number}"));
        Ok(rustix::fs::openat(CWD, path, flags, Mode::empty())?)
    }
}
