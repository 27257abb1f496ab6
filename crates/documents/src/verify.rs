//! What was damaged, and what mirrors have now: `stagex fetch --verify` and `--update-hash`.

use serde::{Deserialize, Serialize};

use crate::Version;

/// What `stagex fetch --verify` hashed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct FetchVerify {
    /// Raised when a field changes its meaning or goes away.
    pub version: Version<1>,
    /// How many files were hashed.
    pub files: usize,
    /// How many bytes they have.
    pub bytes: u64,
    /// What was damaged.
    pub damaged: Vec<DamagedSource>,
}

/// A file that had other contents than it must have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct DamagedSource {
    /// Where it was: relative to the tree, or in the store.
    pub path: String,
    /// The SHA-256 that it must have; of what is no source, its name.
    pub hash: String,
    /// The SHA-256 that it had, or null if it was no file.
    pub found: Option<String>,
    /// Where it is now, or null if it is not kept.
    pub kept: Option<String>,
    /// What came of it.
    pub outcome: DamageOutcome,
}

/// What came of a file that was damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum DamageOutcome {
    /// The right one is there again.
    Mended,
    /// It is a source of the tree, and cannot be had.
    Missing,
    /// No selected package has it: it is fetched when one needs it.
    Unneeded,
}

/// What `stagex fetch --update-hash` found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct FetchHashes {
    /// Raised when a field changes its meaning or goes away.
    pub version: Version<1>,
    /// The sources that a mirror has.
    pub sources: Vec<FoundHash>,
}

/// What a mirror has for a source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct FoundHash {
    /// The full name of the package that has it, `<stage>-<name>`.
    pub package: String,
    /// Its key in `package.toml`.
    pub key: String,
    /// Where its hash stands: `<path>:<line>`, relative to the tree.
    pub line: String,
    /// The mirror that was asked.
    pub mirror: String,
    /// How many bytes the mirror has.
    pub bytes: u64,
    /// The SHA-256 that the package says.
    pub before: String,
    /// The SHA-256 of what the mirror has.
    pub now: String,
}
