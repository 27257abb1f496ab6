//! What names an image in a registry: `host[:port]/name@sha256:...`, or a tag in place of the digest.
//!
//! It knows texts, and asks nobody. The grammar is that of the OCI distribution specification 1.1 and of Docker's
//! `distribution/reference`, but for one thing: the host is always written, since nobody is asked by default.

use std::fmt;
use std::str::FromStr;

use oci_image::Digest;

/// The most bytes of a repository's name, with its host.
const LONGEST: usize = 255;
/// The most bytes of a tag.
const LONGEST_TAG: usize = 128;

/// Docker Hub, as people write it, and the host that answers for it.
const HUB: &str = "docker.io";
const HUB_SERVER: &str = "registry-1.docker.io";

/// What names an image in a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// Where it is.
    pub repository: Repository,
    /// Which one it is there.
    pub version: Version,
}

/// Which image of a repository is named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Version {
    /// The one with this digest, of its manifest or of its index.
    Digest(Digest),
    /// Whatever a tag stands for at the moment.
    Tag(String),
}

/// Images of one name in a registry, or all of those whose names begin so.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Repository {
    host: String,
    /// Empty where it is all of a registry.
    name: String,
}

/// Why a text names no image in a registry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidReference {
    /// It does not begin with a host.
    #[error("`{0}` does not begin with the host of a registry")]
    NoHost(String),
    /// A part of it has characters that cannot be there.
    #[error("`{text}` is not a reference to an image in a registry: {why}")]
    Malformed {
        /// The text.
        text: String,
        /// Which part, and what is expected there.
        why: &'static str,
    },
    /// It names a repository only.
    #[error("`{0}` names no image: it has neither a digest nor a tag")]
    NoVersion(String),
}

impl InvalidReference {
    /// Returns what somebody can do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NoHost(_) => "write the host too, such as docker.io/stagex/core-musl@sha256:...",
            Self::Malformed { .. } => {
                "write it as host[:port]/name@sha256:DIGEST, with 64 lower-case hex digits"
            }
            Self::NoVersion(_) => "add the digest: @sha256: and 64 hex digits",
        }
    }
}

impl Repository {
    /// Returns the host that people write, with its port if they write one.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Returns the name within the registry.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Returns the host that is asked.
    pub(crate) fn server(&self) -> &str {
        if self.host == HUB {
            HUB_SERVER
        } else {
            &self.host
        }
    }

    /// Returns the repository `name` below it.
    ///
    /// # Errors
    ///
    /// It is no name of one.
    pub fn join(&self, name: &str) -> Result<Self, InvalidReference> {
        let text = format!("{self}/{name}");
        let name = text.split_once('/').map_or("", |(_, name)| name);
        check_name(name, &text)?;
        Ok(Self {
            host: self.host.clone(),
            name: name.to_owned(),
        })
    }

    /// Returns the image in it with a digest.
    pub fn at(self, digest: Digest) -> Reference {
        Reference {
            repository: self,
            version: Version::Digest(digest),
        }
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.host)?;
        if self.name.is_empty() {
            return Ok(());
        }
        write!(f, "/{}", self.name)
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.version {
            Version::Digest(digest) => write!(f, "{}@{digest}", self.repository),
            Version::Tag(tag) => write!(f, "{}:{tag}", self.repository),
        }
    }
}

impl Version {
    /// Returns what it names, for messages.
    pub(crate) fn image(&self) -> String {
        match self {
            Self::Digest(digest) => format!("the image {digest}"),
            Self::Tag(tag) => format!("the image `{tag}`"),
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Digest(digest) => digest.fmt(f),
            Self::Tag(tag) => f.write_str(tag),
        }
    }
}

/// Reads a registry, or a repository: `host[:port][/name]`.
impl FromStr for Repository {
    type Err = InvalidReference;

    fn from_str(text: &str) -> Result<Self, InvalidReference> {
        let (host, name) = match text.split_once('/') {
            Some((host, name)) => (host, Some(name)),
            None => (text, None),
        };
        check_host(host, text)?;
        if let Some(name) = name {
            check_name(name, text)?;
        }
        let host = match host {
            // Names that Docker's own client writes for it.
            "index.docker.io" | HUB_SERVER => HUB,
            host => host,
        };
        Ok(Self {
            host: host.to_owned(),
            name: name.unwrap_or_default().to_owned(),
        })
    }
}

