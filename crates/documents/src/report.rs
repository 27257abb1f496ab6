//! What a report says of a tree: `stagex report`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{AttemptTree, Digest, SignedBy, Version};

/// What is known of the reproductions of a tree. The file `report.json` of a report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Report {
    /// Raised when a field changes its meaning or goes away.
    pub version: Version<1>,
    /// When the newest attempt ended: RFC 3339, UTC; null where there is none.
    pub newest: Option<String>,
    /// The tree of the newest attempt; null where there is none.
    pub tree: Option<AttemptTree>,
    /// The encoding of the images.
    pub profile: String,
    /// Whether the recorded digests can be signed.
    pub answer: ReportAnswer,
    /// How many packages there are of each kind.
    pub counts: ReportCounts,
    /// The runtimes that anything was built with, in the order of the columns.
    pub runtimes: Vec<String>,
    /// The packages, sorted by name.
    pub packages: Vec<ReportPackage>,
    /// What has changed, the newest first: this report's changes, and those of earlier ones.
    pub changes: Vec<ReportChange>,
}

/// Whether the recorded digests of a tree can be signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum ReportAnswer {
    /// Every package has its recorded digest, and nothing contradicts one.
    Yes,
    /// Nothing contradicts a recorded digest, but not every package was reproduced.
    NotYet,
    /// A package has another digest, does not have one digest, or cannot be built.
    No,
}

/// How many packages there are of each kind.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ReportCounts {
    /// All packages of the tree.
    pub packages: usize,
    /// Those with a recorded digest.
    pub recorded: usize,
    /// Those that have the state `reproduced`.
    pub reproduced: usize,
    /// Those of them that at least two runtimes reproduced.
    pub two_runtimes: usize,
    /// Those of them that were reproduced on processors of at least two vendors.
    pub two_vendors: usize,
    /// Those that have the state `differs`.
    pub differs: usize,
    /// Those that have the state `unstable`.
    pub unstable: usize,
    /// Those that have the state `failed`.
    pub failed: usize,
    /// Those that have the state `outdated`, `not-recorded` or `missing`.
    pub missing: usize,
    /// Those that enough people have signed; absent unless that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed: Option<usize>,
}

/// What is known of a package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ReportPackage {
    /// The full name, `<stage>-<name>`.
    pub name: String,
    /// The version, if it has one.
    pub package_version: Option<String>,
    /// The recorded digest, if there is one.
    pub recorded: Option<Digest>,
    /// The worst of what its runtimes say; `reproduced` if at least one reproduced it and none says worse.
    pub state: ReportState,
    /// What each runtime says, if anything was built with it.
    pub runtimes: BTreeMap<String, ReportRuntime>,
    /// The vendors of the processors on which it was reproduced.
    pub vendors: Vec<String>,
    /// Who has signed the recorded digests of all its platforms; absent unless that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed: Option<SignedBy>,
}

/// What a runtime says of a package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ReportRuntime {
    /// The worst of what the newest attempt on each machine says.
    pub state: ReportState,
    /// When the newest attempt began: RFC 3339, UTC.
    pub started: String,
}

/// What an attempt, a runtime or all of them say of a package, the worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum ReportState {
    /// It has another digest than the recorded one.
    Differs,
    /// It does not have one digest.
    Unstable,
    /// It could not be built.
    Failed,
    /// It has the recorded digest.
    Reproduced,
    /// What was built is not what is recorded now: another record, other dependencies, another encoding, or a
    /// tree with uncommitted changes.
    Outdated,
    /// It has no recorded digest.
    NotRecorded,
    /// Nothing was built.
    Missing,
}

/// A package whose state is not what it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ReportChange {
    /// When the newest attempt of the report ended in which it was seen first: RFC 3339, UTC.
    pub seen: String,
    /// The full name of the package.
    pub package: String,
    /// The state that it had; null if the package is new.
    pub before: Option<ReportState>,
    /// The state that it has; null if the package is gone.
    pub after: Option<ReportState>,
    /// The digest that was recorded for it then, if one was.
    pub recorded: Option<Digest>,
}

impl ReportState {
    /// All states, the worst first.
    pub const ALL: [Self; 7] = [
        Self::Differs,
        Self::Unstable,
        Self::Failed,
        Self::Reproduced,
        Self::Outdated,
        Self::NotRecorded,
        Self::Missing,
    ];

    /// Returns it as it is printed.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Differs => "differs",
            Self::Unstable => "unstable",
            Self::Failed => "failed",
            Self::Reproduced => "reproduced",
            Self::Outdated => "outdated",
            Self::NotRecorded => "not recorded",
            Self::Missing => "missing",
        }
    }
}
