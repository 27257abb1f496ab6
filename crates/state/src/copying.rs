//! Copying an open file into another, and hashing the bytes that come to lie there unless they are known.
//!
//! It knows descriptors, not what the files are for.

use std::fs::File;
use std::io::{self, Seek as _, SeekFrom, Write as _};

use rustix::fs::ioctl_ficlone;

use crate::hashing::{Hash, each_block, hash};

/// Copies `from` into `to`, which is empty, and returns the hash of the copy. Blocks are shared where the file
/// system can do that; the file itself never is: whoever writes into one must not change the other.
pub fn copy(mut from: &File, mut to: &File) -> io::Result<Hash> {
    from.seek(SeekFrom::Start(0))?;
    to.seek(SeekFrom::Start(0))?;
    let length = from.metadata()?.len();
    if ioctl_ficlone(to, from).is_ok() {
        return hash(to);
    }
    check_room(length, to)?;
    each_block(from, |block| to.write_all(block))
}

/// Copies `from`, whose bytes this process has just hashed, into `to`, which is empty. No byte is looked at again.
pub fn copy_hashed(mut from: &File, mut to: &File) -> io::Result<()> {
    from.seek(SeekFrom::Start(0))?;
    if ioctl_ficlone(to, from).is_ok() {
        return Ok(());
    }
    check_room(from.metadata()?.len(), to)?;
    io::copy(&mut from, &mut to).map(drop)
}

/// Refuses to write more bytes than there is room for where `file` is: nothing is gained by filling the disk, and a file
/// may say that it has many terabytes, and have none.
pub fn check_room(bytes: u64, file: &File) -> io::Result<()> {
    let system = rustix::fs::fstatvfs(file)?;
    let room = system.f_bavail.saturating_mul(system.f_frsize);
    if bytes <= room {
        return Ok(());
    }
    let message = format!("{bytes} more bytes are needed, and there is room for {room}");
    Err(io::Error::new(io::ErrorKind::StorageFull, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_there_is_no_room_for_is_not_begun() {
        let temporary = tempfile::tempdir().unwrap();
        let copy = File::create(temporary.path().join("copy")).unwrap();
        check_room(0, &copy).unwrap();
        // No disk that tests run on has so much room.
        let error = check_room(1 << 60, &copy).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    }
}
