//! Every setting, its value, and who says so: `stagex config`.

use serde::{Deserialize, Serialize};

use crate::Version;

/// All settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Config {
    /// Raised when a field changes its meaning or goes away.
    pub version: Version<1>,
    /// The settings.
    pub settings: Vec<Setting>,
}

/// A setting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Setting {
    /// Its name, as in `stagex.toml`; `engines.<name>` for the program of an engine, and `fetch.<key>` for what is
    /// in the table `[fetch]`.
    pub name: String,
    /// Its value.
    pub value: SettingValue,
    /// Who says so: `default`, `<file>:<line>`, the name of a variable, or that of a flag.
    pub source: String,
}

/// The value of a setting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum SettingValue {
    /// Yes or no.
    Switch(bool),
    /// A number.
    Number(usize),
    /// A text.
    Text(String),
}
