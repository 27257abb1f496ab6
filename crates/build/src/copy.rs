//! Copies an open file into a new one, and hashes the bytes that come to lie there: what is checked
//! is what is used, whoever changes the file meanwhile.
//!
//! It knows descriptors, not what the files are for.

use std::fs::File;
use std::io::{self, Write as _};

use camino::Utf8Path;
use rustix::fs::{Mode, fchmod, ioctl_ficlone};
use state::{Hash, each_block, hash};

/// Copies `from`, of which nothing was read yet, into a new file at `to`, with this mode whatever
/// the umask. Blocks are shared where the file system can do that, and never the file itself: what a
/// build writes into its context must not reach the file that was copied.
pub(crate) fn copy(from: &File, to: &Utf8Path, mode: u32) -> io::Result<(File, Hash)> {
    let mut options = File::options();
    let mut copy = options.read(true).write(true).create_new(true).open(to)?;
    fchmod(&copy, Mode::from_raw_mode(mode))?;
    // Another file system, or one that cannot share.
    let hash = if ioctl_ficlone(&copy, from).is_ok() {
        hash(&copy)?
    } else {
        check_room(from.metadata()?.len(), &copy)?;
        each_block(from, |block| copy.write_all(block))?
    };
    Ok((copy, hash))
}

/// Refuses to copy more bytes than there is room for where `copy` is: a file of a tree may say that it has
/// many terabytes, and have none.
fn check_room(bytes: u64, copy: &File) -> io::Result<()> {
    let system = rustix::fs::fstatvfs(copy)?;
    let room = system.f_bavail.saturating_mul(system.f_frsize);
    if bytes <= room {
        return Ok(());
    }
    let message = format!("it has {bytes} bytes, and there is room for {room}");
    Err(io::Error::new(io::ErrorKind::StorageFull, message))
}

#[cfg(test)]
mod tests;
