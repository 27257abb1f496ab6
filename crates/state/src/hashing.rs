//! The SHA-256 of an open file: of the bytes that are read, whoever changes the file meanwhile.
//!
//! It knows descriptors, not what the files are for.

use std::fs::File;
use std::io::{self, Read as _};

use sha2::{Digest as _, Sha256};

/// How many bytes are read at once.
pub const BLOCK: usize = 1 << 18;

/// The SHA-256 of a file's contents.
pub type Hash = [u8; 32];

/// Returns the sha256 of what is left to read of an open file.
pub fn hash(file: &File) -> io::Result<Hash> {
    each_block(file, |_| Ok(()))
}

/// Hands over what is left to read of a file, block by block, and returns the hash of that. A file
/// that somebody goes on writing is read as far as it reached when this began.
pub fn each_block(file: &File, mut hear: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<Hash> {
    let mut file = file.take(file.metadata()?.len());
    let (mut hasher, mut block) = (Sha256::new(), vec![0; BLOCK]);
    loop {
        match file.read(&mut block) {
            Ok(0) => return Ok(hasher.finalize().into()),
            Ok(length) => {
                hasher.update(&block[..length]);
                hear(&block[..length])?;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_cannot_be_read_has_no_hash() {
        let temporary = tempfile::tempdir().unwrap();
        let path = temporary.path().join("file");
        fs::write(&path, "text").unwrap();
        let only_written = File::options().write(true).open(&path).unwrap();
        assert!(hash(&only_written).is_err());
        assert!(hash(&File::open(&path).unwrap()).is_ok());
    }
}
