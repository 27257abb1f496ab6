//! Going through a layer to the contents of some of its files, in order. It does not know what is in them.

use std::io::{self, Read};

use images::{Layer, Streamed, TarEntries, TarStream};
use sha2::{Digest as _, Sha256};

use crate::error::Error;
use crate::limits::Limits;
use crate::record::{BUFFER, Record, failed};

/// A place in a layer.
pub(crate) struct Cursor<'a> {
    layer: &'a Layer,
    limits: &'a images::Limits,
    tar: TarEntries<Streamed<TarStream<'a>>>,
    next: usize,
    /// How often it went back.
    pub(crate) returns: usize,
}

impl<'a> Cursor<'a> {
    pub(crate) fn open(layer: &'a Layer, limits: &'a Limits) -> Result<Self, Error> {
        let limits = &limits.images;
        Ok(Self {
            layer,
            limits,
            tar: TarEntries::new(Streamed(layer.open_tar()?), limits),
            next: 0,
            returns: 0,
        })
    }

    fn changed(&self) -> Error {
        Error::Changed {
            layer: self.layer.name(),
            place: self.layer.place().to_owned(),
        }
    }

    /// Goes to the entry with a number.
    pub(crate) fn go_to(&mut self, number: usize) -> Result<(), Error> {
        if number < self.next {
            self.tar = TarEntries::new(Streamed(self.layer.open_tar()?), self.limits);
            self.next = 0;
            self.returns += 1;
        }
        while self.next <= number {
            let entry = self.tar.next().map_err(|error| failed(self.layer, error))?;
            if entry.is_none() {
                return Err(self.changed());
            }
            self.next += 1;
        }
        Ok(())
    }

    /// Reads the contents of the file that it is at, which are as they were before.
    pub(crate) fn read(&mut self, record: &Record) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::new();
        let mut buffer = vec![0; BUFFER];
        let mut hash = Sha256::new();
        loop {
            let count = self.part(&mut buffer)?;
            if count == 0 {
                break;
            }
            if bytes.len() as u64 + count as u64 > record.size {
                return Err(self.changed());
            }
            hash.update(&buffer[..count]);
            bytes.extend_from_slice(&buffer[..count]);
        }
        self.check(record, hash)?;
        Ok(bytes)
    }

    /// Reads the next part of the contents of the file that it is at: as much as fits, but at the end.
    pub(crate) fn part(&mut self, buffer: &mut [u8]) -> Result<usize, Error> {
        let mut filled = 0;
        let mut content = self.tar.content();
        while filled < buffer.len() {
            match content.read(&mut buffer[filled..]) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(failed(self.layer, error.into())),
            }
        }
        Ok(filled)
    }

    /// Says whether what was read of a file is what it was before.
    pub(crate) fn check(&self, record: &Record, hash: Sha256) -> Result<(), Error> {
        let found: [u8; 32] = hash.finalize().into();
        if found == record.content {
            Ok(())
        } else {
            Err(self.changed())
        }
    }
}
