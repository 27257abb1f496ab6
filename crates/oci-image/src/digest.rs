//! The names of bytes: digests of blobs and diff ids of layers, and how they are computed.
//!
//! It knows SHA-256 and its notation, not what is hashed.

use std::fmt;
use std::io::{self, Read, Write};
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// What all digests begin with.
const ALGORITHM: &str = "sha256:";

/// The SHA-256 of a blob as it is stored, shown as `sha256:` and 64 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Digest([u8; 32]);

impl Digest {
    /// Returns the digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// Returns the digest of all that `reader` gives.
    pub fn of_reader(reader: impl Read) -> io::Result<Self> {
        Measured::of_reader(reader).map(|measured| measured.digest)
    }

    /// Returns the 64 hex digits, which are the blob's file name in a layout.
    pub fn hex(&self) -> String {
        printable::hex(&self.0)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(ALGORITHM)?;
        f.write_str(&self.hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Digest {
    type Err = InvalidDigest;

    fn from_str(text: &str) -> Result<Self, InvalidDigest> {
        let invalid = || InvalidDigest {
            text: text.to_owned(),
        };
        let hex = text.strip_prefix(ALGORITHM).ok_or_else(invalid)?;
        let mut bytes = [0; 32];
        if hex.len() != 2 * bytes.len() {
            return Err(invalid());
        }
        for (byte, pair) in bytes.iter_mut().zip(hex.as_bytes().chunks_exact(2)) {
            let [Some(high), Some(low)] = [pair[0], pair[1]].map(hex_digit) else {
                return Err(invalid());
            };
            *byte = high << 4 | low;
        }
        Ok(Self(bytes))
    }
}

/// Returns the value of a lower-case hex digit; upper-case ones are not valid in a digest.
fn hex_digit(character: u8) -> Option<u8> {
    match character {
        b'0'..=b'9' => Some(character - b'0'),
        b'a'..=b'f' => Some(character - b'a' + 10),
        _ => None,
    }
}

/// The digest as documents have it.
impl From<Digest> for documents::Digest {
    fn from(digest: Digest) -> Self {
        Self::sha256(&digest.0)
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.to_string()
    }
}

impl TryFrom<String> for Digest {
    type Error = InvalidDigest;

    fn try_from(text: String) -> Result<Self, InvalidDigest> {
        text.parse()
    }
}

/// A text that should have been a digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a digest (`sha256:` and 64 lower-case hex digits), found `{text}`")]
pub struct InvalidDigest {
    /// The text.
    pub text: String,
}

/// The SHA-256 of a layer's tar before compression: what a config names the layer by.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DiffId(pub Digest);

impl fmt::Display for DiffId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for DiffId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// A blob's digest and its size in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Measured {
    /// The digest.
    pub digest: Digest,
    /// The size in bytes.
    pub size: u64,
}

impl Measured {
    /// Measures all that `reader` gives.
    pub fn of_reader(mut reader: impl Read) -> io::Result<Self> {
        let mut hashing = Hashing::new(io::sink());
        io::copy(&mut reader, &mut hashing)?;
        Ok(hashing.finish().1)
    }
}

/// Writes through to another writer, and knows the digest and the size of what passed.
pub(crate) struct Hashing<W> {
    inner: W,
    hasher: Sha256,
    size: u64,
}

impl<W: Write> Hashing<W> {
    pub(crate) fn new(inner: W) -> Self {
        Self {
            inner,
            hasher: Sha256::new(),
            size: 0,
        }
    }

    pub(crate) fn inner_mut(&mut self) -> &mut W {
        &mut self.inner
    }

    pub(crate) fn finish(self) -> (W, Measured) {
        let digest = Digest(self.hasher.finalize().into());
        let size = self.size;
        (self.inner, Measured { digest, size })
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        self.size += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const OF_NOTHING: &str =
        "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn digests_are_read_and_shown() {
        assert_eq!(Digest::of(b"").to_string(), OF_NOTHING);
        assert_eq!(OF_NOTHING.parse(), Ok(Digest::of(b"")));
        assert_eq!(Digest::of_reader(&b"abc"[..]).unwrap(), Digest::of(b"abc"));
        assert_ne!(Digest::of(b"abc"), Digest::of(b"abd"));
    }

    #[rstest]
    #[case("")]
    #[case("sha256:")]
    #[case(&OF_NOTHING[7..])]
    #[case(&OF_NOTHING[..70])]
    #[case(&OF_NOTHING.replace("e3b0", "E3B0"))]
    #[case(&OF_NOTHING.replace("e3b0", "../e"))]
    #[case(&OF_NOTHING.replace("e3b0", "éb0"))]
    #[case(&OF_NOTHING.replace("sha256", "sha512"))]
    fn other_texts_are_refused(#[case] text: &str) {
        let refused = text.parse::<Digest>().unwrap_err();
        assert_eq!(refused.text, text);
    }

    #[test]
    fn what_passes_is_measured() {
        let mut hashing = Hashing::new(Vec::new());
        hashing.write_all(b"ab").unwrap();
        hashing.write_all(b"c").unwrap();
        let (written, measured) = hashing.finish();
        assert_eq!(written, b"abc");
        assert_eq!(measured.digest, Digest::of(b"abc"));
        assert_eq!(measured.size, 3);
    }
}
