//! Bytes as lower-case hex digits: the one spelling that digests and keys have in this project.

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// Returns two lower-case hex digits for each byte.
pub fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        for value in [byte >> 4, byte & 15] {
            text.push(char::from(DIGITS[usize::from(value)]));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn each_byte_has_two_digits() {
        assert_eq!(super::hex(&[0, 0x0f, 0xa0, 0xff]), "000fa0ff");
        assert_eq!(super::hex(&[]), "");
    }
}