impl FromStr for Reference {
    type Err = InvalidReference;

    fn from_str(text: &str) -> Result<Self, InvalidReference> {
        let (before, digest) = match text.split_once('@') {
            Some((before, digest)) => {
                let digest = digest.parse().map_err(|_| {
                    malformed(text, "what follows `@` must be the SHA-256 of a manifest")
                })?;
                (before, Some(digest))
            }
            None => (text, None),
        };
        // The colon of a port is before the first slash.
        let (repository, tag) = match before.rsplit_once(':') {
            Some((repository, tag)) if !tag.contains('/') && repository.contains('/') => {
                check_tag(tag, text)?;
                (repository, Some(tag))
            }
            _ => (before, None),
        };
        let mut repository: Repository = repository.parse()?;
        if repository.name.is_empty() {
            return Err(malformed(text, "there is no name behind the host"));
        }
        if repository.host == HUB && !repository.name.contains('/') {
            repository.name.insert_str(0, "library/");
        }
        let version = match (digest, tag) {
            // The digest says all: what a tag beside it stands for does not matter.
            (Some(digest), _) => Version::Digest(digest),
            (None, Some(tag)) => Version::Tag(tag.to_owned()),
            (None, None) => return Err(InvalidReference::NoVersion(text.to_owned())),
        };
        Ok(Self {
            repository,
            version,
        })
    }
}

fn malformed(text: &str, why: &'static str) -> InvalidReference {
    InvalidReference::Malformed {
        text: text.to_owned(),
        why,
    }
}

/// Checks a host with its port. A first part without a dot, a colon or the name of this machine is a part of a
/// name for others, who then ask Docker Hub.
fn check_host(host: &str, text: &str) -> Result<(), InvalidReference> {
    let no_host = || InvalidReference::NoHost(text.to_owned());
    let (name, port) = match host.strip_prefix('[') {
        Some(rest) => {
            let (address, rest) = rest.split_once(']').ok_or_else(no_host)?;
            let is_address = address.parse::<std::net::Ipv6Addr>().is_ok();
            let port = rest.strip_prefix(':');
            if !is_address || (port.is_none() && !rest.is_empty()) {
                return Err(malformed(text, "the host is not a valid address"));
            }
            ("localhost", port)
        }
        None => match host.split_once(':') {
            Some((name, port)) => (name, Some(port)),
            None => (host, None),
        },
    };
    if port.is_none() && name != "localhost" && !name.contains('.') {
        return Err(no_host());
    }
    let is_label = |label: &str| {
        let inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        !label.is_empty()
            && label.bytes().all(inner)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if !name.split('.').all(is_label) {
        return Err(malformed(text, "the host is not a valid name"));
    }
    if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Err(malformed(text, "the host must be in lower case"));
    }
    let is_port = |port: &str| {
        let digits = port.bytes().all(|byte| byte.is_ascii_digit()) && !port.starts_with('0');
        digits && port.parse::<u16>().is_ok()
    };
    if port.is_some_and(|port| !is_port(port)) {
        return Err(malformed(text, "the port is not a number from 1 to 65535"));
    }
    Ok(())
}

/// Checks the name of a repository: parts of lower-case letters and digits, with single separators within.
fn check_name(name: &str, text: &str) -> Result<(), InvalidReference> {
    let is_part = |part: &str| {
        let outer = |byte: Option<u8>| {
            byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        };
        let inner = |byte: u8| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'_' | b'-')
        };
        let separators = part.split(|character: char| character.is_ascii_alphanumeric());
        let one = |separator: &str| {
            matches!(separator, "" | "." | "_" | "__") || separator.bytes().all(|byte| byte == b'-')
        };
        outer(part.bytes().next())
            && outer(part.bytes().last())
            && part.bytes().all(inner)
            && separators.into_iter().all(one)
    };
    if !name.split('/').all(is_part) {
        return Err(malformed(
            text,
            "the parts of the name must be lower-case letters and digits, with `.`, `_` or `-` between them",
        ));
    }
    if text.len() > LONGEST + LONGEST_TAG + 72 || name.len() > LONGEST {
        return Err(malformed(text, "the name has more than 255 bytes"));
    }
    Ok(())
}

