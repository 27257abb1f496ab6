//! What a signature says: the bytes that are signed, as StageX's `sign.sh` writes them.
//!
//! There is one way to write a payload, so that it is read by comparing: whatever is not that is refused, be it
//! malformed, with a member twice, or with one more. It knows bytes, and neither keys nor files.

use std::fmt;
use std::str::FromStr;

use documents::Digest;

/// What stands before the reference, between it and the digest, and behind the digest.
const PARTS: [&str; 3] = [
    r#"{"critical":{"identity":{"docker-reference":""#,
    r#""},"image":{"docker-manifest-digest":""#,
    r#""},"type":"atomic container signature"},"optional":{}}"#,
];

/// The most bytes that a registry has.
const LONGEST_REGISTRY: usize = 128;

/// The tag that StageX's scripts sign where an image has none.
const NO_TAG: &str = "null";

/// Where images are published, as the payload says it: `stagex`, or `quay.io/stagex`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Registry(String);

/// What is signed: that a package's image has a digest.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Payload {
    registry: Registry,
    package: String,
    tag: String,
    digest: Digest,
}

/// A name that a payload cannot have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidName {
    /// It is not where images are published.
    #[error(
        "`{0}` is not where images are published: expected names of lower-case letters, digits, `.`, `_` and \
         `-` with `/` between them, such as stagex or quay.io/stagex"
    )]
    Registry(String),
    /// It is no package.
    #[error("`{0}` is not the full name of a package, <stage>-<name>")]
    Package(String),
    /// It is no tag.
    #[error("`{0}` is not a tag: expected {tag}", tag = package_tree::TAG)]
    Tag(String),
    /// It is what StageX's scripts sign where an image has no tag.
    #[error("`null` is not a tag: a script wrote it that found none")]
    NoTag,
}

/// Signed bytes that are not a payload.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// They begin otherwise, end otherwise, or have something else between.
    #[error(
        "what is signed is not what StageX signs: at byte {at} it says {found}, where {expected} is expected"
    )]
    Bytes {
        /// The offset of the first byte that is wrong.
        at: usize,
        /// What stands there.
        found: String,
        /// What should.
        expected: String,
    },
    /// The reference has no tag, or nothing before its name.
    #[error("what is signed names no image: `{0}` is not <registry>/<package>:<tag>")]
    Reference(String),
    /// A part of the reference is not one.
    #[error("what is signed names no image: {0}")]
    Name(#[from] InvalidName),
    /// The digest is not one.
    #[error("what is signed has no digest: {0}")]
    Digest(documents::InvalidDigest),
}

impl Registry {
    /// Returns it as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Registry {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let is_name = |name: &str| {
            name.bytes().next().is_some_and(is_plain)
                && name.bytes().last().is_some_and(is_plain)
                && name
                    .bytes()
                    .all(|byte| is_plain(byte) || matches!(byte, b'.' | b'_' | b'-'))
        };
        let is_host = |name: &str| {
            name.split_once(':').is_some_and(|(host, port)| {
                is_name(host)
                    && (1..=5).contains(&port.len())
                    && port.bytes().all(|byte| byte.is_ascii_digit())
            })
        };
        let mut names = text.split('/');
        let first = names.next().unwrap_or_default();
        let is_one = (is_name(first) || is_host(first) && text.contains('/')) && names.all(is_name);
        if is_one && text.len() <= LONGEST_REGISTRY {
            return Ok(Self(text.to_owned()));
        }
        Err(InvalidName::Registry(text.to_owned()))
    }
}

impl fmt::Display for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Payload {
    /// Makes the payload that says that the image `package`, with this tag, has this digest.
    ///
    /// # Errors
    ///
    /// A name is none.
    pub fn new(
        registry: &Registry,
        package: &str,
        tag: &str,
        digest: Digest,
    ) -> Result<Self, InvalidName> {
        if !package_tree::is_output(package) {
            return Err(InvalidName::Package(package.to_owned()));
        }
        if tag == NO_TAG {
            return Err(InvalidName::NoTag);
        }
        if !package_tree::is_tag(tag) {
            return Err(InvalidName::Tag(tag.to_owned()));
        }
        Ok(Self {
            registry: registry.clone(),
            package: package.to_owned(),
            tag: tag.to_owned(),
            digest,
        })
    }

