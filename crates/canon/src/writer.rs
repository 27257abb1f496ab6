//! What wrote a compressed layer, told from its bytes.
//!
//! Go's encoder up to 1.26 is known for certain where the canonical blob of the same tar is the same: that is
//! decided by those who write it. Here it is told by its structure, as all others are. It does not know images.

use std::io::{self, Read};
use std::sync::{Arc, Mutex, PoisonError};

use compression::Format;
use documents::LayerWriter;

use crate::blocks::{Block, Blocks, Kind};

/// How much of the beginning is looked at, in bytes.
const MOST: usize = 1 << 18;
/// The header of a gzip file, without what its flags add.
const HEADER: usize = 10;
/// The checksum and the size at its end.
const TRAILER: usize = 8;
/// How many symbols a block of Go up to 1.26 has, where it is not the last.
const OLDER_GO: u32 = 16_384;
/// How many bytes a block of Go from 1.27 on stands for, and of the library that it came from.
const NEWER_GO: u64 = 65_535;
/// How many symbols a block of zlib has: a buffer of 16384, less one.
const ZLIB: u32 = 16_383;
/// The time that `klauspost/pgzip` writes where none is set: the seconds of Go's zero time, cut to 32 bits.
const NO_TIME: [u8; 4] = [0x00, 0x09, 0x6e, 0x88];
/// The operating system that a header does not name, and Unix.
const UNKNOWN_SYSTEM: u8 = 255;
const UNIX: u8 = 3;

/// What is remembered of bytes that pass by: the first ones, and the last ones.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sample {
    head: Vec<u8>,
    tail: Vec<u8>,
    size: u64,
}

impl Sample {
    /// Returns a sample of all of `bytes`.
    #[cfg(test)]
    fn of(bytes: &[u8]) -> Self {
        let mut sample = Self::default();
        sample.see(bytes);
        sample
    }

    fn see(&mut self, bytes: &[u8]) {
        let wanted = MOST.saturating_sub(self.head.len()).min(bytes.len());
        self.head.extend_from_slice(&bytes[..wanted]);
        self.size += bytes.len() as u64;
        let last = &bytes[bytes.len().saturating_sub(4 + TRAILER)..];
        self.tail.extend_from_slice(last);
        let surplus = self.tail.len().saturating_sub(4 + TRAILER);
        self.tail.drain(..surplus);
    }

    /// Tells what wrote the bytes, which are compressed in this way.
    pub(crate) fn writer(&self, format: Format) -> LayerWriter {
        match format {
            Format::None => LayerWriter::Nothing,
            Format::Zstd => LayerWriter::Zstd,
            Format::Bzip2 | Format::Xz => LayerWriter::Unknown,
            Format::Gzip => self.gzip().unwrap_or(LayerWriter::Unknown),
        }
    }

    fn gzip(&self) -> Option<LayerWriter> {
        let header = self.head.get(..HEADER)?;
        let (flags, time, system) = (header[3], &header[4..8], header[9]);
        if flags != 0 || system == UNIX {
            // Go names no system, and its programs set no name.
            return Some(LayerWriter::Zlib);
        }
        if system != UNKNOWN_SYSTEM {
            return None;
        }
        if time == NO_TIME {
            return Some(LayerWriter::Pgzip);
        }
        if time != [0; 4] {
            return None;
        }
        let blocks = Blocks::read(&self.head[HEADER..]);
        let ends_stored = self.tail.starts_with(&[0, 0, 0xff, 0xff]);
        let (last, full) = match blocks.blocks.split_last() {
            // The last block is empty, and the one before it may have any size.
            Some((last, others)) if blocks.is_whole => {
                (Some(*last), &others[..others.len().saturating_sub(1)])
            }
            _ => (None, blocks.blocks.as_slice()),
        };
        let is_empty = |kind: Kind| {
            last.is_none_or(|last| (last.kind, last.symbols, last.bytes) == (kind, 0, 0))
        };
        let all = |full_block: fn(&Block) -> bool| full.iter().all(full_block);
        if ends_stored && is_empty(Kind::Stored) && all(is_full_for_older_go) {
            return Some(LayerWriter::Go);
        }
        if !ends_stored && is_empty(Kind::Fixed) && all(|block| block.bytes == NEWER_GO) {
            return Some(LayerWriter::NewerGo);
        }
        let several = full.len() > 1;
        (several && all(|block| block.symbols == ZLIB)).then_some(LayerWriter::Zlib)
    }
}

