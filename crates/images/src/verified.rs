//! A stream that is compared with its digest while it is read. It does not know what is in it.

use std::io::{self, Read};

use oci_image::Digest;
use sha2::{Digest as _, Sha256};

use crate::error::Error;

/// A stream whose digest is known before. Its end is reported only if all that was read is what the digest
/// says, so that whoever reads to the end has read nothing else.
pub struct Verified<R> {
    inner: R,
    hasher: Option<Sha256>,
    expected: Digest,
    size: Option<u64>,
    place: String,
    found: u64,
}

impl<R: Read> Verified<R> {
    /// Begins to read something that lies in `place`, for messages.
    pub fn new(inner: R, expected: Digest, size: Option<u64>, place: &str) -> Self {
        Self {
            inner,
            hasher: Some(Sha256::new()),
            expected,
            size,
            place: place.to_owned(),
            found: 0,
        }
    }

    /// Reads what is left, and says whether all that was read is what the digest says. Returns how many
    /// bytes these were.
    ///
    /// # Errors
    ///
    /// [`Error::Changed`] if it is not.
    pub fn finish(mut self) -> Result<u64, Error> {
        let mut buffer = vec![0; 1 << 18];
        loop {
            match self.read(&mut buffer) {
                Ok(0) => return Ok(self.found),
                Ok(_) => {}
                Err(error) => {
                    let what = format!("the blob {}", self.expected);
                    return Err(Error::of_read(error, &what, &self.place));
                }
            }
        }
    }

    fn changed(&self, found: String) -> io::Error {
        Error::changed(&self.expected, &self.place, found).into_io()
    }

    fn verify(&mut self) -> io::Result<()> {
        let Some(hasher) = self.hasher.take() else {
            return Ok(());
        };
        let found = hasher.finalize();
        if let Some(size) = self.size.filter(|size| *size != self.found) {
            let (found, hex) = (self.found, printable::hex(&found));
            return Err(self.changed(format!(
                "expected {size} bytes, found {found} with the digest sha256:{hex}"
            )));
        }
        let hex = printable::hex(&found);
        if hex == self.expected.hex() {
            return Ok(());
        }
        Err(self.changed(format!("it has the digest sha256:{hex}")))
    }
}

impl<R: Read> Read for Verified<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let count = self.inner.read(buffer)?;
        if count == 0 {
            self.verify()?;
            return Ok(0);
        }
        self.found += count as u64;
        if let Some(size) = self.size.filter(|size| self.found > *size) {
            return Err(self.changed(format!("it has more than {size} bytes")));
        }
        if let Some(hasher) = &mut self.hasher {
            hasher.update(&buffer[..count]);
        }
        Ok(count)
    }
}
