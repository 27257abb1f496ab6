//! The raw deflate stream, without a header or a checksum.

use std::io::{self, Write};

use crate::compressor::Compressor;
use crate::level::Level;

/// Compresses what is written to it into a deflate stream, as Go's `flate.NewWriter` did.
///
/// [`DeflateEncoder::finish`] must be called; a stream that is dropped is cut off. After an error
/// of the writer below, every later call is an error too.
pub struct DeflateEncoder<W: Write> {
    output: W,
    compressor: Compressor,
    failed: bool,
}

impl<W: Write> DeflateEncoder<W> {
    /// Returns an encoder at the default level that writes its stream to `output`, in pieces of up
    /// to 100 KiB.
    pub fn new(output: W) -> Self {
        Self::with_level(output, Level::DEFAULT)
    }

    /// Returns an encoder at this level.
    pub fn with_level(output: W, level: Level) -> Self {
        Self {
            output,
            compressor: Compressor::new(level),
            failed: false,
        }
    }

    /// Notes that a program in Go which is to be imitated ended one of its writes here.
    ///
    /// How the input is cut into calls of `write` does not matter to this encoder, which gives
    /// what Go gives for one single write. Go's own output, however, can depend on it: its window
    /// moves on when the next write comes and no more than 262 bytes of the older half are in use
    /// any more, so a write that ends within the last 262 bytes of the window (32 KiB after 32 KiB
    /// of input, from 64 KiB on) can make it move one byte of input sooner. That byte then cannot
    /// be matched with the dropped half. To give Go's bytes in that case too, call this wherever
    /// the imitated program's write ended. Anywhere else it has no effect.
    pub fn end_write(&mut self) {
        self.compressor.end_write();
    }

    /// Writes the end of the stream and returns the writer below.
    ///
    /// # Errors
    ///
    /// Those of the writer below, or [`io::ErrorKind::BrokenPipe`] if it failed before.
    pub fn finish(mut self) -> io::Result<W> {
        self.attempt(Compressor::finish)?;
        Ok(self.output)
    }

    /// Returns the writer below.
    pub fn get_ref(&self) -> &W {
        &self.output
    }

    /// Does something with the parts, unless that would leave a gap in the stream.
    pub(crate) fn attempt(
        &mut self,
        action: impl FnOnce(&mut Compressor, &mut W) -> io::Result<()>,
    ) -> io::Result<()> {
        if self.failed {
            let message = "a write of this compressed stream failed before, so it has a gap";
            return Err(io::Error::new(io::ErrorKind::BrokenPipe, message));
        }
        let result = action(&mut self.compressor, &mut self.output);
        self.failed = result.is_err();
        result
    }
}

impl<W: Write> Write for DeflateEncoder<W> {
    /// Compresses all of `data`.
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.attempt(|compressor, output| compressor.write(data, output))?;
        Ok(data.len())
    }

    /// Flushes the writer below. Input that waits for its block to be full stays where it is,
    /// because anything else would change the stream.
    fn flush(&mut self) -> io::Result<()> {
        self.attempt(|_, output| output.flush())
    }
}

/// Returns the deflate stream for all of `data`, at the default level.
pub fn deflate(data: &[u8]) -> Vec<u8> {
    let mut stream = Vec::new();
    let mut compressor = Compressor::new(Level::DEFAULT);
    let written = compressor
        .write(data, &mut stream)
        .and_then(|()| compressor.finish(&mut stream));
    written.expect("a vector takes every byte");
    stream
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes some bytes, then fails once, then takes all.
    struct Narrow {
        room: usize,
        failed: bool,
    }

    impl Write for Narrow {
        fn write(&mut self, data: &[u8]) -> io::Result<usize> {
            if data.len() > self.room && !self.failed {
                self.failed = true;
                return Err(io::Error::new(io::ErrorKind::StorageFull, "no space"));
            }
            Ok(data.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn the_empty_stream_is_one_empty_stored_block() {
        assert_eq!(deflate(b""), [1, 0, 0, 0xff, 0xff]);
    }

    #[test]
    fn nothing_can_be_written_after_a_failure() {
        let mut encoder = DeflateEncoder::new(Narrow {
            room: 0,
            failed: false,
        });
        let error = encoder.write_all(&vec![0x5a; 8 << 20]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        let error = encoder.write_all(b"more").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
        assert!(encoder.finish().is_err());
    }

    #[test]
    fn a_failure_at_the_end_is_reported() {
        let mut encoder = DeflateEncoder::new(Narrow {
            room: 0,
            failed: false,
        });
        encoder.write_all(b"few").unwrap();
        assert!(encoder.finish().is_err());
    }
}
