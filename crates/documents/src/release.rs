//! How far a release is: `stagex release`.

use serde::{Deserialize, Serialize};

use crate::{ErrorKind, Version};

/// The steps of a release, as far as they were looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Release {
    /// Raised when a field changes its meaning or goes away.
    pub version: Version<1>,
    /// The number of the release, `YYYY.MM.N`; null if it was not named, and nothing says it yet.
    pub release: Option<String>,
    /// The commit that is checked out; null where it is no clone of Git.
    pub commit: Option<String>,
    /// Whether every step is done.
    pub complete: bool,
    /// Whether steps were only to be named that `--run` does.
    pub dry_run: bool,
    /// The steps, in their order.
    pub steps: Vec<ReleaseStep>,
}

/// A step of a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ReleaseStep {
    /// Which one.
    pub step: ReleaseStepName,
    /// The registry, if it is a step for each of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registry: Option<String>,
    /// How far it is.
    pub state: ReleaseState,
    /// Whether it was done now, with `--run`.
    pub ran: bool,
    /// What was found, for people; null if it was not looked at.
    pub found: Option<String>,
    /// What keeps it from being done, for people.
    pub problems: Vec<String>,
    /// What can be done about it, for people.
    pub hints: Vec<String>,
    /// Who can do it; null if it is done, or was not looked at.
    pub by: Option<ReleaseBy>,
    /// The commands to do it with, each as its words.
    pub commands: Vec<Vec<String>>,
    /// Of which kind the failure is that it is not done; null if it is, or was not looked at.
    pub kind: Option<ErrorKind>,
}

/// What a step of a release is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum ReleaseStepName {
    /// What is checked out is a commit, and everything in `packages/` and `digests/` is in it.
    Tree,
    /// The number is free, and above those of all releases before.
    Number,
    /// The rules of trees hold.
    Check,
    /// Each change since the last release is signed by one person and merged by another.
    Changes,
    /// Each package has its digest in `digests/`, and `out/` has no other image of one.
    Digests,
    /// Each source is here.
    Sources,
    /// This machine has reproduced each package.
    Reproduced,
    /// Enough people have signed each package.
    Signed,
    /// The report is written, and says what is known now.
    Report,
    /// Somebody has signed a tag of the commit.
    Tag,
    /// A registry has all of it.
    Published,
}

/// How far a step of a release is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum ReleaseState {
    /// It is done.
    Done,
    /// It is not done.
    ToDo,
    /// It is not done, and `--run` would do it.
    WouldRun,
    /// It was not looked at, since a step before is not done.
    NotLookedAt,
}

/// Who can do a step of a release.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum ReleaseBy {
    /// This machine, with `--run`.
    Machine,
    /// Whoever makes the release.
    You,
    /// Another person of the policy.
    Others,
}

impl ReleaseStepName {
    /// Returns how it is written.
    pub fn word(self) -> &'static str {
        match self {
            Self::Tree => "tree",
            Self::Number => "number",
            Self::Check => "check",
            Self::Changes => "changes",
            Self::Digests => "digests",
            Self::Sources => "sources",
            Self::Reproduced => "reproduced",
            Self::Signed => "signed",
            Self::Report => "report",
            Self::Tag => "tag",
            Self::Published => "published",
        }
    }
}
