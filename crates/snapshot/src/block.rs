//! A header of a tar: one block, whose fields mean what Go's reader makes of them.

use std::io;

/// The unit of a tar, in bytes.
pub(crate) const BLOCK: usize = 512;

/// What a header says by itself. Others before it may say more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Block {
    pub(crate) format: Format,
    /// The letter that says what the entry is.
    pub(crate) kind: u8,
    pub(crate) path: Vec<u8>,
    pub(crate) link: Vec<u8>,
    pub(crate) size: i64,
    pub(crate) mode: i64,
    pub(crate) user: i64,
    pub(crate) group: i64,
    /// In seconds since 1970.
    pub(crate) time: i64,
    /// The numbers of a device, major and minor.
    pub(crate) device: (i64, i64),
}

/// Which fields a header has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    V7,
    Ustar,
    Star,
    Gnu,
}

impl Block {
    /// Reads the fields of a header.
    pub(crate) fn parse(block: &[u8; BLOCK]) -> io::Result<Self> {
        let field = |start: usize, length: usize| &block[start..start + length];
        let format = format(block)?;
        let (mut path, mut device) = (text(field(0, 100)).to_vec(), (0, 0));
        if format != Format::V7 {
            device = (number(field(329, 8))?, number(field(337, 8))?);
            let prefix = match format {
                Format::Star => {
                    number(field(476, 12)).and(number(field(488, 12)))?;
                    text(field(345, 131))
                }
                Format::Gnu => prefix_of_gnu(field(345, 155)),
                _ => text(field(345, 155)),
            };
            if !prefix.is_empty() {
                path = [prefix, b"/", &path].concat();
            }
        }
        Ok(Self {
            format,
            kind: block[156],
            path,
            link: text(field(157, 100)).to_vec(),
            size: number(field(124, 12))?,
            mode: number(field(100, 8))?,
            user: number(field(108, 8))?,
            group: number(field(116, 8))?,
            time: number(field(136, 12))?,
            device,
        })
    }
}

/// Compares the checksum, and says which fields there are.
fn format(block: &[u8; BLOCK]) -> io::Result<Format> {
    let said = octal(&block[148..156])?;
    let bytes = || {
        let counted = block.iter().enumerate();
        counted.map(|(place, byte)| {
            if (148..156).contains(&place) {
                b' '
            } else {
                *byte
            }
        })
    };
    let unsigned: i64 = bytes().map(i64::from).sum();
    // Old programs took bytes for signed ones.
    let signed: i64 = bytes().map(|byte| i64::from(byte.cast_signed())).sum();
    if ![unsigned, signed].contains(&said) {
        return Err(wrong("the checksum of a header does not fit"));
    }
    Ok(match (&block[257..263], &block[263..265], &block[508..]) {
        (b"ustar\0", _, b"tar\0") => Format::Star,
        (b"ustar\0", ..) => Format::Ustar,
        (b"ustar ", b" \0", _) => Format::Gnu,
        _ => Format::V7,
    })
}

/// Returns what stands before the path in a header of GNU's, which has two times there; but Go itself
/// has written others.
fn prefix_of_gnu(field: &[u8]) -> &[u8] {
    let is_time = |field: &[u8]| field[0] == 0 || number(field).is_ok();
    let prefix = text(field);
    if is_time(&field[..12]) && is_time(&field[12..24]) || !prefix.is_ascii() {
        return &[];
    }
    prefix
}

/// Returns a field up to its first zero.
pub(crate) fn text(field: &[u8]) -> &[u8] {
    field.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// Reads a number: octal digits, or where the first bit is set a binary one.
fn number(field: &[u8]) -> io::Result<i64> {
    let first = field[0];
    if first & 0x80 == 0 {
        return octal(field);
    }
    let negative = first & 0x40 != 0;
    let mut number: u64 = if negative { u64::MAX } else { 0 };
    for (place, byte) in field.iter().enumerate() {
        // The first bit says only what kind of number it is.
        let byte = match place {
            0 if negative => byte | 0x80,
            0 => byte & 0x7f,
            _ => *byte,
        };
        let lost = number >> 56;
        if lost != if negative { 0xff } else { 0 } {
            return Err(wrong("a number of a header is too large"));
        }
        number = number << 8 | u64::from(byte);
    }
    let number = number.cast_signed();
    if (number < 0) != negative {
        return Err(wrong("a number of a header is too large"));
    }
    Ok(number)
}

/// Reads octal digits with blanks and zeros around them; nothing but these is 0.
fn octal(field: &[u8]) -> io::Result<i64> {
    let is_blank = |byte: &u8| matches!(byte, 0 | b' ');
    let Some(start) = field.iter().position(|byte| !is_blank(byte)) else {
        return Ok(0);
    };
    let end = field.iter().rposition(|byte| !is_blank(byte));
    let digits = text(&field[start..=end.unwrap_or(start)]);
    let is_octal = digits.iter().all(|byte| matches!(byte, b'0'..=b'7'));
    let number = str::from_utf8(digits).ok().filter(|_| is_octal);
    let number = number.and_then(|digits| u64::from_str_radix(digits, 8).ok());
    let number = number.ok_or_else(|| wrong("a number of a header is none"))?;
    Ok(number.cast_signed())
}

pub(crate) fn wrong(message: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(b"0000644\0", 0o644)]
    #[case(b"   644 \0", 0o644)]
    #[case(b"\0\0 7\0   ", 7)]
    #[case(b"12\0junk ", 0o12)]
    #[case(b"\0\0\0\0\0\0\0\0", 0)]
    #[case(b"        ", 0)]
    #[case(b"\x80\0\0\0\0\0\x01\x02", 258)]
    #[case(b"\xff\xff\xff\xff\xff\xff\xff\xfe", -2)]
    #[case(b"\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff", i64::MAX)]
    #[case(b"\xff\xff\xff\xff\x80\0\0\0\0\0\0\0", i64::MIN)]
    fn numbers(#[case] field: &[u8], #[case] expected: i64) {
        assert_eq!(number(field).unwrap(), expected);
    }

    #[rstest]
    #[case(b"0000648\0")]
    #[case(b"12 34\0\0\0")]
    #[case(b"+12\0\0\0\0\0")]
    #[case(b"-1\0\0\0\0\0\0")]
    #[case(b"x\0\0\0\0\0\0\0")]
    #[case(b"\x80\0\0\0\x80\0\0\0\0\0\0\0")]
    #[case(b"\x80\0\0\x01\0\0\0\0\0\0\0\0")]
    #[case(b"\xff\xff\xff\xff\x7f\xff\xff\xff\xff\xff\xff\xff")]
    fn what_is_no_number(#[case] field: &[u8]) {
        assert!(number(field).is_err());
    }
}
