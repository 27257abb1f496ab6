//! The JSON of an image as others write it: only the fields that lead from one blob to the next.

use std::collections::BTreeMap;

use oci_image::{DiffId, Digest};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::error::Error;

/// What points to a blob.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Pointer {
    #[serde(default)]
    pub(crate) media_type: String,
    pub(crate) digest: Digest,
    pub(crate) size: u64,
    #[serde(default)]
    pub(crate) annotations: Option<BTreeMap<String, String>>,
    #[serde(default)]
    pub(crate) platform: Option<Platform>,
}

/// A platform, in a pointer or in a config.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Platform {
    #[serde(default)]
    architecture: String,
    #[serde(default)]
    os: String,
    #[serde(default)]
    variant: String,
}

impl Platform {
    /// Returns it as `os/architecture[/variant]`.
    pub(crate) fn text(&self) -> String {
        let parts = [&self.os, &self.architecture, &self.variant];
        let parts = parts.into_iter().filter(|part| !part.is_empty());
        let text = parts.map(String::as_str).collect::<Vec<_>>().join("/");
        printable::line(&text).into_owned()
    }
}

/// An index or a manifest: told apart by what they have, since the media type may be missing.
#[derive(Debug, Deserialize)]
pub(crate) struct Listing {
    pub(crate) manifests: Option<Vec<Pointer>>,
    pub(crate) config: Option<Pointer>,
    pub(crate) layers: Option<Vec<Pointer>>,
}

/// A config.
#[derive(Debug, Deserialize)]
pub(crate) struct Config {
    #[serde(flatten)]
    pub(crate) platform: Platform,
    pub(crate) rootfs: Option<RootFileSystem>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct RootFileSystem {
    pub(crate) diff_ids: Option<Vec<DiffId>>,
}

/// An image in the `manifest.json` of a docker-archive.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Saved {
    pub(crate) config: String,
    pub(crate) repo_tags: Option<Vec<String>>,
    pub(crate) layers: Option<Vec<String>>,
}

pub(crate) fn parse<T: DeserializeOwned>(
    bytes: &[u8],
    what: &str,
    place: &str,
) -> Result<T, Error> {
    serde_json::from_slice(bytes).map_err(|error| Error::Damaged {
        what: what.to_owned(),
        place: place.to_owned(),
        why: printable::line(&error.to_string()).into_owned(),
    })
}
