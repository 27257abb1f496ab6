//! What breaks the rules of trees: `stagex check`.

use serde::{Deserialize, Serialize};

use crate::Version;

/// How grave it is that a rule is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The package cannot be built, here or by StageX's own tools.
    Error,
    /// The image may come out differently, or something is not as the tree's rules want it.
    Warning,
    /// It could be better.
    Note,
}

impl Severity {
    /// Returns its name.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

/// What `stagex check` found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Check {
    /// Raised when a field changes its meaning or goes away.
    pub version: Version<2>,
    /// The name of the rule set.
    pub rules: String,
    /// How many Containerfiles were read.
    pub files: usize,
    /// How many findings were suppressed.
    pub suppressed: usize,
    /// How many findings were repaired; absent without `--fix`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fixed: Option<usize>,
    /// What was found, by file, line and column.
    pub findings: Vec<Finding>,
}

/// A breach of a rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Finding {
    /// The path of the file.
    pub file: String,
    /// The line, from 1; absent if it is about the whole file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// The column in characters, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<usize>,
    /// The column behind the last character.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_column: Option<usize>,
    /// How grave it is.
    pub severity: Severity,
    /// The name of the rule.
    pub rule: String,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: String,
    /// Whether `--fix` repairs it.
    pub fixable: bool,
}

/// The rules that `stagex check` knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Rules {
    /// Raised when a field changes its meaning or goes away.
    pub version: Version<1>,
    /// Every rule.
    pub rules: Vec<RuleDescription>,
}

/// A rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RuleDescription {
    /// The name.
    pub name: String,
    /// How grave it is that it is broken.
    pub severity: Severity,
    /// Why there is the rule.
    pub reason: String,
    /// What to do about a breach.
    pub advice: String,
    /// The rule sets that have it.
    pub sets: Vec<String>,
    /// Whether `--fix` repairs a breach.
    pub fixable: bool,
}
