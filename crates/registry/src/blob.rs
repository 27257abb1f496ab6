//! Where the blobs that a registry sends go: into files, hashed while they are written.

use std::fs::File;
use std::io::{self, Seek as _, Write as _};

use async_trait::async_trait;
use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use tokio::task::spawn_blocking;
use transfer::{Begin, Held, Sink};

/// A file that a blob is written to. What has arrived of it is continued by the next try.
pub(crate) struct Blob {
    file: File,
    hasher: Sha256,
    bytes: u64,
    validator: Option<String>,
}

impl Blob {
    /// Begins with an empty file.
    pub(crate) fn new(file: File) -> Self {
        Self {
            file,
            hasher: Sha256::new(),
            bytes: 0,
            validator: None,
        }
    }

    /// Waits until it is on the disk. Returns how many bytes it has, and the hex digits of their SHA-256.
    pub(crate) async fn finish(self) -> io::Result<(u64, String)> {
        let file = self.file;
        let synced = spawn_blocking(move || file.sync_all()).await;
        synced.map_err(io::Error::other)??;
        Ok((self.bytes, printable::hex(&self.hasher.finalize())))
    }
}

#[async_trait]
impl Sink for Blob {
    async fn held(&mut self) -> io::Result<Option<Held>> {
        let bytes = self.bytes;
        let validator = self.validator.clone();
        Ok(validator.map(|validator| Held { bytes, validator }))
    }

    async fn begin(&mut self, begin: Begin) -> io::Result<()> {
        if begin.from == 0 || begin.from != self.bytes {
            self.file.set_len(0)?;
            self.file.rewind()?;
            (self.hasher, self.bytes) = (Sha256::new(), 0);
        }
        self.validator = begin.validator;
        Ok(())
    }

    /// Hashes and writes in place: a piece is as large as what is read from a socket at once.
    async fn take(&mut self, bytes: Bytes) -> io::Result<()> {
        self.file.write_all(&bytes)?;
        self.hasher.update(&bytes);
        self.bytes += bytes.len() as u64;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::OwnedFd;

    use super::*;

    #[tokio::test]
    async fn a_blob_that_does_not_reach_the_disk_is_none() {
        // A pipe takes bytes, and has no disk.
        let (_reader, writer) = io::pipe().unwrap();
        let mut blob = Blob::new(File::from(OwnedFd::from(writer)));
        blob.take(Bytes::from_static(b"one")).await.unwrap();
        let error = blob.finish().await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    }
}