fn check_tag(tag: &str, text: &str) -> Result<(), InvalidReference> {
    let first = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let next = |byte: u8| first(byte) || matches!(byte, b'.' | b'-');
    let is_tag = tag.bytes().next().is_some_and(first) && tag.bytes().all(next);
    if is_tag && tag.len() <= LONGEST_TAG {
        return Ok(());
    }
    Err(malformed(
        text,
        "the tag must be at most 128 letters, digits, `_`, `.` and `-`",
    ))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[rstest]
    #[case("docker.io/stagex/core-musl", "docker.io", "stagex/core-musl")]
    #[case("docker.io/busybox", "docker.io", "library/busybox")]
    #[case("index.docker.io/stagex/a", "docker.io", "stagex/a")]
    #[case("localhost/a", "localhost", "a")]
    #[case("localhost:5000/a/b__c/d-.e", "", "")]
    #[case("127.0.0.1:5000/a/b__c/d--e", "127.0.0.1:5000", "a/b__c/d--e")]
    #[case("host:5000/a", "host:5000", "a")]
    #[case("[::1]:5000/a", "[::1]:5000", "a")]
    #[case("[::1]/a", "[::1]", "a")]
    #[case("quay.io/stagex/a:2026.03.0", "quay.io", "stagex/a")]
    fn a_reference_is_read(#[case] text: &str, #[case] host: &str, #[case] name: &str) {
        let text = format!("{text}@{DIGEST}");
        let found = text.parse::<Reference>();
        if host.is_empty() {
            assert!(found.is_err(), "{found:?}");
            return;
        }
        let found = found.unwrap();
        assert_eq!(
            (found.repository.host(), found.repository.name()),
            (host, name)
        );
        assert_eq!(found.version.to_string(), DIGEST);
        assert_eq!(found.to_string().parse(), Ok(found));
    }

    #[rstest]
    #[case("stagex/core-musl:1")]
    #[case("core-musl:1")]
    #[case("")]
    #[case("docker.io/Stagex/a:1")]
    #[case("Docker.io/stagex/a:1")]
    #[case("docker.io/a")]
    #[case("docker.io")]
    #[case("docker.io/:1")]
    #[case("docker.io/a//b:1")]
    #[case("docker.io/a/../b:1")]
    #[case("docker.io/a/-b:1")]
    #[case("docker.io/a/b?c:1")]
    #[case("docker.io/a/b#c:1")]
    #[case("docker.io/a\n:1")]
    #[case("docker.io/a@sha256:1234")]
    #[case("docker.io/a@sha512:1234")]
    #[case("docker.io/a:b@sha256")]
    #[case("docker.io/a:-b")]
    #[case("user@docker.io/a:1")]
    #[case("https://docker.io/a:1")]
    #[case("host:0/a:1")]
    #[case("host:65536/a:1")]
    #[case("host:/a:1")]
    #[case("[::1/a:1")]
    #[case("[::g]:1/a:1")]
    #[case("[::1]x/a:1")]
    #[case("-a.b/c:1")]
    #[case("a..b/c:1")]
    fn others_are_refused(#[case] text: &str) {
        assert!(text.parse::<Reference>().is_err());
    }

    #[test]
    fn a_name_or_a_tag_too_long_is_refused() {
        let name = "a".repeat(LONGEST + 1);
        assert!(format!("a.org/{name}:1").parse::<Reference>().is_err());
        let tag = "a".repeat(LONGEST_TAG + 1);
        assert!(format!("a.org/b:{tag}").parse::<Reference>().is_err());
    }

    #[test]
    fn a_repository_is_joined() {
        let place: Repository = "docker.io/stagex".parse().unwrap();
        assert_eq!(
            place.join("core-musl").unwrap().to_string(),
            "docker.io/stagex/core-musl"
        );
        let place: Repository = "localhost:5000".parse().unwrap();
        assert_eq!(place.join("a").unwrap().to_string(), "localhost:5000/a");
        assert!(place.join("../a").is_err());
        assert!("docker.io/".parse::<Repository>().is_err());
    }
}
