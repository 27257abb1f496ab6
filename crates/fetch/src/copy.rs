//! Copying an open file into another, and hashing the bytes that come to lie there unless they are known.
//!
//! It knows descriptors, not what the files are for.

use std::fs::File;
use std::io::{self, Seek as _, SeekFrom, Write as _};

use rustix::fs::ioctl_ficlone;
use state::{each_block, hash};

/// Copies `from` into `to`, which is empty, and returns the hash of the copy. Blocks are shared where the file
/// system can do that; the file itself never is: whoever writes into one must not change the other.
pub(crate) fn copy(mut from: &File, mut to: &File) -> io::Result<String> {
    from.seek(SeekFrom::Start(0))?;
    to.seek(SeekFrom::Start(0))?;
    let length = from.metadata()?.len();
    let hash = if ioctl_ficlone(to, from).is_ok() {
        hash(to)?
    } else {
        check_room(length, to)?;
        each_block(from, |block| to.write_all(block))?
    };
    Ok(printable::hex(&hash))
}

/// Copies `from`, whose bytes this process has just hashed, into `to`, which is empty. No byte is looked at again.
pub(crate) fn copy_hashed(mut from: &File, mut to: &File) -> io::Result<()> {
    from.seek(SeekFrom::Start(0))?;
    if ioctl_ficlone(to, from).is_ok() {
        return Ok(());
    }
    check_room(from.metadata()?.len(), to)?;
    io::copy(&mut from, &mut to).map(drop)
}

/// Refuses to write more bytes than there is room for where `file` is: nothing is gained by filling the disk.
pub(crate) fn check_room(bytes: u64, file: &File) -> io::Result<()> {
    let system = rustix::fs::fstatvfs(file)?;
    let room = system.f_bavail.saturating_mul(system.f_frsize);
    if bytes <= room {
        return Ok(());
    }
    let message = format!("{bytes} more bytes are needed, and there is room for {room}");
    Err(io::Error::new(io::ErrorKind::StorageFull, message))
}
