//! A digest, as every document has it.

use std::fmt::{self, Write as _};

use serde::{Deserialize, Serialize};

/// What all digests begin with.
const ALGORITHM: &str = "sha256:";
/// How many hex digits follow.
const DIGITS: usize = 64;

/// The SHA-256 of a blob: `sha256:` and 64 lower-case hex digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Digest(String);

/// A text that should have been a digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidDigest {
    /// The text.
    pub text: String,
}

impl Digest {
    /// Returns the digest that consists of these bytes.
    pub fn sha256(bytes: &[u8; DIGITS / 2]) -> Self {
        let mut text = ALGORITHM.to_owned();
        for byte in bytes {
            let _ = write!(text, "{byte:02x}");
        }
        Self(text)
    }

    /// Returns the digest as text, with `sha256:`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns a UUID that is made of it, of version 8, as a URN.
    pub fn uuid(&self) -> String {
        let mut hex = self.hex()[..32].to_owned();
        hex.replace_range(12..13, "8");
        hex.replace_range(16..17, "8");
        let parts = [
            &hex[..8],
            &hex[8..12],
            &hex[12..16],
            &hex[16..20],
            &hex[20..],
        ];
        format!("urn:uuid:{}", parts.join("-"))
    }

    /// Returns the hex digits alone.
    pub fn hex(&self) -> &str {
        &self.0[ALGORITHM.len()..]
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Digest {
    type Error = InvalidDigest;

    fn try_from(text: String) -> Result<Self, InvalidDigest> {
        let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        match text.strip_prefix(ALGORITHM) {
            Some(hex) if hex.len() == DIGITS && hex.bytes().all(is_digit) => Ok(Self(text)),
            _ => Err(InvalidDigest { text }),
        }
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.0
    }
}

impl fmt::Display for InvalidDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { text } = self;
        write!(
            f,
            "expected a digest (`{ALGORITHM}` and {DIGITS} lower-case hex digits), found `{text}`"
        )
    }
}

impl std::error::Error for InvalidDigest {}

#[cfg(test)]
impl schemars::JsonSchema for Digest {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Digest".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "The SHA-256 of a blob: `sha256:` and 64 lower-case hex digits.",
            "type": "string",
            "pattern": format!("^{ALGORITHM}[0-9a-f]{{{DIGITS}}}$"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{DIGITS, Digest};

    #[test]
    fn digests_are_made_of_bytes_and_read() {
        let digest = Digest::sha256(&[0x0f; DIGITS / 2]);
        assert_eq!(digest.as_str(), format!("sha256:{}", "0f".repeat(32)));
        assert_eq!(digest.hex(), "0f".repeat(32));
        assert_eq!(Digest::try_from(digest.to_string()), Ok(digest));
    }

    #[test]
    fn other_texts_are_no_digests() {
        let digits = "0f".repeat(32);
        for text in [
            String::new(),
            digits.clone(),
            format!("sha512:{digits}"),
            format!("sha256:{digits}0"),
            format!("sha256:{}", digits.to_uppercase()),
            format!("sha256:{}é", &digits[2..]),
        ] {
            assert!(Digest::try_from(text.clone()).is_err(), "{text}");
        }
    }
}
