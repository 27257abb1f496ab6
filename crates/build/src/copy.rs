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
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

    use sha2::{Digest as _, Sha256};
    use state::BLOCK;

    use super::*;

    #[test]
    fn what_there_is_no_room_for_is_not_begun() {
        let temporary = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(temporary.path()).unwrap();
        let copy = File::create(root.join("copy")).unwrap();
        check_room(0, &copy).unwrap();
        // No disk that tests run on has so much room.
        let error = check_room(1 << 60, &copy).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    }

    #[test]
    fn a_copy_is_a_file_of_its_own_with_the_hash_of_its_bytes() {
        let temporary = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(temporary.path()).unwrap();
        let (from, to) = (root.join("from"), root.join("to"));
        // More than one block, and no whole number of them.
        let contents: Vec<u8> = (0..=250).cycle().take(3 * BLOCK + 7).collect();
        fs::write(&from, &contents).unwrap();
        let opened = File::open(&from).unwrap();
        let (copied, hash) = copy(&opened, &to, 0o755).unwrap();
        assert_eq!(hash, <Hash>::from(Sha256::digest(&contents)));
        assert_eq!(fs::read(&to).unwrap(), contents);
        assert_eq!(
            copied.metadata().unwrap().permissions().mode() & 0o7777,
            0o755
        );
        assert_ne!(
            copied.metadata().unwrap().ino(),
            opened.metadata().unwrap().ino()
        );
    }

    #[test]
    fn what_is_there_is_not_written_over() {
        let temporary = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(temporary.path()).unwrap();
        let (from, precious) = (root.join("from"), root.join("precious"));
        fs::write(&from, "new").unwrap();
        fs::write(&precious, "old").unwrap();
        std::os::unix::fs::symlink(&precious, root.join("to")).unwrap();
        assert!(copy(&File::open(&from).unwrap(), &root.join("to"), 0o644).is_err());
        assert_eq!(fs::read_to_string(&precious).unwrap(), "old");
    }
}
