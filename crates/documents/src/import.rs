//! Which images were put into the store of an engine's user: `stagex import`.

use serde::{Deserialize, Serialize};

use crate::{Digest, Version};

/// What was put into the store of an engine's user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Import {
    /// Raised when a field changes its meaning or goes away.
    pub version: Version<1>,
    /// The runtime whose store it is.
    pub runtime: String,
    /// An element for each name, in the order of the plan.
    pub images: Vec<ImportedImage>,
}

/// An image that is in the store of an engine's user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ImportedImage {
    /// The package's full name.
    pub name: String,
    /// The platform, as `os/architecture`.
    pub platform: String,
    /// The name that it has there.
    pub reference: String,
    /// The digest of its manifest, which the engine has confirmed.
    pub digest: Digest,
}
