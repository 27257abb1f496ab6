//! This program again, from where nobody can change it.
//!
//! A process of a build begins as a copy of the builder, and its `/proc/self/exe` leads to the
//! builder's program until it is another: a script or a loader may name that, and so have the
//! machine's own file, to change its mode, or what is in it. So the builder's is shown by a mount of its
//! own that can only be read; or it is a copy in memory, where the file is another by now.

#![expect(
    unsafe_code,
    reason = "a program is started from a descriptor by a call that no library offers"
)]

use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::ptr;

use rustix::fs::{CWD, MemfdFlags, Mode, OFlags, SealFlags};
use rustix::io::Errno;
use rustix::mount::{MountAttrFlags, OpenTreeFlags, open_tree};

use crate::mount_attributes::set_attributes;

/// Becomes this program with other arguments. Returns only why that failed.
pub(crate) fn become_with(arguments: &[CString]) -> io::Error {
    match read_only_view().or_else(|_| sealed_copy()) {
        Ok(program) => execute(&program, arguments),
        Err(error) => error,
    }
}

/// Opens this program's file by a mount that nobody else has.
fn read_only_view() -> io::Result<OwnedFd> {
    const SELF: &str = "/proc/self/exe";
    let place = OFlags::PATH | OFlags::CLOEXEC;
    let file = rustix::fs::openat(CWD, std::fs::read_link(SELF)?, place, Mode::empty())?;
    let (there, own) = (rustix::fs::fstat(&file)?, rustix::fs::stat(SELF)?);
    if (there.st_dev, there.st_ino) != (own.st_dev, own.st_ino) {
        return Err(Errno::STALE.into());
    }
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_EMPTY_PATH;
    let view = open_tree(file, c"", flags)?;
    set_attributes(&view, MountAttrFlags::MOUNT_ATTR_RDONLY)?;
    Ok(view)
}

fn sealed_copy() -> io::Result<OwnedFd> {
    let mut program = File::open("/proc/self/exe")?;
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let mut copy = File::from(rustix::fs::memfd_create(c"stagex", flags)?);
    io::copy(&mut program, &mut copy)?;
    let seals = SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE;
    rustix::fs::fcntl_add_seals(&copy, seals)?;
    Ok(copy.into())
}

fn execute(program: &OwnedFd, arguments: &[CString]) -> io::Error {
    let variables: Vec<CString> = std::env::vars_os()
        .filter_map(|(name, value)| {
            let pair = [name.as_bytes(), b"=", value.as_bytes()].concat();
            CString::new(pair).ok()
        })
        .collect();
    let pointers = |strings: &[CString]| -> Vec<*const libc::c_char> {
        let pointers = strings.iter().map(|string| string.as_ptr());
        pointers.chain([ptr::null()]).collect()
    };
    let (words, environment) = (pointers(arguments), pointers(&variables));
    // SAFETY: the descriptor is open, and both lists end with a null pointer.
    unsafe { libc::fexecve(program.as_raw_fd(), words.as_ptr(), environment.as_ptr()) };
    io::Error::last_os_error()
}
