//! A blob of an OCI layout: opened only if it is a regular file, and compared with its name and its
//! size while it is read. It does not know what is in it.

use std::fs::File;
use std::io::{self, Read};

use camino::Utf8PathBuf;
use sha2::{Digest as _, Sha256};

/// A file of a layout, whose name is its digest.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Blob {
    /// The hex digits of the sha256 that it has to have.
    pub hex: String,
    /// How many bytes it has to have.
    pub size: u64,
    /// Where it lies.
    pub path: Utf8PathBuf,
}

impl Blob {
    /// Opens it. What is read is not verified before [`BlobReader::finish`] says so.
    ///
    /// # Errors
    ///
    /// That it is no regular file, or cannot be opened.
    pub fn open(&self) -> io::Result<BlobReader> {
        let file = beneath::open(&self.path).map_err(|error| self.explain(&error))?;
        Ok(BlobReader {
            blob: self.clone(),
            file,
            hasher: Sha256::new(),
            found: 0,
        })
    }

    /// Reads the whole of a document, which is then what its name says.
    ///
    /// # Errors
    ///
    /// Those of [`Self::open`] and [`BlobReader::finish`], and that it is too large for a document.
    pub fn read(&self) -> io::Result<Vec<u8>> {
        if self.size > beneath::MANIFEST {
            let too_large = beneath::Problem::TooLarge(beneath::MANIFEST).into();
            return Err(self.explain(&too_large));
        }
        let mut reader = self.open()?;
        let mut bytes = Vec::new();
        reader.read_to_end(&mut bytes)?;
        reader.finish()?;
        Ok(bytes)
    }

    fn explain(&self, error: &io::Error) -> io::Error {
        io::Error::new(error.kind(), format!("{}: {error}", self.path))
    }
}

/// A blob that is being read. It ends one byte behind the size that it has to have, at the latest.
#[derive(Debug)]
pub struct BlobReader {
    blob: Blob,
    file: File,
    hasher: Sha256,
    found: u64,
}

impl BlobReader {
    /// Reads what is left, and says whether all that was read is what the blob's name says.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::InvalidData`] if it is not.
    pub fn finish(mut self) -> io::Result<()> {
        let mut buffer = vec![0; 1 << 16];
        while self.read(&mut buffer)? > 0 {}
        let Self {
            blob,
            hasher,
            found,
            ..
        } = self;
        let (path, size) = (&blob.path, blob.size);
        if found > size {
            let message = format!("{path} was changed: it has more than {size} bytes");
            return Err(invalid(message));
        }
        let digest = hasher.finalize();
        let hex = printable::hex(&digest);
        if (found, &hex) == (size, &blob.hex) {
            return Ok(());
        }
        Err(invalid(format!(
            "{path} was changed: expected {size} bytes, found {found} with the digest sha256:{hex}"
        )))
    }
}

impl Read for BlobReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.blob.size.saturating_add(1).saturating_sub(self.found);
        let most = usize::try_from(left).unwrap_or(usize::MAX);
        let most = most.min(buffer.len());
        let count = self.file.read(&mut buffer[..most])?;
        self.hasher.update(&buffer[..count]);
        self.found += count as u64;
        Ok(count)
    }
}

pub(crate) fn invalid(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}
