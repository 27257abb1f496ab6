//! What is remembered of a package's last build: a file in `out/`.

use serde::{Deserialize, Serialize};

use crate::{Digest, Version};

/// What is remembered of a package's last build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Record {
    /// Raised when a field changes its meaning or goes away; absent in what an older version wrote.
    #[serde(default)]
    pub version: Version<1>,
    /// The SHA-256 over its inputs, as 64 lower-case hex digits.
    pub key: String,
    /// The digest of its manifest, or of its index if it has several platforms.
    pub digest: Digest,
    /// The runtime that built it. For people; nothing is decided by it.
    pub runtime: String,
    /// How long its build took, in milliseconds.
    pub milliseconds: u64,
    /// Its inputs, one in a line, in order; absent in what an older version wrote. For people who ask
    /// what has changed: whether it is up to date is decided by the key.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub inputs: String,
    /// The seeds that gave this image, each by a build of its own; absent for most packages.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub seeds: Vec<RecordedSeed>,
}

/// A seed that an image was built from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RecordedSeed {
    /// Its name in `package.toml`.
    pub name: String,
    /// The SHA-256 of its archive, as 64 lower-case hex digits.
    pub hash: String,
}
