//! The names of plugins, and where they are found. Runs nothing.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use camino::Utf8PathBuf;

/// What the name of a plugin's executable begins with.
const PREFIX: &str = "stagex-runtime-";

/// The name of a plugin: lower-case letters, digits and dashes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name(String);

/// A text is no name of a plugin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a valid name of a plugin: expected lower-case letters, digits and dashes")]
pub struct InvalidName(String);

impl FromStr for Name {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let known = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if !text.is_empty() && !text.starts_with('-') && text.chars().all(known) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidName(text.to_owned()))
        }
    }
}

impl Name {
    /// Returns the name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the name of the plugin's executable, as it is looked for on PATH.
    pub fn executable(&self) -> Utf8PathBuf {
        format!("{PREFIX}{}", self.0).into()
    }

    /// Returns the plugin's executable, if it is on PATH.
    pub fn find(&self) -> Option<Utf8PathBuf> {
        process::find(&self.executable()).ok()
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Returns the plugins on PATH, with their executables.
pub fn installed() -> BTreeMap<Name, Utf8PathBuf> {
    let found = process::find_all(PREFIX).into_iter();
    found
        .filter_map(|(name, program)| Some((name.parse().ok()?, program)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::Name;

    #[test]
    fn names_fit_into_a_file_name_and_an_option() {
        for text in ["kaniko", "lima-2"] {
            let name: Name = text.parse().unwrap();
            assert_eq!(name.executable(), format!("stagex-runtime-{text}"));
        }
        for text in ["", "-x", "a/b", "../a", "A", "a b", "ä"] {
            assert!(text.parse::<Name>().is_err(), "{text}");
        }
    }
}
