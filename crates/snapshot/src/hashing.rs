//! Hashes what is read, on the way to whoever reads it.

use std::io::{self, Read};

use sha2::{Digest as _, Sha256};

use crate::digest::Digest;

/// An input of which the sha256 is known once all of it was read.
pub(crate) struct Hashing<R> {
    input: R,
    hasher: Sha256,
}

impl<R: Read> Hashing<R> {
    pub(crate) fn new(input: R) -> Self {
        Self {
            input,
            hasher: Sha256::new(),
        }
    }

    /// Reads what is left, and returns the digest of all.
    pub(crate) fn finish(mut self) -> io::Result<Digest> {
        let mut buffer = vec![0; 1 << 16];
        while self.read(&mut buffer)? > 0 {}
        Ok(<[u8; 32]>::from(self.hasher.finalize()).into())
    }
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.input.read(buffer)?;
        self.hasher.update(&buffer[..count]);
        Ok(count)
    }
}
