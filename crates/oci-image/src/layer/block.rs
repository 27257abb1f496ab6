//! The 512-byte header block of a tar, in any of tar's formats, and its fields.
//!
//! It does not know how blocks follow each other.

/// The longest extended header or long name that is read, in bytes: as in Go's reader.
pub(crate) const LONGEST_EXTENDED: u64 = 1 << 20;

/// The size of a block in bytes: a header is one, and content is filled up to whole ones.
pub(crate) const BLOCK: usize = 512;

/// Where the checksum of a header is, and how long it is.
const CHECKSUM: std::ops::Range<usize> = 148..156;

/// A header block.
pub(crate) struct Block(pub(crate) [u8; BLOCK]);

impl Block {
    /// Returns how the bytes are compressed, if they look so.
    pub(crate) fn compression(&self) -> Option<&'static str> {
        match self.0 {
            [0x1f, 0x8b, ..] => Some("gzip"),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Some("zstd"),
            _ => None,
        }
    }

    pub(crate) fn is_zero(&self) -> bool {
        self.0.iter().all(|byte| *byte == 0)
    }

    /// Returns whether the checksum is right. Old archivers summed signed bytes.
    pub(crate) fn checksum_holds(&self) -> bool {
        let Some(expected) = number(&self.0[CHECKSUM]) else {
            return false;
        };
        let bytes = || {
            let counted =
                |(at, byte): (usize, &u8)| if CHECKSUM.contains(&at) { b' ' } else { *byte };
            self.0.iter().enumerate().map(counted)
        };
        let unsigned: i64 = bytes().map(i64::from).sum();
        let signed: i64 = bytes().map(|byte| i64::from(byte.cast_signed())).sum();
        expected == unsigned || expected == signed
    }

    /// Returns the name, with the prefix in front of it where the format has one.
    pub(crate) fn name(&self) -> Vec<u8> {
        let name = text(&self.0[0..100]);
        let prefix = text(&self.0[345..500]);
        if !self.is_posix() || prefix.is_empty() {
            return name.to_vec();
        }
        [prefix, b"/", name].concat()
    }

    pub(crate) fn mode(&self) -> Option<i64> {
        number(&self.0[100..108])
    }

    pub(crate) fn user(&self) -> Option<i64> {
        number(&self.0[108..116])
    }

    pub(crate) fn group(&self) -> Option<i64> {
        number(&self.0[116..124])
    }

    pub(crate) fn size(&self) -> Option<i64> {
        number(&self.0[124..136])
    }

    pub(crate) fn modified(&self) -> Option<i64> {
        number(&self.0[136..148])
    }

    pub(crate) fn kind(&self) -> u8 {
        self.0[156]
    }

    pub(crate) fn link(&self) -> &[u8] {
        text(&self.0[157..257])
    }

    pub(crate) fn device(&self) -> Option<(i64, i64)> {
        Some((number(&self.0[329..337])?, number(&self.0[337..345])?))
    }

    /// Only POSIX's format has a prefix; in GNU's the same bytes are something else.
    fn is_posix(&self) -> bool {
        self.0[257..263] == *b"ustar\0"
    }
}

/// Returns the bytes up to a NUL.
fn text(field: &[u8]) -> &[u8] {
    field.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// Reads a number: octal digits between blanks and NULs, or GNU's big-endian two's complement
/// that is marked by the field's highest bit.
fn number(field: &[u8]) -> Option<i64> {
    let first = *field.first()?;
    if first & 0x80 == 0 {
        let digits = field
            .trim_ascii_start()
            .split(|byte| matches!(byte, 0 | b' '))
            .find(|digits| !digits.is_empty())
            .unwrap_or(b"0");
        let digits = std::str::from_utf8(digits).ok()?;
        return i64::from_str_radix(digits, 8)
            .ok()
            .filter(|value| *value >= 0);
    }
    let negative = first & 0x40 != 0;
    let start = if negative {
        -1
    } else {
        i64::from(first & 0x3f)
    };
    field[1..].iter().try_fold(start, |value, byte| {
        value.checked_mul(256)?.checked_add(i64::from(*byte))
    })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::number;

    #[rstest]
    #[case(b"0000644\0", Some(0o644))]
    #[case(b"   644 \0", Some(0o644))]
    #[case(b"\0\0\0\0\0\0\0\0", Some(0))]
    #[case(b"77777777", Some(0o77_777_777))]
    #[case(b"00008\0\0\0", None)]
    #[case(b"-5\0\0\0\0\0\0", None)]
    #[case(b"\x80\0\0\0\x01\0\0\0", Some(1 << 24))]
    #[case(b"\xff\xff\xff\xff\xff\xff\xff\xfb", Some(-5))]
    #[case(b"\x80\x80\0\0\0\0\0\0\0\0\0\0", None)]
    fn numbers_are_read(#[case] field: &[u8], #[case] value: Option<i64>) {
        assert_eq!(number(field), value);
    }
}
