//! The fingerprint of a certificate or of a key in it, as text.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;

/// How many hex digits a fingerprint has, in version 4 of OpenPGP and in version 6.
const LENGTHS: [usize; 2] = [40, 64];

/// How many hex digits stand together where a person reads them.
const GROUP: usize = 4;

/// A fingerprint: 40 or 64 hex digits in upper case.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct Fingerprint(String);

/// A text that is no fingerprint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a fingerprint: expected all of its 40 (or 64) hex digits, as `gpg --fingerprint` prints them"
)]
pub struct InvalidFingerprint(String);

impl Fingerprint {
    /// Returns it as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Takes one that was computed, of whatever version the key is.
    pub(crate) fn of_hex(digits: String) -> Self {
        Self(digits)
    }

    /// Returns it in groups, for people who compare.
    pub fn in_groups(&self) -> String {
        let digits = self.0.as_bytes().chunks(GROUP);
        let groups: Vec<_> = digits.map(String::from_utf8_lossy).collect();
        groups.join(" ")
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A part of a fingerprint is none: whoever likes can make a key whose fingerprint ends as another does.
impl FromStr for Fingerprint {
    type Err = InvalidFingerprint;

    fn from_str(text: &str) -> Result<Self, InvalidFingerprint> {
        let digits: String = text.chars().filter(|letter| *letter != ' ').collect();
        let digits = digits.strip_prefix("0x").unwrap_or(&digits);
        if LENGTHS.contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Ok(Self(digits.to_ascii_uppercase()));
        }
        Err(InvalidFingerprint(text.to_owned()))
    }
}

impl TryFrom<String> for Fingerprint {
    type Error = InvalidFingerprint;

    fn try_from(text: String) -> Result<Self, InvalidFingerprint> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::Fingerprint;

    #[test]
    fn a_fingerprint_is_whole() {
        let digits = "0123456789abcdefABCDEF0123456789abcdef01";
        let one: Fingerprint = digits.parse().unwrap();
        assert_eq!(one.as_str(), digits.to_uppercase());
        assert_eq!(one.in_groups().parse(), Ok(one.clone()));
        assert_eq!(format!("0x{digits}").parse(), Ok(one));
        for text in ["", "89ABCDEF01", &digits[1..], &digits.replace('0', "g")] {
            assert!(text.parse::<Fingerprint>().is_err(), "{text}");
        }
    }
}
