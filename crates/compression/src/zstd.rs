//! Frames of zstd in a row, with what is to be passed over between them (RFC 8878, section 3.1).

use std::io::{self, BufRead, Read};

use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

/// How much of what came before a frame may refer to, in bytes: as much as the reader of `BuildKit`
/// allows, and more than `zstd --ultra --long` needs.
const LONGEST_WINDOW: u64 = 1 << 29;

/// Tells whether something is a frame, or a skippable one, by its first bytes.
pub(crate) fn begins(start: &[u8]) -> bool {
    match start.first_chunk() {
        Some([0x28, 0xb5, 0x2f, 0xfd]) => true,
        // Four bytes more say how long it is.
        Some([0x50..=0x5f, 0x2a, 0x4d, 0x18]) => start.len() >= 8,
        _ => false,
    }
}

pub(crate) struct Frames<R> {
    input: R,
    decoder: FrameDecoder,
    is_in_frame: bool,
}

impl<R: BufRead> Frames<R> {
    pub(crate) fn new(input: R) -> Self {
        let mut decoder = FrameDecoder::new();
        decoder.set_max_window_size(LONGEST_WINDOW);
        Self {
            input,
            decoder,
            is_in_frame: false,
        }
    }

    /// Begins the next frame. Returns whether there is one.
    fn next(&mut self) -> io::Result<bool> {
        while !self.input.fill_buf()?.is_empty() {
            match self.decoder.reset(&mut self.input) {
                Ok(()) => return Ok(true),
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                    length,
                    ..
                })) => self.pass_over(length.into())?,
                Err(error) => return Err(broken(error)),
            }
        }
        Ok(false)
    }

    fn pass_over(&mut self, length: u64) -> io::Result<()> {
        let passed = io::copy(&mut self.input.by_ref().take(length), &mut io::sink())?;
        if passed < length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(())
    }

    /// Ends a frame, all of which was read.
    fn finish(&mut self) -> io::Result<()> {
        self.is_in_frame = false;
        let said = self.decoder.get_checksum_from_data();
        if said.is_some() && said != self.decoder.get_calculated_checksum() {
            return Err(broken("the checksum of a zstd frame does not fit"));
        }
        Ok(())
    }
}

impl<R: BufRead> Read for Frames<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            if !self.is_in_frame {
                if !self.next()? {
                    return Ok(0);
                }
                self.is_in_frame = true;
            }
            while self.decoder.can_collect() == 0 && !self.decoder.is_finished() {
                self.decoder
                    .decode_blocks(&mut self.input, BlockDecodingStrategy::UptoBlocks(1))
                    .map_err(broken)?;
            }
            let count = self.decoder.read(buffer)?;
            if count > 0 {
                return Ok(count);
            }
            self.finish()?;
        }
    }
}

fn broken(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use ruzstd::encoding::{CompressionLevel, compress_to_vec};

    use super::*;
    use crate::decompress;

    fn frame(text: &[u8]) -> Vec<u8> {
        compress_to_vec(text, CompressionLevel::Fastest)
    }

    fn read(input: &[u8]) -> io::Result<Vec<u8>> {
        let mut text = Vec::new();
        decompress(input)?.read_to_end(&mut text)?;
        Ok(text)
    }

    const SKIPPED: &[u8] = b"\x5e\x2a\x4d\x18\x03\0\0\0any";

    #[rstest]
    #[case::one([frame(b"text")], "text")]
    #[case::two([frame(b"one "), frame(b"two")], "one two")]
    #[case::an_empty_one_between([frame(b"one "), frame(b""), frame(b"two")], "one two")]
    #[case::one_that_is_skipped_first([SKIPPED.to_vec(), frame(b"text")], "text")]
    #[case::one_that_is_skipped_between([frame(b"one "), SKIPPED.to_vec(), frame(b"two")], "one two")]
    #[case::one_that_is_skipped_last([frame(b"text"), SKIPPED.to_vec()], "text")]
    fn frames_are_read_as_one<const N: usize>(#[case] frames: [Vec<u8>; N], #[case] text: &str) {
        assert_eq!(read(&frames.concat()).unwrap(), text.as_bytes());
    }

    #[test]
    fn long_frames_are_read_in_pieces() {
        let long: Vec<u8> = (0..3_u32 << 20).map(|place| (place % 251) as u8).collect();
        let frames = [frame(&long), frame(&long)].concat();
        assert_eq!(read(&frames).unwrap(), [&long[..], &long].concat());
    }

    #[rstest]
    #[case::within_a_frame(&frame(b"text")[..12])]
    #[case::within_what_is_skipped(&SKIPPED[..10])]
    #[case::other_bytes_after_a_frame(&[&frame(b"text")[..], b"other"].concat())]
    fn what_is_broken_is_an_error(#[case] input: &[u8]) {
        assert!(read(input).is_err());
    }

    #[test]
    fn a_checksum_is_compared() {
        let mut frame = frame(&b"text".repeat(100));
        assert!(read(&frame).is_ok());
        *frame.last_mut().unwrap() ^= 1;
        assert!(read(&frame).unwrap_err().to_string().contains("checksum"));
    }
}
