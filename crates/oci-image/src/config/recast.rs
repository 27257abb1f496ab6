//! The config of an image whose history `BuildKit` wrote, in canonical form: what is there is kept, and
//! nothing is added.
//!
//! It knows configs. It does not know what the layers became, only their diff ids.

use containerfile::Platform;
use serde::Deserialize;

use super::document::{Document, HistoryItem};
use super::{ConfigError, set_layers, set_platform, set_times};
use crate::digest::DiffId;
use crate::json;
use crate::profile::Profile;

/// What a config is recast from.
#[derive(Debug, Clone, Copy)]
pub struct RecastRequest<'a> {
    /// The config as it is.
    pub config: &'a [u8],
    /// How many of the layers are those of the image that the build began with.
    pub base_layers: usize,
    /// All layers as they are now, from the lowest up.
    pub diff_ids: &'a [DiffId],
    /// The platform of the image.
    pub platform: &'a Platform,
    /// The encoding.
    pub profile: &'a Profile,
}

/// An entry of a config's history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryEntry {
    /// What it says of its step.
    pub created_by: String,
    /// What it says of its maker.
    pub comment: String,
    /// Whether it has a layer.
    pub has_layer: bool,
}

/// Returns the history in a config.
///
/// # Errors
///
/// [`ConfigError::Base`] if the config is none.
pub fn history(config: &[u8]) -> Result<Vec<HistoryEntry>, ConfigError> {
    #[derive(Deserialize)]
    struct Outline {
        #[serde(default)]
        history: Option<Vec<HistoryItem>>,
    }
    let outline: Outline = serde_json::from_slice(config)?;
    let entries = outline.history.into_iter().flatten();
    let entry = |entry: HistoryItem| HistoryEntry {
        created_by: entry.created_by,
        comment: entry.comment,
        has_layer: !entry.empty_layer,
    };
    Ok(entries.map(entry).collect())
}

/// Returns the digests of the layers' tars that a config says.
///
/// # Errors
///
/// [`ConfigError::Base`] if the config is none.
pub fn diff_ids(config: &[u8]) -> Result<Vec<DiffId>, ConfigError> {
    #[derive(Deserialize)]
    struct Outline {
        rootfs: RootFileSystem,
    }
    #[derive(Deserialize)]
    struct RootFileSystem {
        #[serde(default)]
        diff_ids: Option<Vec<DiffId>>,
    }
    let outline: Outline = serde_json::from_slice(config)?;
    Ok(outline.rootfs.diff_ids.unwrap_or_default())
}

/// Returns how many entries of a history are those of the image that the build began with: all up to the
/// last of its layers, and those after it that have no layer.
///
/// Whether the last ones are the base's cannot be seen. It matters only for their times, and what a build
/// with the epoch adds has the epoch.
pub fn entries_of_base(history: &[HistoryEntry], base_layers: usize) -> usize {
    let mut layers = history
        .iter()
        .enumerate()
        .filter(|(_, entry)| entry.has_layer);
    match (base_layers, layers.nth(base_layers)) {
        (0, _) => 0,
        (_, Some((at, _))) => at,
        (_, None) => history.len(),
    }
}

/// Returns the bytes of a config in canonical form.
///
/// # Errors
///
/// That it is none, or speaks of another number of layers.
pub fn recast(request: &RecastRequest<'_>) -> Result<Vec<u8>, ConfigError> {
    let mut document: Document = serde_json::from_slice(request.config)?;
    let entries = history(request.config)?;
    let of_base = entries_of_base(&entries, request.base_layers);
    document.rootfs.diff_ids = None;
    set_platform(&mut document, request.platform);
    set_layers(&mut document, request.diff_ids)?;
    set_times(&mut document, of_base, request.profile.epoch)?;
    Ok(json::compact(&document))
}