/// Tells whether Go up to 1.26 would have ended a block here. How many symbols a stored block replaced cannot
/// be seen.
fn is_full_for_older_go(block: &Block) -> bool {
    block.kind == Kind::Stored || block.symbols == OLDER_GO
}

/// A stream that is passed on, and of which a sample is kept.
pub(crate) struct Watched<R> {
    inner: R,
    sample: Arc<Mutex<Sample>>,
}

impl<R> Watched<R> {
    pub(crate) fn new(inner: R, sample: &Arc<Mutex<Sample>>) -> Self {
        let sample = Arc::clone(sample);
        Self { inner, sample }
    }
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        let mut sample = self.sample.lock().unwrap_or_else(PoisonError::into_inner);
        sample.see(&buffer[..count]);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use rstest::rstest;

    use super::*;

    /// Returns the bytes of the largest member of an image that an engine wrote: its largest layer.
    fn largest(image: &[u8]) -> Vec<u8> {
        let mut archive = tar::Archive::new(image);
        let members = archive.entries().unwrap().map(|member| {
            let mut bytes = Vec::new();
            member.unwrap().read_to_end(&mut bytes).unwrap();
            bytes
        });
        members.max_by_key(Vec::len).unwrap()
    }

    fn told(bytes: &[u8]) -> LayerWriter {
        Sample::of(bytes).writer(Format::of(bytes))
    }

    #[rstest]
    #[case::go_1_27(&largest(include_bytes!("../tests/samples/docker-28.5.2-go-1.27.1/image.tar")), LayerWriter::NewerGo)]
    #[case::go_1_24(&largest(include_bytes!("../tests/samples/docker-26.1.5-go-1.24.4/image.tar")), LayerWriter::Go)]
    #[case::buildah(include_bytes!("../tests/samples/buildah-1.43.2/layer.tar.gz"), LayerWriter::Pgzip)]
    #[case::older_buildah(include_bytes!("../tests/samples/buildah-1.39.3/layer.tar.gz"), LayerWriter::Pgzip)]
    #[case::zstd(include_bytes!("../tests/samples/buildah-1.43.2/layer.tar.zst"), LayerWriter::Zstd)]
    #[case::gzip(include_bytes!("../tests/samples/gzip-1.12/layer-6.tar.gz"), LayerWriter::Zlib)]
    #[case::gzip_with_a_name(include_bytes!("../tests/samples/gzip-1.12/layer-9-named.tar.gz"), LayerWriter::Zlib)]
    #[case::nothing(&[0; 1024], LayerWriter::Nothing)]
    #[case::another(b"BZh91AY&SY", LayerWriter::Unknown)]
    #[case::cut_off(&[0x1f, 0x8b, 8], LayerWriter::Unknown)]
    fn what_was_captured_is_recognised(#[case] bytes: &[u8], #[case] expected: LayerWriter) {
        assert_eq!(told(bytes), expected);
    }

    /// Bytes that no encoder can make small, or all can.
    fn content(size: usize, is_random: bool) -> Vec<u8> {
        let mut state = 1_u32;
        let mut byte = || {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            state.to_le_bytes()[0] & if is_random { 0xff } else { 0x0f }
        };
        (0..size).map(|_| byte()).collect()
    }

    #[rstest]
    fn go_up_to_1_26_is_recognised_whatever_it_compressed(
        #[values(0, 1, 1024, 65_536, 200_000)] size: usize,
        #[values(false, true)] is_random: bool,
    ) {
        assert_eq!(
            told(&go_flate::gzip(&content(size, is_random))),
            LayerWriter::Go
        );
    }

    #[test]
    fn another_encoder_with_the_header_of_go_is_not_taken_for_it() {
        let level = flate2::Compression::default();
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), level);
        encoder.write_all(&content(300_000, false)).unwrap();
        let told = told(&encoder.finish().unwrap());
        assert!(
            !matches!(
                told,
                LayerWriter::Go | LayerWriter::NewerGo | LayerWriter::Pgzip
            ),
            "{told:?}"
        );
    }

    #[test]
    fn a_sample_is_of_the_first_and_the_last_bytes_however_they_come() {
        let bytes = content(2 * MOST, true);
        let mut sample = Sample::default();
        for piece in bytes.chunks(7) {
            sample.see(piece);
        }
        assert_eq!(sample.head, bytes[..MOST]);
        assert_eq!(sample.tail, bytes[bytes.len() - 4 - TRAILER..]);
    }
}
