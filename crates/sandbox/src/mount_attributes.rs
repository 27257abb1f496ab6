//! The attributes of mounts: what may be done with what is in them. It does not know what is mounted, or where.
//!
//! The child uses it as well: system calls and nothing else.

#![expect(
    unsafe_code,
    reason = "the attributes of mounts are set by a call that no library offers"
)]

use std::os::fd::{AsFd, AsRawFd as _};

use rustix::fs::AtFlags;
use rustix::io::Errno;
use rustix::mount::{MountAttrFlags, OpenTreeFlags};

/// The argument of the system call `mount_setattr`.
#[repr(C)]
#[derive(Default)]
struct MountAttributes {
    set: u64,
    clear: u64,
    propagation: u64,
    user_namespace: u64,
}

/// Sets attributes of a mount, and of all that is mounted in it.
pub(crate) fn set_attributes(mount: impl AsFd, attributes: MountAttrFlags) -> Result<(), Errno> {
    change_attributes(mount, attributes, OpenTreeFlags::AT_RECURSIVE)
}

/// Sets attributes of a mount, and of none that is mounted in it.
pub(crate) fn set_own_attributes(
    mount: impl AsFd,
    attributes: MountAttrFlags,
) -> Result<(), Errno> {
    change_attributes(mount, attributes, OpenTreeFlags::empty())
}

fn change_attributes(
    mount: impl AsFd,
    attributes: MountAttrFlags,
    depth: OpenTreeFlags,
) -> Result<(), Errno> {
    let argument = MountAttributes {
        set: attributes.bits().into(),
        ..MountAttributes::default()
    };
    let flags = AtFlags::EMPTY_PATH.bits() | depth.bits();
    // SAFETY: the descriptor is open, the path ends, and the argument is as long as is said.
    let done = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_fd().as_raw_fd(),
            c"".as_ptr(),
            flags,
            &raw const argument,
            size_of::<MountAttributes>(),
        )
    };
    if done == 0 {
        Ok(())
    } else {
        Err(Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO))
    }
}
