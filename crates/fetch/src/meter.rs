//! How far work is that takes long and fetches nothing: copying and hashing many bytes, asking many mirrors.

use std::io::{self, Read};
use std::sync::Arc;

/// Who is told how far work is. It is called from several threads.
pub trait Meter: Send + Sync {
    /// Hears how much there is in all: bytes, or mirrors.
    fn all(&self, amount: u64);

    /// Hears how much more of it is done.
    fn done(&self, amount: u64);
}

/// Nobody.
impl Meter for () {
    fn all(&self, _: u64) {}

    fn done(&self, _: u64) {}
}

/// Tells how many bytes are read.
pub(crate) struct Metered<R> {
    pub(crate) from: R,
    pub(crate) meter: Arc<dyn Meter>,
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.from.read(buffer)?;
        self.meter.done(length as u64);
        Ok(length)
    }
}
