//! The image that was built: `stagex build`.

use serde::{Deserialize, Serialize};

use crate::{Digest, Version};

/// The image that `stagex build` built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Build {
    /// Raised when a field changes its meaning or goes away.
    pub version: Version<1>,
    /// The runtime that built it.
    pub runtime: String,
    /// The last part of the image's name.
    pub name: String,
    /// The digest of its manifest, or of its index if it has several platforms.
    pub digest: Digest,
}
