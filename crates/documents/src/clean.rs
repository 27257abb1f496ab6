//! What was removed: `stagex clean`.

use serde::{Deserialize, Serialize};

use crate::Version;

/// What `stagex clean` removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Clean {
    /// Raised when a field changes its meaning or goes away.
    pub version: Version<1>,
    /// How many files.
    pub files: u64,
    /// How many bytes they had.
    pub bytes: u64,
    /// With `--images`: of how many killed builds something was removed from engines' stores.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub builds: Option<usize>,
}
