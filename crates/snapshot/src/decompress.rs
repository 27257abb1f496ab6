//! Reads what may be compressed: by gzip, bzip2, xz or zstd, told by its first bytes.

use std::io::{self, BufRead, BufReader, Read};

/// Begins to read; what is not compressed is read as it is.
pub(crate) fn decompress<'a>(input: impl Read + 'a) -> io::Result<Box<dyn Read + 'a>> {
    let mut input = BufReader::with_capacity(1 << 16, input);
    let start = input.fill_buf()?;
    Ok(if start.starts_with(&[0x1f, 0x8b, 0x08]) {
        Box::new(flate2::bufread::MultiGzDecoder::new(input))
    } else if start.starts_with(b"BZh") {
        Box::new(bzip2::bufread::MultiBzDecoder::new(input))
    } else if start.starts_with(b"\xfd7zXZ\0") {
        Box::new(lzma_rust2::XzReader::new(input, true))
    } else if start.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        let decoder = ruzstd::decoding::StreamingDecoder::new(input);
        Box::new(decoder.map_err(io::Error::other)?)
    } else {
        Box::new(input)
    })
}
