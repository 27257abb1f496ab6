//! Reads what may be compressed: by gzip, bzip2, xz or zstd, told by its first bytes, as `BuildKit`
//! tells it of an archive.
//!
//! Each of them may be several in a row, which are read as one.

mod zstd;

use std::fmt;
use std::io::{self, BufRead, BufReader, Read};

/// How something is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// It is not.
    None,
    /// By gzip.
    Gzip,
    /// By bzip2.
    Bzip2,
    /// By xz.
    Xz,
    /// By zstd.
    Zstd,
}

impl Format {
    /// Tells it by the first bytes.
    pub fn of(start: &[u8]) -> Self {
        if start.starts_with(&[0x1f, 0x8b, 0x08]) {
            Self::Gzip
        } else if start.starts_with(b"BZh") {
            Self::Bzip2
        } else if start.starts_with(b"\xfd7zXZ\0") {
            Self::Xz
        } else if zstd::begins(start) {
            Self::Zstd
        } else {
            Self::None
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "uncompressed",
            Self::Gzip => "gzip",
            Self::Bzip2 => "bzip2",
            Self::Xz => "xz",
            Self::Zstd => "zstd",
        })
    }
}

/// Begins to read; what is not compressed is read as it is.
///
/// # Errors
///
/// Those of the input, and what is broken from its first bytes on. What is broken later is an error
/// of whoever reads on.
pub fn decompress<'a>(input: impl Read + 'a) -> io::Result<Box<dyn Read + 'a>> {
    let mut input = BufReader::with_capacity(1 << 16, input);
    let format = Format::of(input.fill_buf()?);
    decoder(format, input)
}

/// Begins to read what is known to be compressed in this way.
///
/// # Errors
///
/// As [`decompress`].
pub fn decoder<'a>(format: Format, input: impl BufRead + 'a) -> io::Result<Box<dyn Read + 'a>> {
    Ok(match format {
        Format::None => Box::new(input),
        Format::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(input)),
        Format::Bzip2 => Box::new(bzip2::bufread::MultiBzDecoder::new(input)),
        Format::Xz => Box::new(lzma_rust2::XzReader::new(input, true)),
        Format::Zstd => Box::new(zstd::Frames::new(input)),
    })
}
