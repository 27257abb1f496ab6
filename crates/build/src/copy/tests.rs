use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

use sha2::{Digest as _, Sha256};
use state::BLOCK;

use super::*;

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
