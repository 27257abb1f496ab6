//! How what was built compares with what is recorded: `stagex digests`.

use serde::{Deserialize, Serialize};

use crate::{Digest, Version};

/// How what was built compares with what is recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Digests {
    /// Raised when a field changes its meaning or goes away.
    pub version: Version<1>,
    /// An element for each package, and one for each further platform of it.
    pub packages: Vec<Comparison>,
}

/// How an image compares with what is recorded of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Comparison {
    /// The package's full name, `<stage>-<name>`.
    pub name: String,
    /// The digest that `digests/` had before, if it had one.
    pub recorded: Option<Digest>,
    /// The digest of what lies in `out/`, if anything does.
    pub built: Option<Digest>,
    /// The platform; absent for the package's first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub platform: Option<String>,
}
