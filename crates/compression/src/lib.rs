//! Reads what may be compressed: by gzip, bzip2, xz or zstd, told by its first bytes, as `BuildKit`
//! tells it of an archive.
//!
//! Each of them may be several in a row, which are read as one.

mod zstd;

use std::io::{self, BufRead as _, BufReader, Read};

/// Begins to read; what is not compressed is read as it is.
///
/// # Errors
///
/// Those of the input, and what is broken from its first bytes on. What is broken later is an error
/// of whoever reads on.
pub fn decompress<'a>(input: impl Read + 'a) -> io::Result<Box<dyn Read + 'a>> {
    let mut input = BufReader::with_capacity(1 << 16, input);
    let start = input.fill_buf()?;
    Ok(if start.starts_with(&[0x1f, 0x8b, 0x08]) {
        Box::new(flate2::bufread::MultiGzDecoder::new(input))
    } else if start.starts_with(b"BZh") {
        Box::new(bzip2::bufread::MultiBzDecoder::new(input))
    } else if start.starts_with(b"\xfd7zXZ\0") {
        Box::new(lzma_rust2::XzReader::new(input, true))
    } else if zstd::begins(start) {
        Box::new(zstd::Frames::new(input))
    } else {
        Box::new(input)
    })
}
