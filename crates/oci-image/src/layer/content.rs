//! Where the content of a file is: in an engine's archive, to be read when it is needed, or
//! known by its digest alone.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use crate::digest::Digest;

/// How much of a file is in memory at a time, in bytes.
const PIECE: usize = 1 << 18;

/// The content of a regular file.
#[derive(Debug, Clone)]
pub(crate) enum Content {
    /// It lies in an archive from an offset on, in bytes.
    Stored { archive: Arc<File>, offset: u64 },
    /// It was read before, and only its digest was kept.
    Known(Digest),
}

impl Content {
    /// Returns the digest of the content, which has `size` bytes.
    pub(crate) fn digest(&self, size: u64) -> io::Result<Digest> {
        match self {
            Self::Known(digest) => Ok(*digest),
            Self::Stored { archive, offset } => Digest::of_reader(Stored {
                archive,
                offset: *offset,
                left: size,
            }),
        }
    }

    /// Writes the content, which has `size` bytes.
    pub(crate) fn write_to(&self, size: u64, out: &mut impl Write) -> io::Result<()> {
        let Self::Stored { archive, offset } = self else {
            let message = "a file of a layer below has no content to write";
            return Err(io::Error::other(message));
        };
        let mut stored = Stored {
            archive,
            offset: *offset,
            left: size,
        };
        let mut piece = vec![0; PIECE.min(usize::try_from(size).unwrap_or(PIECE))];
        while stored.left > 0 {
            let read = stored.read(&mut piece)?;
            out.write_all(&piece[..read])?;
        }
        Ok(())
    }
}

/// Reads a stretch of a file.
struct Stored<'a> {
    archive: &'a File,
    offset: u64,
    left: u64,
}

impl Read for Stored<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        let read = self.archive.read_at(&mut buffer[..most], self.offset)?;
        if read == 0 && most > 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.offset += read as u64;
        self.left -= read as u64;
        Ok(read)
    }
}
