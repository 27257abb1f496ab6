//! Where engines are known to differ: what is levelled and how, what cannot be, and where the
//! oracles are of another version than the canonical bytes.
//!
//! A difference is listed for a case and for versions of a runtime, so that anything beyond it
//! is a failure; and a listed difference that no longer shows is a failure too.

use std::io;

use camino::Utf8Path;
use semver::{Version, VersionReq};
use serde::Deserialize;

use crate::column::Label;

/// The table of differences.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Differences {
    /// Differences that no image shows, since they are levelled.
    #[serde(default)]
    pub levelled: Vec<Levelled>,
    /// Differences between runtimes that cannot be levelled.
    #[serde(default)]
    pub listed: Vec<Difference>,
    /// Differences between an oracle and the canonical bytes.
    #[serde(default)]
    pub oracle: Vec<Difference>,
}

/// A difference between engines that no image shows.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Levelled {
    /// What differs, and in which engines.
    pub what: String,
    /// How it is levelled.
    pub how: String,
    /// The case that shows that it is.
    pub case: String,
}

/// A difference that shows.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Difference {
    /// The case that shows it.
    pub case: String,
    /// The runtimes that differ, each with the versions in which it does: `podman <5`.
    pub runtimes: Vec<Versions>,
    /// Who has to run the engine for it to show; without it, anybody.
    #[serde(default)]
    pub user: Option<User>,
    /// What differs, and why it is so.
    pub why: String,
    /// What the author of a package must avoid.
    #[serde(default)]
    pub avoid: String,
    /// Where the build fails: a part of the message. Else it gives another image.
    #[serde(default)]
    pub fails: Option<String>,
    /// Where it depends on more than the version: on what. Then it need not show.
    #[serde(default)]
    pub depends_on: Option<String>,
}

/// Who runs an engine that needs no daemon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum User {
    /// Root, for whom the kernel creates devices, and files of any owner.
    Root,
    /// Anybody else.
    Ordinary,
}

/// Versions of a runtime, as in `podman >=4.3, <5`; without a requirement, all.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Versions {
    runtime: String,
    versions: VersionReq,
}

/// The table is wrong.
#[derive(Debug, thiserror::Error)]
#[error("the table of differences is wrong")]
pub struct InvalidDifferences(#[from] toml::de::Error);

impl Differences {
    /// Reads the table in the file at `path`.
    pub fn read(path: &Utf8Path) -> io::Result<Result<Self, InvalidDifferences>> {
        let text = beneath::read_text(path, beneath::TEXT)?;
        Ok(toml::from_str(&text).map_err(InvalidDifferences))
    }

    /// Returns what is listed for a case on a runtime of that version, run by that user.
    pub fn of_runtime(
        &self,
        case: &str,
        runtime: &str,
        version: &str,
        user: User,
    ) -> Option<&Difference> {
        find(&self.listed, case, runtime, version, user)
    }

    /// Returns what is listed for a case on an oracle of that version.
    pub fn of_oracle(&self, case: &str, label: &Label, version: &str) -> Option<&Difference> {
        find(
            &self.oracle,
            case,
            label.runtime(),
            version,
            User::current(),
        )
    }

    /// Returns the names of all cases that the table speaks of.
    pub fn cases(&self) -> impl Iterator<Item = &str> {
        let levelled = self.levelled.iter().map(|each| each.case.as_str());
        let listed = self.listed.iter().chain(&self.oracle);
        levelled.chain(listed.map(|each| each.case.as_str()))
    }
}

fn find<'a>(
    list: &'a [Difference],
    case: &str,
    runtime: &str,
    version: &str,
    user: User,
) -> Option<&'a Difference> {
    list.iter().filter(|each| each.case == case).find(|each| {
        let versions = &mut each.runtimes.iter();
        versions.any(|which| which.has(runtime, version)) && each.user.is_none_or(|who| who == user)
    })
}

impl User {
    /// Returns who runs this process.
    pub fn current() -> Self {
        if rustix::process::geteuid().is_root() {
            Self::Root
        } else {
            Self::Ordinary
        }
    }
}

impl Versions {
    pub(crate) fn has(&self, runtime: &str, version: &str) -> bool {
        // A distribution's suffix, as in `26.1.5+dfsg1`, says nothing of what it can do, and
        // neither does a marker of a release to come.
        let number = version.split(['+', '-', '~']).next().unwrap_or_default();
        let known = Version::parse(number).is_ok_and(|version| self.versions.matches(&version));
        runtime == self.runtime && known
    }
}

impl TryFrom<String> for Versions {
    type Error = semver::Error;

    fn try_from(text: String) -> Result<Self, semver::Error> {
        let (runtime, versions) = text.split_once(' ').unwrap_or((&text, "*"));
        Ok(Self {
            runtime: runtime.to_owned(),
            versions: versions.parse()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_listed_for_a_case_and_for_versions() {
        let text = r#"
            [[listed]]
            case = "a-case"
            runtimes = ["podman <5", "docker"]
            why = "because"
        "#;
        let table: Differences = toml::from_str(text).unwrap();
        let has = |case: &str, label: &str, version: &str| {
            let label: Label = label.parse().unwrap();
            let listed = table.of_runtime(case, label.runtime(), version, User::Root);
            listed.is_some()
        };
        assert!(has("a-case", "podman", "4.3.1"));
        assert!(has("a-case", "podman@bookworm", "4.3.1+ds1"));
        assert!(has("a-case", "docker@sid", "28.5.2+dfsg4"));
        assert!(!has("a-case", "podman", "5.4.2"));
        assert!(!has("a-case", "buildah", "1.28.2"));
        assert!(!has("another", "podman", "4.3.1"));
        assert!(!has("a-case", "podman", "unknown"));
    }

    #[test]
    fn a_difference_may_be_one_for_some_users_only() {
        let text = r#"
            [[listed]]
            case = "a-case"
            runtimes = ["podman"]
            user = "root"
            why = "root's"

            [[listed]]
            case = "a-case"
            runtimes = ["podman"]
            user = "ordinary"
            why = "an ordinary user's"

            [[listed]]
            case = "another"
            runtimes = ["podman"]
            user = "ordinary"
            why = "an ordinary user's"
        "#;
        let table: Differences = toml::from_str(text).unwrap();
        let why = |case, user| {
            let listed = table.of_runtime(case, "podman", "4.3.1", user);
            listed.map(|listed| listed.why.as_str())
        };
        assert_eq!(why("a-case", User::Root), Some("root's"));
        assert_eq!(why("a-case", User::Ordinary), Some("an ordinary user's"));
        assert_eq!(why("another", User::Root), None);
        assert_eq!(why("another", User::Ordinary), Some("an ordinary user's"));
    }

    #[test]
    fn the_table_is_read_strictly() {
        for text in [
            "[[listed]]\ncase = 'a'\nruntimes = ['podman']\nwhy = 'b'\nuser = 'nobody'\n",
            "[[listed]]\ncase = 'a'\nruntimes = ['podman']\n",
            "[[listed]]\ncase = 'a'\nruntimes = ['podman five']\nwhy = 'b'\n",
            "[[listedd]]\n",
        ] {
            assert!(toml::from_str::<Differences>(text).is_err(), "{text}");
        }
    }
}
