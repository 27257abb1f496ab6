//! What lets a build notice which engine runs it: `stagex check`.

use serde::{Deserialize, Serialize};

use crate::Version;

/// What `stagex check` found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Check {
    /// Raised when a field changes its meaning or goes away.
    pub version: Version<1>,
    /// How many Containerfiles were read.
    pub files: usize,
    /// What was found, file by file.
    pub warnings: Vec<Warning>,
}

/// Something in a Containerfile that differs between engines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Warning {
    /// The path of the Containerfile.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1.
    pub column: usize,
    /// The name of the rule, such as `host-name`.
    pub rule: String,
    /// The word that was found there.
    pub found: String,
    /// What differs between engines.
    pub message: String,
    /// What to do instead.
    pub hint: String,
}