    /// Reads signed bytes.
    ///
    /// # Errors
    ///
    /// They are not exactly what [`to_bytes`](Self::to_bytes) writes.
    pub fn read(bytes: &[u8]) -> Result<Self, Malformed> {
        let [before, between, behind] = PARTS;
        let mut at = 0;
        expect(bytes, &mut at, before)?;
        let reference = value(bytes, &mut at);
        expect(bytes, &mut at, between)?;
        let digest = value(bytes, &mut at);
        expect(bytes, &mut at, behind)?;
        if at != bytes.len() {
            return Err(wrong(bytes, at, "the end"));
        }
        let no_reference = || Malformed::Reference(reference.clone());
        // The last of each: a host may have a port.
        let (image, tag) = reference.rsplit_once(':').ok_or_else(no_reference)?;
        let (registry, package) = image.rsplit_once('/').ok_or_else(no_reference)?;
        let digest = Digest::try_from(digest).map_err(Malformed::Digest)?;
        Ok(Self::new(&registry.parse()?, package, tag, digest)?)
    }

    /// Returns the bytes that are signed.
    pub fn to_bytes(&self) -> Vec<u8> {
        let [before, between, behind] = PARTS;
        let (reference, digest) = (self.reference(), &self.digest);
        format!("{before}{reference}{between}{digest}{behind}").into_bytes()
    }

    /// Returns the image's reference, `<registry>/<package>:<tag>`.
    pub fn reference(&self) -> String {
        let Self {
            registry,
            package,
            tag,
            ..
        } = self;
        format!("{registry}/{package}:{tag}")
    }

    /// Returns where the image is published.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Returns the package's full name, `<stage>-<name>`.
    pub fn package(&self) -> &str {
        &self.package
    }

    /// Returns the image's tag.
    pub fn tag(&self) -> &str {
        &self.tag
    }

    /// Returns the digest of the image's manifest.
    pub fn digest(&self) -> &Digest {
        &self.digest
    }
}

/// Reads past a text that must stand there.
fn expect(bytes: &[u8], at: &mut usize, text: &str) -> Result<(), Malformed> {
    let rest = &bytes[*at..];
    let same = rest.iter().zip(text.as_bytes());
    let same = same
        .take_while(|(found, expected)| found == expected)
        .count();
    *at += same;
    if same < text.len() {
        return Err(wrong(bytes, *at, &format!("`{}`", &text[same..])));
    }
    Ok(())
}

/// Reads up to the end of a value. Nothing is escaped in one that is right.
fn value(bytes: &[u8], at: &mut usize) -> String {
    let rest = &bytes[*at..];
    let length = rest.iter().position(|byte| *byte == b'"');
    let length = length.unwrap_or(rest.len());
    *at += length;
    String::from_utf8_lossy(&rest[..length]).into_owned()
}

