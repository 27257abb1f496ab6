//! A part of a file, read by offset. It does not know what is in it.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use crate::tar_entries::Skip;

/// A part of a file, read by offset: several may be read at once.
#[derive(Debug, Clone)]
pub(crate) struct Section {
    file: Arc<File>,
    position: u64,
    left: u64,
}

impl Section {
    pub(crate) fn new(file: Arc<File>, start: u64, size: u64) -> Self {
        Self {
            file,
            position: start,
            left: size,
        }
    }

    pub(crate) fn left(&self) -> u64 {
        self.left
    }
}

impl Read for Section {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX);
        let most = most.min(buffer.len());
        if most == 0 {
            return Ok(0);
        }
        let count = self.file.read_at(&mut buffer[..most], self.position)?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.position += count as u64;
        self.left -= count as u64;
        Ok(count)
    }
}

impl Skip for Section {
    fn skip(&mut self, bytes: u64) -> io::Result<()> {
        self.left = self
            .left
            .checked_sub(bytes)
            .ok_or(io::ErrorKind::UnexpectedEof)?;
        self.position += bytes;
        Ok(())
    }
}
