//! What an engine that has the builder says of itself: how it is called, and what its versions can do.

use std::fmt;

use camino::{Utf8Path, Utf8PathBuf};
use process::Invocation;
use serde::{Deserialize, Serialize};

use crate::tool::Tool;

/// An engine that has the builder.
pub trait Engine: fmt::Debug + Send + Sync + 'static {
    /// The runtime's name, and that of the program on PATH.
    const ID: &'static str;
    /// The packages of Debian that have it.
    const PACKAGES: &'static str;
    /// What its versions can do.
    const FEATURES: Features;

    /// Prepares to ask for the version.
    fn version(program: &Utf8Path) -> Invocation;

    /// Reads the answer to that.
    fn versions(answer: &[u8]) -> Option<Versions>;

    /// Tells whether a program that did not say its version has found no service where its connection leads.
    fn is_unreachable(_stderr: &str) -> bool {
        false
    }

    /// Returns how the builder is reached in a program.
    fn tool(program: Utf8PathBuf, place: Place) -> Tool;
}

/// What the versions of an engine can do, each by its first two numbers.
#[derive(Debug, Clone, Copy)]
pub struct Features {
    /// The oldest version that is supported.
    pub oldest: (u32, u32),
    /// The first version with `RUN --network=`.
    pub run_network: (u32, u32),
    /// The first version that finds the source of a `RUN --mount` beneath what it is from, and forgets what
    /// is written to it (CVE-2024-1753, CVE-2024-9675, CVE-2024-11218).
    pub confined_mounts: (u32, u32),
}

/// Where an engine builds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Where it is called, in stores of our own.
    Here,
    /// Where a service is that the user's environment or configuration names.
    Elsewhere,
}

/// A version, by which features are told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// As it is printed: `4.3.1`.
    pub text: String,
    /// Its first two numbers.
    pub number: (u32, u32),
}

impl Version {
    /// Reads a version; nothing where it does not begin with two numbers.
    pub fn parse(text: String) -> Option<Self> {
        let mut parts = text.split('.').map(str::parse);
        match (parts.next(), parts.next()) {
            (Some(Ok(major)), Some(Ok(minor))) => Some(Self {
                number: (major, minor),
                text,
            }),
            _ => None,
        }
    }
}

/// What an engine says of its versions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Versions {
    /// That of the program.
    pub client: Version,
    /// That of the service that builds, if the program does not do it itself.
    pub service: Option<Version>,
}

impl Versions {
    /// Returns the version of what builds.
    pub fn builder(&self) -> &Version {
        self.service.as_ref().unwrap_or(&self.client)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_begins_with_two_numbers() {
        for (text, expected) in [
            ("4.3.1", Some((4, 3))),
            ("6.0.0-rc1", Some((6, 0))),
            ("1.40.0-dev", Some((1, 40))),
            ("unknown", None),
            ("5", None),
        ] {
            let version = Version::parse(text.to_owned());
            assert_eq!(version.map(|version| version.number), expected, "{text}");
        }
    }
}
