//! This program again, from a copy in memory that nobody can change.
//!
//! A process of a build begins as a copy of the builder, and its `/proc/self/exe` leads to the
//! builder's program until it is another: a script or a loader may name that, and so have the
//! machine's own file, to change its mode, or what is in it.

#![expect(
    unsafe_code,
    reason = "a program is started from a descriptor by a call that no library offers"
)]

use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::ffi::OsStrExt as _;
use std::ptr;

use rustix::fs::{MemfdFlags, SealFlags};

/// Becomes this program with other arguments. Returns only why that failed.
pub(crate) fn become_with(arguments: &[CString]) -> io::Error {
    match sealed_copy() {
        Ok(program) => execute(&program, arguments),
        Err(error) => error,
    }
}

fn sealed_copy() -> io::Result<File> {
    let mut program = File::open("/proc/self/exe")?;
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let mut copy = File::from(rustix::fs::memfd_create(c"stagex", flags)?);
    io::copy(&mut program, &mut copy)?;
    let seals = SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE;
    rustix::fs::fcntl_add_seals(&copy, seals)?;
    Ok(copy)
}

fn execute(program: &File, arguments: &[CString]) -> io::Error {
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
