//! What was written to an artifact of sources, or read from one: `stagex fetch --export` and `--import`.

use serde::{Deserialize, Serialize};

use crate::Version;

/// What `stagex fetch --export` wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct FetchExport {
    /// Raised when a field changes its meaning or goes away.
    pub version: Version<1>,
    /// The path of the artifact, as it was typed.
    pub path: String,
    /// The digest of its manifest, `sha256:` and 64 hex digits.
    pub digest: String,
    /// How many different sources it has.
    pub sources: usize,
    /// How many bytes they have.
    pub bytes: u64,
}

/// What `stagex fetch --import` read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct FetchImport {
    /// Raised when a field changes its meaning or goes away.
    pub version: Version<1>,
    /// The path of the artifact, as it was typed.
    pub path: String,
    /// The digest of its manifest, `sha256:` and 64 hex digits.
    pub digest: String,
    /// How many sources were put into the store.
    pub imported: usize,
    /// How many the store had already.
    pub present: usize,
    /// How many bytes all have.
    pub bytes: u64,
}
