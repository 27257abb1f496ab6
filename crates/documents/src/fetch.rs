//! What came of each source, or what is there of it: `stagex fetch`.

use serde::{Deserialize, Serialize};

use crate::Version;

/// What `stagex fetch` did, or with `--list` what is there and what is missing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Fetch {
    /// Raised when a field changes its meaning or goes away.
    pub version: Version<1>,
    /// The sources of all packages of the plan, each once.
    pub sources: Vec<FetchedSource>,
}

/// A source, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct FetchedSource {
    /// The full name of the package that has it, `<stage>-<name>`.
    pub package: String,
    /// Its key in `package.toml`.
    pub key: String,
    /// The path of its file, relative to the tree.
    pub path: String,
    /// The SHA-256 that it must have, as 64 lower-case hex digits.
    pub hash: String,
    /// How many bytes it has; null where that is not known.
    pub bytes: Option<u64>,
    /// What came of it.
    #[serde(flatten)]
    pub outcome: SourceOutcome,
}

/// What came of a source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum SourceOutcome {
    /// It was where it belongs.
    Present,
    /// It was in the store.
    Stored,
    /// A mirror had it.
    Fetched {
        /// The mirror.
        mirror: String,
    },
    /// With `--list`: it is neither where it belongs nor in the store.
    Missing {
        /// How many bytes of it have arrived.
        arrived: u64,
        /// What is in its place, if anything is.
        #[serde(skip_serializing_if = "Option::is_none")]
        instead: Option<String>,
    },
    /// No mirror had it.
    Failed {
        /// The mirrors, in the order in which they were tried.
        attempts: Vec<FailedMirror>,
    },
}

/// A mirror that did not give a source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct FailedMirror {
    /// The mirror.
    pub mirror: String,
    /// What it did.
    pub message: String,
}
