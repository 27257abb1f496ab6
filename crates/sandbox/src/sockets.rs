//! The sockets of the machine that have no file: whoever has its network could connect to them.
//!
//! The child's own side: system calls and nothing else.

#![expect(
    unsafe_code,
    reason = "rules of Landlock are made by calls that no library offers without allocating"
)]

use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd, RawFd};

use rustix::io::Errno;

/// What a kernel is told to keep apart: here, only what is named below.
#[repr(C)]
struct Ruleset {
    files: u64,
    ports: u64,
    scoped: u64,
}

/// `LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET`.
const SOCKETS: u64 = 1;

/// Denies this process, and all that it starts, the sockets without a file of anybody else. Kernels
/// know that from 6.12 on; before, there is no way.
pub(crate) fn shut_off() -> Result<(), Errno> {
    let ruleset = Ruleset {
        files: 0,
        ports: 0,
        scoped: SOCKETS,
    };
    // SAFETY: the rules are as long as is said, and the descriptor is looked at before it is used.
    let made = unsafe {
        libc::syscall(
            libc::SYS_landlock_create_ruleset,
            &raw const ruleset,
            size_of::<Ruleset>(),
            0,
        )
    };
    let rules = match RawFd::try_from(made) {
        // SAFETY: the kernel has just made it.
        Ok(descriptor) if descriptor >= 0 => unsafe { OwnedFd::from_raw_fd(descriptor) },
        _ => {
            return match last() {
                // It has no Landlock, does not use it, or does not know this of it.
                Errno::NOSYS | Errno::OPNOTSUPP | Errno::TOOBIG | Errno::INVAL => Ok(()),
                errno => Err(errno),
            };
        }
    };
    // SAFETY: the descriptor is open.
    let done = unsafe { libc::syscall(libc::SYS_landlock_restrict_self, rules.as_raw_fd(), 0) };
    if done == 0 { Ok(()) } else { Err(last()) }
}

fn last() -> Errno {
    Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO)
}
