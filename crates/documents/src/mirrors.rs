//! Which mirrors work: `stagex fetch --check-mirrors`.

use serde::{Deserialize, Serialize};

use crate::Version;

/// What `stagex fetch --check-mirrors` found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct FetchMirrors {
    /// Raised when a field changes its meaning or goes away.
    pub version: Version<1>,
    /// The mirrors of all sources.
    pub mirrors: Vec<MirrorCheck>,
}

/// A mirror of a source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct MirrorCheck {
    /// The full name of the package that has the source, `<stage>-<name>`.
    pub package: String,
    /// The key of the source in `package.toml`.
    pub key: String,
    /// The mirror.
    pub mirror: String,
    /// Whether it works.
    pub state: MirrorCheckState,
    /// How many bytes it has, or null where that is not known.
    pub bytes: Option<u64>,
    /// Where it has moved for good, or null.
    pub moved: Option<String>,
    /// What is wrong with it, or null.
    pub message: Option<String>,
}

/// Whether a mirror works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum MirrorCheckState {
    /// It has the source, as far as was asked.
    Works,
    /// It does, and its answer took long.
    Slow,
    /// It has a file of another length.
    OtherLength,
    /// It has a file with another hash.
    OtherBytes,
    /// It does not give a file.
    Dead,
}
