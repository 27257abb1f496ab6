//! What a build is given besides its Containerfile: arguments, platforms, a target, what is known of images.
//!
//! It does not know instructions.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// An operating system and a processor, as `os/architecture` or `os/architecture/variant`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Platform {
    /// Such as `linux`.
    pub os: String,
    /// Such as `amd64`, in Go's spelling.
    pub architecture: String,
    /// Such as `v7`.
    pub variant: Option<String>,
}

/// A text that is no platform.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a valid platform, expected `os/architecture` or `os/architecture/variant`")]
pub struct PlatformError(pub String);

impl FromStr for Platform {
    type Err = PlatformError;

    fn from_str(text: &str) -> Result<Self, PlatformError> {
        let parts: Vec<_> = text.split('/').collect();
        let (os, architecture, variant) = match parts.as_slice() {
            [os, architecture] => (*os, *architecture, None),
            [os, architecture, variant] => (*os, *architecture, Some(*variant)),
            _ => return Err(PlatformError(text.to_owned())),
        };
        let is_plain = |part: &str| {
            let plain =
                |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
            matches!(part.len(), 1..=32) && part.bytes().all(plain)
        };
        if ![os, architecture].into_iter().chain(variant).all(is_plain) {
            return Err(PlatformError(text.to_owned()));
        }
        let architecture = match architecture {
            "x86_64" | "x86-64" => "amd64",
            "aarch64" => "arm64",
            "i386" => "386",
            other => other,
        };
        Ok(Self {
            os: os.to_owned(),
            architecture: architecture.to_owned(),
            // An arm64 of variant v8 is simply arm64.
            variant: variant
                .filter(|variant| (architecture, *variant) != ("arm64", "v8"))
                .map(str::to_owned),
        })
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.os, self.architecture)?;
        match &self.variant {
            Some(variant) => write!(formatter, "/{variant}"),
            None => Ok(()),
        }
    }
}

/// What an image hands on to a stage that begins with it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ImageFacts {
    /// Its environment, in order.
    pub environment: Vec<(String, String)>,
    /// Its working directory; empty where it has none.
    pub working_directory: String,
    /// Its user; empty where it has none.
    pub user: String,
    /// Its shell; empty where it has none.
    pub shell: Vec<String>,
    /// Its `ONBUILD` triggers.
    pub triggers: Vec<String>,
}

/// What a build is given besides its Containerfile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// Build arguments in order; of two with one name, the last counts. Those that nothing declares do no harm.
    pub build_args: Vec<(String, String)>,
    /// The platform to build for.
    pub platform: Platform,
    /// The platform to build on: the value of `BUILDPLATFORM`.
    pub build_platform: Platform,
    /// The stage to build; the last one where nothing is said.
    pub target: Option<String>,
    /// What is known of the images that stages begin with, by the name in `FROM`. Of others, nothing is inherited.
    pub images: BTreeMap<String, ImageFacts>,
}

impl Scope {
    /// Returns a scope without arguments, for the last stage, built where it runs.
    pub fn new(platform: Platform) -> Self {
        Self {
            build_args: Vec::new(),
            build_platform: platform.clone(),
            platform,
            target: None,
            images: BTreeMap::new(),
        }
    }

    pub(crate) fn build_arg(&self, name: &str) -> Option<&str> {
        self.build_args
            .iter()
            .rev()
            .find(|(given, _)| given == name)
            .map(|(_, value)| value.as_str())
    }
}

/// Variables in the order in which they were first set.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Variables(pub(crate) Vec<(String, String)>);

impl Variables {
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(set, _)| set == name)
            .map(|(_, value)| value.as_str())
    }

    pub(crate) fn set(&mut self, name: &str, value: &str) {
        match self.0.iter_mut().find(|(set, _)| set == name) {
            Some((_, old)) => value.clone_into(old),
            None => self.0.push((name.to_owned(), value.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("linux/amd64", "linux/amd64")]
    #[case("linux/x86_64", "linux/amd64")]
    #[case("linux/arm64/v8", "linux/arm64")]
    #[case("linux/arm/v7", "linux/arm/v7")]
    fn platforms_are_read_and_written(#[case] text: &str, #[case] expected: &str) {
        assert_eq!(text.parse::<Platform>().unwrap().to_string(), expected);
    }

    #[rstest]
    #[case("linux")]
    #[case("linux/")]
    #[case("a/b/c/d")]
    #[case("linux/a\u{1b}[2J")]
    #[case("linux/a\nb")]
    #[case("linux/ amd64")]
    #[case("")]
    fn other_texts_are_refused(#[case] text: &str) {
        assert_eq!(
            text.parse::<Platform>().unwrap_err(),
            PlatformError(text.to_owned())
        );
    }
}
