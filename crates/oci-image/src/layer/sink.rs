//! Where a tar is written to, when it matters in which pieces: Go's encoder can, in rare cases,
//! tell where its caller's writes end.
//!
//! It knows those places in the tar writer that is imitated, not what is written.

use std::io::{Sink, Write};

use go_flate::ParallelGzipEncoder;

use crate::digest::Hashing;

/// Takes a tar.
pub(crate) trait TarSink: Write {
    /// Notes that Go's `archive/tar` ended a write here: at the end of a file's content and of
    /// extended records, before the padding. Its other writes end at whole blocks, where that
    /// makes no difference.
    fn end_write(&mut self);
}

impl<W: Write + Send> TarSink for ParallelGzipEncoder<W> {
    fn end_write(&mut self) {
        Self::end_write(self);
    }
}

impl<W: TarSink> TarSink for Hashing<W> {
    fn end_write(&mut self) {
        self.inner_mut().end_write();
    }
}

/// Bytes are the same however they are written.
impl TarSink for Vec<u8> {
    fn end_write(&mut self) {}
}

/// Bytes that are only counted and hashed.
impl TarSink for Sink {
    fn end_write(&mut self) {}
}
