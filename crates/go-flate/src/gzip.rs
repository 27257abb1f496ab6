//! The gzip framing of a deflate stream: a header without a name or a time, and the checksum.

use std::io::{self, Write};

use crc32fast::Hasher;

use crate::deflate::DeflateEncoder;
use crate::level::Level;

/// The header that Go writes when no field of it is set: deflate, no flags, no time, no remark on
/// the level, and an operating system that is not known.
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
/// Where the header has a remark on the level, and what Go writes there at its best level.
const BEST: (usize, u8) = (8, 2);

/// What a gzip file has around its deflate stream.
#[derive(Debug)]
pub(crate) struct Frame {
    level: Level,
    checksum: Hasher,
    /// The length of the input modulo 2^32.
    length: u32,
    header_written: bool,
}

impl Frame {
    pub(crate) fn new(level: Level) -> Self {
        Self {
            level,
            checksum: Hasher::new(),
            length: 0,
            header_written: false,
        }
    }

    /// Writes the header, if that was not done yet.
    pub(crate) fn write_header(&mut self, output: &mut impl Write) -> io::Result<()> {
        if !self.header_written {
            let mut header = HEADER;
            if self.level == Level::BEST {
                header[BEST.0] = BEST.1;
            }
            output.write_all(&header)?;
            self.header_written = true;
        }
        Ok(())
    }

    /// Counts input that was taken.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the format keeps the low 32 bits"
    )]
    pub(crate) fn count(&mut self, data: &[u8]) {
        self.checksum.update(data);
        self.length = self.length.wrapping_add(data.len() as u32);
    }

    /// Writes what stands behind the stream.
    pub(crate) fn write_trailer(self, output: &mut impl Write) -> io::Result<()> {
        output.write_all(&self.checksum.finalize().to_le_bytes())?;
        output.write_all(&self.length.to_le_bytes())
    }
}

/// Compresses what is written to it into a gzip file, as Go's `gzip.NewWriter` did.
///
/// [`GzipEncoder::finish`] must be called; a file that is dropped is cut off. After an error of
/// the writer below, every later call is an error too.
pub struct GzipEncoder<W: Write> {
    deflate: DeflateEncoder<W>,
    frame: Frame,
}

impl<W: Write> GzipEncoder<W> {
    /// Returns an encoder at the default level that writes its file to `output`, in pieces of up to
    /// 100 KiB.
    pub fn new(output: W) -> Self {
        Self::with_level(output, Level::DEFAULT)
    }

    /// Returns an encoder at this level.
    pub fn with_level(output: W, level: Level) -> Self {
        Self {
            deflate: DeflateEncoder::with_level(output, level),
            frame: Frame::new(level),
        }
    }

    /// Notes that a program in Go which is to be imitated ended one of its writes here; see
    /// [`DeflateEncoder::end_write`].
    pub fn end_write(&mut self) {
        self.deflate.end_write();
    }

    /// Writes the end of the file and returns the writer below.
    ///
    /// # Errors
    ///
    /// Those of the writer below, or [`io::ErrorKind::BrokenPipe`] if it failed before.
    pub fn finish(mut self) -> io::Result<W> {
        self.write_header()?;
        let mut output = self.deflate.finish()?;
        self.frame.write_trailer(&mut output)?;
        Ok(output)
    }

    /// Returns the writer below.
    pub fn get_ref(&self) -> &W {
        self.deflate.get_ref()
    }

    fn write_header(&mut self) -> io::Result<()> {
        let Self { deflate, frame } = self;
        deflate.attempt(|_, output| frame.write_header(output))
    }
}

impl<W: Write> Write for GzipEncoder<W> {
    /// Compresses all of `data`.
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.write_header()?;
        let taken = self.deflate.write(data)?;
        self.frame.count(data);
        Ok(taken)
    }

    /// Flushes the writer below; see [`DeflateEncoder`]'s own `flush`.
    fn flush(&mut self) -> io::Result<()> {
        self.deflate.flush()
    }
}

/// Returns the gzip file for all of `data`, at the default level.
pub fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = GzipEncoder::new(Vec::new());
    let written = encoder.write_all(data).and_then(|()| encoder.finish());
    written.expect("a vector takes every byte")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_file_has_a_header_an_empty_block_and_zeros() {
        let mut expected = HEADER.to_vec();
        expected.extend([1, 0, 0, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(gzip(b""), expected);
    }
}
