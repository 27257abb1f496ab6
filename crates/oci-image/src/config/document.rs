//! The config as a JSON document: its fields, their order, and which of them are left out when empty.
//!
//! It does not know what instructions do to it. Fields that are not here vanish when a base's config is carried over,
//! as they do in `BuildKit`.

#![expect(
    clippy::zero_sized_map_values,
    reason = "the empty values are written, as `{}`"
)]

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};

/// A config. Its fields are in the order of the alphabet, which is the order of a Go map.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Document {
    #[serde(default, deserialize_with = "or_default")]
    pub(super) architecture: String,
    #[serde(
        default,
        deserialize_with = "or_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub(super) author: String,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) config: Defaults,
    #[serde(default)]
    pub(super) created: Option<String>,
    /// Without any entry it is `null`.
    #[serde(default)]
    pub(super) history: Option<Vec<HistoryItem>>,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) os: String,
    #[serde(
        default,
        rename = "os.features",
        deserialize_with = "or_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub(super) os_features: Vec<String>,
    #[serde(
        default,
        rename = "os.version",
        deserialize_with = "or_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub(super) os_version: String,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) rootfs: Layers,
    #[serde(
        default,
        deserialize_with = "or_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub(super) variant: String,
}

/// What a container is started with, where nothing else is said.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Defaults {
    #[serde(
        deserialize_with = "or_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub(super) user: String,
    #[serde(
        deserialize_with = "or_default",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub(super) exposed_ports: BTreeMap<String, Nothing>,
    #[serde(deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub(super) env: Vec<String>,
    #[serde(deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub(super) entrypoint: Vec<String>,
    #[serde(deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub(super) cmd: Vec<String>,
    #[serde(
        deserialize_with = "or_default",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub(super) volumes: BTreeMap<String, Nothing>,
    #[serde(
        deserialize_with = "or_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub(super) working_dir: String,
    #[serde(
        deserialize_with = "or_default",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub(super) labels: BTreeMap<String, String>,
    #[serde(
        deserialize_with = "or_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub(super) stop_signal: String,
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_false")]
    pub(super) args_escaped: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) healthcheck: Option<Health>,
    #[serde(deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub(super) on_build: Vec<String>,
    #[serde(deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub(super) shell: Vec<String>,
}

/// The value of a member that is there or not: `{}`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Nothing {}

/// How health is checked. Durations are nanoseconds.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Health {
    #[serde(deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub(super) test: Vec<String>,
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) interval: u64,
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) timeout: u64,
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) start_period: u64,
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) start_interval: u64,
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) retries: u64,
}

/// The layers by their diff ids.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Layers {
    #[serde(rename = "type", default, deserialize_with = "or_default")]
    pub(super) kind: String,
    /// Without any layer it is `null`.
    #[serde(default)]
    pub(super) diff_ids: Option<Vec<String>>,
}

/// An entry of the history.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct HistoryItem {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) created: Option<String>,
    #[serde(
        deserialize_with = "or_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub(super) created_by: String,
    #[serde(
        deserialize_with = "or_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub(super) author: String,
    #[serde(
        deserialize_with = "or_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub(super) comment: String,
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_false")]
    pub(super) empty_layer: bool,
}

/// Reads `null` as the empty value, as Go does.
fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes references to such functions"
)]
fn is_false(value: &bool) -> bool {
    !value
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes references to such functions"
)]
fn is_zero(value: &u64) -> bool {
    *value == 0
}
