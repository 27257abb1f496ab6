//! The config of an image: what its base said, changed as the Containerfile says, with a history of each step.
//!
//! It knows no layers but their diff ids, and no engine. The bytes are those of `BuildKit` 0.26.

mod defaults;
mod document;
mod facts;
mod go_text;
mod history;
mod moment;
mod recast;

pub use facts::image_facts;
pub use recast::{HistoryEntry, RecastRequest, diff_ids, entries_of_base, history, recast};

use containerfile::{Build, Platform};

use crate::digest::DiffId;
use crate::json;
use crate::profile::Profile;
use document::{Document, HistoryItem};
use documents::rfc3339;
use moment::Moment;

/// What a config is made from.
#[derive(Debug, Clone, Copy)]
pub struct ConfigRequest<'a> {
    /// The config of the image that the build begins with; none for `scratch`.
    pub base: Option<&'a [u8]>,
    /// The Containerfile, resolved with what [`image_facts`] says of the base.
    pub build: &'a Build,
    /// The layers above the base: one for each step that makes one, in order.
    pub diff_ids: &'a [DiffId],
    /// The platform of the image.
    pub platform: &'a Platform,
    /// The encoding: it has the moment of every step, and what is said of its maker.
    pub profile: &'a Profile,
}

/// Why there is no config.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The base's config is no JSON, or not of the right shape.
    #[error("the config of the base image cannot be read")]
    Base(#[from] serde_json::Error),
    /// The base's config has a time that is none.
    #[error("the config of the base image has the time `{0}`, expected RFC 3339")]
    Time(String),
    /// There is a base where there should be none, or the reverse.
    #[error("expected {expected}, found {found}")]
    BaseMismatch {
        /// What the Containerfile says.
        expected: String,
        /// What was given.
        found: &'static str,
    },
    /// The history has another number of layers than there are.
    #[error(
        "expected {expected} layers, one for each entry of the history that has one, found {found}"
    )]
    LayerCount {
        /// How many layers the history speaks of.
        expected: usize,
        /// How many there are.
        found: usize,
    },
}

/// Returns the bytes of the config of the image that a build makes.
pub fn config(request: &ConfigRequest<'_>) -> Result<Vec<u8>, ConfigError> {
    let mut document = base(request)?;
    let base_entries = document.history.as_ref().map_or(0, Vec::len);
    for stage in request.build.chain() {
        defaults::begin_stage(&mut document.config);
        let mut has_cmd = false;
        for step in &stage.steps {
            defaults::apply(&mut document, step, &mut has_cmd);
            if let Some(created_by) = history::created_by(step) {
                document.history.get_or_insert_default().push(HistoryItem {
                    created_by,
                    comment: request.profile.comment.to_owned(),
                    empty_layer: !step.makes_layer(),
                    ..HistoryItem::default()
                });
            }
        }
    }
    set_platform(&mut document, request.platform);
    set_layers(&mut document, request.diff_ids)?;
    set_times(&mut document, base_entries, request.profile.epoch)?;
    Ok(json::compact(&document))
}

fn base(request: &ConfigRequest<'_>) -> Result<Document, ConfigError> {
    match (request.build.base_image(), request.base) {
        (Some(_), Some(config)) => Ok(serde_json::from_slice(config)?),
        (None, None) => Ok(defaults::scratch()),
        (Some(name), None) => Err(ConfigError::BaseMismatch {
            expected: format!("the config of `{name}`, which the build begins with"),
            found: "none",
        }),
        (None, Some(_)) => Err(ConfigError::BaseMismatch {
            expected: "no config, because the build begins with `scratch`".to_owned(),
            found: "one",
        }),
    }
}

fn set_platform(document: &mut Document, platform: &Platform) {
    let same = document.os == platform.os && document.architecture == platform.architecture;
    if !same {
        document.os_version.clear();
        document.os_features.clear();
    }
    if let Some(variant) = &platform.variant {
        document.variant.clone_from(variant);
    } else if !same {
        document.variant.clear();
    }
    document.os.clone_from(&platform.os);
    document.architecture.clone_from(&platform.architecture);
    // The usual variant of an architecture has one spelling.
    match (document.architecture.as_str(), document.variant.as_str()) {
        ("arm64", "8" | "v8") | ("amd64", "v1") => document.variant.clear(),
        ("arm", "" | "7") => "v7".clone_into(&mut document.variant),
        _ => {}
    }
}

fn set_layers(document: &mut Document, diff_ids: &[DiffId]) -> Result<(), ConfigError> {
    let layers = &mut document.rootfs;
    "layers".clone_into(&mut layers.kind);
    if !diff_ids.is_empty() {
        layers
            .diff_ids
            .get_or_insert_default()
            .extend(diff_ids.iter().map(ToString::to_string));
    }
    let found = layers.diff_ids.as_ref().map_or(0, Vec::len);
    let expected = document
        .history
        .iter()
        .flatten()
        .filter(|entry| !entry.empty_layer)
        .count();
    if found == expected {
        Ok(())
    } else {
        Err(ConfigError::LayerCount { expected, found })
    }
}

/// Keeps the times of the base's entries up to the first that has none; after that, none is later than the epoch.
fn set_times(document: &mut Document, base_entries: usize, epoch: i64) -> Result<(), ConfigError> {
    let epoch_text = rfc3339(epoch);
    let mut in_base = true;
    for (index, entry) in document.history.iter_mut().flatten().enumerate() {
        in_base = in_base && index < base_entries && entry.created.is_some();
        let moment = entry.created.as_deref().map(moment).transpose()?;
        let kept = moment.filter(|moment| in_base || moment.instant <= (epoch, 0));
        entry.created = Some(kept.map_or_else(|| epoch_text.clone(), |moment| moment.text));
    }
    document.created = document
        .history
        .iter()
        .flatten()
        .next_back()
        .and_then(|entry| entry.created.clone());
    Ok(())
}

fn moment(text: &str) -> Result<Moment, ConfigError> {
    Moment::read(text).ok_or_else(|| ConfigError::Time(text.to_owned()))
}

#[cfg(test)]
mod tests;
