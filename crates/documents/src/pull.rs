//! What `stagex pull` got from a registry.

use serde::{Deserialize, Serialize};

use crate::{Digest, Version};

/// What `stagex pull` got from a registry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Pull {
    /// Raised when a field changes its meaning or goes away.
    pub version: Version<1>,
    /// The image by its digest: `HOST/NAME@sha256:DIGEST`.
    pub image: String,
    /// The digest of its manifest or index.
    pub digest: Digest,
    /// The directory of the OCI layout, as it was named.
    pub layout: String,
    /// How many images it has: more than one if it is an index.
    pub images: usize,
    /// How many bytes were downloaded.
    pub bytes: u64,
}
