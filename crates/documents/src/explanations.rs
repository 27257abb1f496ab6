//! Why each package of a plan would be built: `stagex make --dry-run --explain`.

use serde::{Deserialize, Serialize};

use crate::{Reason, Version};

/// What would be built, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Explanations {
    /// Raised when a field changes its meaning or goes away.
    pub version: Version<1>,
    /// The packages of the plan, in its order.
    pub packages: Vec<Explanation>,
    /// The sources of what would be built that are not in `fetch/`.
    pub missing_sources: Vec<MissingSource>,
}

/// A source that is not in `fetch/`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct MissingSource {
    /// Its key in `package.toml`.
    pub key: String,
    /// Where it should be, relative to the tree.
    pub path: String,
    /// The sha256 that it must have, in hex.
    pub hash: String,
    /// Where it can be downloaded.
    pub mirrors: Vec<String>,
}

/// What would become of a package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Explanation {
    /// Its full name, `<stage>-<name>`.
    pub name: String,
    /// Why it would be built; none if it is up to date.
    pub reasons: Vec<Reason>,
}
