//! Where a source can be had: an address, or a file of this machine; and templates of addresses that have any
//! source, by its hash.

use std::fmt;
use std::str::FromStr;

use camino::{Utf8Path, Utf8PathBuf};
use transfer::{Address, InvalidAddress};

/// What is replaced with the hash in a template.
const HASH: &str = "{sha256}";

/// Where a source can be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Mirror {
    /// A server.
    Address(Address),
    /// A file below the tree.
    InTree(Utf8PathBuf),
    /// Another file of this machine.
    Elsewhere(Utf8PathBuf),
}

impl Mirror {
    /// Reads what a package says of where a source can be had.
    pub(crate) fn parse(text: &str) -> Result<Self, InvalidAddress> {
        if let Some(path) = text.strip_prefix("file://") {
            return Ok(Self::Elsewhere(path.into()));
        }
        match text.strip_prefix("file:") {
            Some(path) => Ok(Self::InTree(path.into())),
            None => Address::parse(text).map(Self::Address),
        }
    }
}

/// The address of any source by its hash: `https://example.org/{sha256}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(String);

/// Why a text is not a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTemplate {
    /// The hash does not occur in it.
    #[error("{HASH} does not occur in it")]
    NoHash,
    /// It is not an address.
    #[error(transparent)]
    Address(#[from] InvalidAddress),
    /// It is the path of a file, and not an absolute one.
    #[error("a path must begin with file:///")]
    Path,
}

impl Template {
    /// Returns the place of the source with this hash.
    pub(crate) fn of(&self, hash: &str) -> String {
        self.0.replace(HASH, hash)
    }
}

impl FromStr for Template {
    type Err = InvalidTemplate;

    fn from_str(text: &str) -> Result<Self, InvalidTemplate> {
        if !text.contains(HASH) {
            return Err(InvalidTemplate::NoHash);
        }
        let template = Self(text.to_owned());
        match Mirror::parse(&template.of(&"0".repeat(64)))? {
            Mirror::Address(_) => Ok(template),
            Mirror::Elsewhere(path) if path.is_absolute() => Ok(template),
            Mirror::InTree(_) | Mirror::Elsewhere(_) => Err(InvalidTemplate::Path),
        }
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Returns the directory of those that a path lies in, and the rest of the path.
pub(crate) fn allowed<'a>(
    directories: &'a [Utf8PathBuf],
    path: &'a Utf8Path,
) -> Option<(&'a Utf8Path, &'a Utf8Path)> {
    let mut found = directories.iter();
    found.find_map(|directory| Some((directory.as_path(), path.strip_prefix(directory).ok()?)))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("https://a.org/{sha256}", None)]
    #[case("file:///srv/sources/{sha256}", None)]
    #[case("https://a.org/", Some(InvalidTemplate::NoHash))]
    #[case(
        "https://u:p@a.org/{sha256}",
        Some(InvalidTemplate::Address(InvalidAddress::Credentials))
    )]
    #[case(
        "ftp://a.org/{sha256}",
        Some(InvalidTemplate::Address(InvalidAddress::Scheme))
    )]
    #[case("file:sources/{sha256}", Some(InvalidTemplate::Path))]
    #[case("{sha256}", Some(InvalidTemplate::Address(InvalidAddress::NotUrl)))]
    fn a_template_is_an_address_with_a_hash(
        #[case] text: &str,
        #[case] expected: Option<InvalidTemplate>,
    ) {
        assert_eq!(text.parse::<Template>().err(), expected);
    }

    #[test]
    fn only_what_is_below_a_directory_is_allowed() {
        let directories = ["/srv/a".into()];
        let allowed = |path: &str| allowed(&directories, path.into()).is_some();
        assert!(allowed("/srv/a/b"));
        assert!(!allowed("/srv/ab/c") && !allowed("/etc/passwd"));
    }
}
