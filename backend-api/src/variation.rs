//! What a build is surrounded by, and can be varied without its consent: an image that changes with it is
//! not reproducible.
//!
//! It does not know how it is varied: that is the backend's matter, who says what it can.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

/// Something around a build that can be varied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Variation {
    /// How many processors there are: one.
    Processors,
    /// What the kernel says its release is: one that begins with 2.6.
    KernelRelease,
    /// The name of the machine.
    HostName,
    /// The mode of new files that the caller has: `0077`.
    Umask,
    /// The time zone of the caller: fourteen hours before UTC.
    TimeZone,
    /// The language of the caller: Turkish, in which `i` is no lower case of `I`.
    Locale,
}

impl Variation {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Processors,
        Self::KernelRelease,
        Self::HostName,
        Self::Umask,
        Self::TimeZone,
        Self::Locale,
    ];

    /// Returns its name, in records and in documents.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Processors => "processors",
            Self::KernelRelease => "kernel-release",
            Self::HostName => "host-name",
            Self::Umask => "umask",
            Self::TimeZone => "time-zone",
            Self::Locale => "locale",
        }
    }

    /// Returns what it is varied to.
    pub const fn value(self) -> &'static str {
        match self {
            Self::Processors => "1",
            Self::KernelRelease => "2.6",
            Self::HostName => "varied",
            Self::Umask => "0077",
            Self::TimeZone => "<+14>-14",
            Self::Locale => "tr_TR.UTF-8",
        }
    }
}

impl fmt::Display for Variation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What is varied of a build. Nothing, unless somebody wants to find out whether it matters.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Variations {
    varied: BTreeSet<Variation>,
}

impl Variations {
    /// Tells whether something is varied.
    pub fn has(&self, variation: Variation) -> bool {
        self.varied.contains(&variation)
    }

    /// Returns what is varied.
    pub fn varied(&self) -> impl Iterator<Item = Variation> {
        self.varied.iter().copied()
    }

    /// Returns the variables of the engine's own environment that are varied.
    pub fn variables(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        let names = |variation| -> &[&'static str] {
            match variation {
                Variation::TimeZone => &["TZ"],
                Variation::Locale => &["LANG", "LC_ALL"],
                _ => &[],
            }
        };
        let variables = move |variation: Variation| {
            let names = names(variation).iter();
            names.map(move |name| (*name, variation.value()))
        };
        self.varied().flat_map(variables)
    }

    /// Returns the mode of new files that the engine's process begins with, if it is varied.
    pub fn umask(&self) -> Option<u32> {
        self.has(Variation::Umask).then_some(0o077)
    }
}

impl FromIterator<Variation> for Variations {
    fn from_iter<I: IntoIterator<Item = Variation>>(variations: I) -> Self {
        Self {
            varied: variations.into_iter().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_name_is_that_of_its_json() {
        for variation in Variation::ALL {
            let json = serde_json::to_string(&variation).unwrap();
            assert_eq!(json, format!("\"{variation}\""));
        }
    }

    #[test]
    fn nothing_is_varied_by_itself() {
        let none = Variations::default();
        assert_eq!((none.varied().count(), none.variables().count()), (0, 0));
        assert_eq!(none.umask(), None);
        let all: Variations = Variation::ALL.into_iter().collect();
        let names: Vec<_> = all.variables().map(|(name, _)| name).collect();
        assert_eq!(names, ["TZ", "LANG", "LC_ALL"]);
        assert_eq!(all.umask(), Some(0o077));
    }
}
