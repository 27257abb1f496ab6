//! The lines of a ledger: each with the proof that it follows the one before it.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// How many hex digits a proof has.
const DIGITS: usize = 64;

/// The proof of a line.
pub(crate) type Sum = [u8; 32];

/// Proves the lines of one ledger.
#[derive(Clone)]
pub(crate) struct Chain {
    key: [u8; 32],
}

impl Chain {
    pub(crate) fn new(key: [u8; 32]) -> Self {
        Self { key }
    }

    /// Returns the proof of what is before the first line.
    pub(crate) fn first(&self) -> Sum {
        self.sum(&[0; 32], b"")
    }

    /// Returns a line with `text`, which has no end of a line in it, and its proof.
    pub(crate) fn line(&self, before: &Sum, text: &str) -> (String, Sum) {
        let sum = self.sum(before, text.as_bytes());
        (format!("{} {text}\n", printable::hex(&sum)), sum)
    }

    /// Returns the text of a line and its proof, if it is the one that follows `before`.
    pub(crate) fn open<'a>(&self, before: &Sum, line: &'a str) -> Option<(&'a str, Sum)> {
        let (digits, text) = line.split_at_checked(DIGITS)?;
        let text = text.strip_prefix(' ')?;
        let mac = self.over(before, text.as_bytes());
        let sum = bytes(digits)?;
        mac.verify_slice(&sum).ok()?;
        Some((text, sum))
    }

    fn sum(&self, before: &Sum, text: &[u8]) -> Sum {
        self.over(before, text).finalize().into_bytes().into()
    }

    fn over(&self, before: &Sum, text: &[u8]) -> Hmac<Sha256> {
        let mut mac = Hmac::new_from_slice(&self.key).expect("a key may have any length");
        mac.update(before);
        mac.update(text);
        mac
    }
}

/// Reads 64 hex digits, in lower case.
fn bytes(digits: &str) -> Option<Sum> {
    let digit = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(digits.as_bytes().chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}