fn wrong(bytes: &[u8], at: usize, expected: &str) -> Malformed {
    /// How many bytes of what is wrong are shown.
    const SHOWN: usize = 24;
    let rest = &bytes[at..];
    let shown = String::from_utf8_lossy(&rest[..rest.len().min(SHOWN)]);
    Malformed::Bytes {
        at,
        found: if rest.is_empty() {
            "nothing".to_owned()
        } else {
            format!("`{shown}`")
        },
        expected: expected.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const DIGITS: &str = "5eb0f1a7d0a1b3e4f9d2c6b8a7958473625140fedcba98765432100123456789";

    /// What `sign.sh` prints, with the parts that a test spoils.
    fn printed(reference: &str, digest: &str) -> String {
        format!(
            "{{\"critical\":{{\"identity\":{{\"docker-reference\":\"{reference}\"}},\"image\":{{\
             \"docker-manifest-digest\":\"{digest}\"}},\"type\":\"atomic container signature\"}},\"optional\":{{}}}}"
        )
    }

    fn good() -> String {
        printed("stagex/core-musl:1.2.4", &format!("sha256:{DIGITS}"))
    }

    #[test]
    fn a_payload_is_written_as_stagex_writes_it_and_read_again() {
        for registry in ["stagex", "quay.io/stagex", "localhost:5000/stagex"] {
            let digest = Digest::try_from(format!("sha256:{DIGITS}")).unwrap();
            let payload = Payload::new(
                &registry.parse().unwrap(),
                "core-musl",
                "1.2.4",
                digest.clone(),
            );
            let payload = payload.unwrap();
            let text = printed(&format!("{registry}/core-musl:1.2.4"), digest.as_str());
            assert_eq!(String::from_utf8(payload.to_bytes()).unwrap(), text);
            assert_eq!(Payload::read(text.as_bytes()), Ok(payload));
        }
    }

    #[rstest]
    #[case::nothing("", "")]
    #[case::a_blank(r#"{"critical""#, r#"{ "critical""#)]
    #[case::a_line_behind("\"optional\":{}}", "\"optional\":{}}\n")]
    #[case::two_of_them("\"optional\":{}}", "\"optional\":{}}{}")]
    #[case::an_optional_member("\"optional\":{}", "\"optional\":{\"creator\":\"me\"}")]
    #[case::an_unknown_critical_member("\"critical\":{", "\"critical\":{\"until\":1,")]
    #[case::one_behind_the_type("signature\"}", "signature\",\"until\":1}")]
    #[case::a_member_twice(
        "\"image\":{",
        "\"image\":{\"docker-manifest-digest\":\"x\"},\"image\":{"
    )]
    #[case::the_digest_twice(
        ":{\"docker-manifest-digest\":",
        ":{\"docker-manifest-digest\":\"\",\"docker-manifest-digest\":"
    )]
    #[case::another_order("\"identity\"", "\"image\"")]
    #[case::another_type("atomic container signature", "cosign container image signature")]
    #[case::not_closed("\"optional\":{}}", "\"optional\":{}")]
    #[case::an_escape("stagex/core-musl", "stagex\\/core-musl")]
    #[case::a_quote("core-musl", "core-musl\\\"")]
    #[case::not_utf8("core-musl", "core-\u{fffd}musl")]
    #[case::no_tag(":1.2.4", "")]
    #[case::the_tag_of_a_script_that_found_none(":1.2.4", ":null")]
    #[case::no_registry("stagex/", "")]
    #[case::a_registry_of_dots("stagex/", "../")]
    #[case::a_path_as_package("core-musl", "core-..")]
    #[case::no_stage("core-musl", "musl")]
    #[case::an_empty_digest(DIGITS, "")]
    #[case::a_digest_in_upper_case(
        DIGITS,
        "5EB0F1A7D0A1B3E4F9D2C6B8A7958473625140FEDCBA98765432100123456789"
    )]
    #[case::another_algorithm("sha256:", "sha512:")]
    fn anything_else_is_refused(#[case] part: &str, #[case] instead: &str) {
        let text = if part.is_empty() {
            String::new()
        } else {
            good().replacen(part, instead, 1)
        };
        assert_ne!(text, good());
        assert!(Payload::read(text.as_bytes()).is_err(), "{text}");
    }

    #[test]
    fn every_beginning_of_a_payload_and_every_other_byte_is_refused() {
        let bytes = good().into_bytes();
        assert!(Payload::read(&bytes).is_ok());
        for at in 0..bytes.len() {
            assert!(Payload::read(&bytes[..at]).is_err(), "{at} bytes");
            let mut other = bytes.clone();
            other[at] = 0xff;
            assert!(Payload::read(&other).is_err(), "another byte at {at}");
        }
    }

    #[test]
    fn it_is_said_where_a_payload_is_wrong() {
        let text = good().replacen("\"optional\":{}", "\"optional\":{\"creator\":\"me\"}", 1);
        let error = Payload::read(text.as_bytes()).unwrap_err();
        let at = text.find("\"creator").unwrap();
        let found = "`\"creator\":\"me\"}}`".to_owned();
        assert_eq!(
            error,
            Malformed::Bytes {
                at,
                found,
                expected: "`}}`".to_owned()
            }
        );
    }

    #[rstest]
    #[case("")]
    #[case("/stagex")]
    #[case("stagex/")]
    #[case("stagex//a")]
    #[case("stagex/..")]
    #[case("Stagex")]
    #[case("stagex:5000")]
    #[case("a/b:5000")]
    #[case("host:port/a")]
    #[case("sta gex")]
    fn other_texts_are_no_registries(#[case] text: &str) {
        assert!(text.parse::<Registry>().is_err());
    }
}
