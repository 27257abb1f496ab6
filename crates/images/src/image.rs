//! One image: the documents that lead to it and are it, and its layers, whose bytes stay where they are.

use std::sync::Arc;

use oci_image::{DiffId, Digest};

use crate::error::Error;
use crate::json::{Config, parse};
use crate::layer::Layer;

/// An image that a source has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageRef {
    /// Its platform as `os/architecture[/variant]`, where what leads to it says so.
    pub platform: Option<String>,
    /// The digest of its manifest; none in a docker-archive.
    pub manifest: Option<Digest>,
    /// The names that the source gives it.
    pub names: Vec<String>,
    /// Whether an index lists it, and the source does not have it: an engine saved one of several platforms.
    pub is_absent: bool,
}

impl ImageRef {
    /// Returns what tells it from others, for messages.
    pub fn label(&self) -> String {
        let name = self.names.first().cloned();
        let digest = || self.manifest.map(|digest| digest.to_string());
        match (&self.platform, name) {
            (Some(platform), Some(name)) => format!("{name} ({platform})"),
            (Some(platform), None) => platform.clone(),
            (None, name) => name.or_else(digest).unwrap_or_default(),
        }
    }
}

/// A document of an image: its bytes are what the digest says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// The digest of the bytes.
    pub digest: Digest,
    /// The media type that what points to it says; empty if nothing does.
    pub media_type: String,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// One image.
pub struct Image {
    /// The platform that the config says, as `os/architecture[/variant]`.
    pub platform: String,
    /// The names that the source gives it.
    pub names: Vec<String>,
    /// The indexes that lead to the manifest, from the outermost on. The `index.json` of a layout is not one:
    /// it has no digest.
    pub indexes: Vec<Arc<Document>>,
    /// The manifest. A docker-archive has none of its own.
    pub manifest: Option<Document>,
    /// The config.
    pub config: Document,
    /// The layers, the lowest first.
    pub layers: Vec<Layer>,
}

impl Image {
    /// Returns the digest that names it: that of the manifest, and that of the config where there is none.
    pub fn digest(&self) -> Digest {
        self.manifest.as_ref().unwrap_or(&self.config).digest
    }
}

/// Returns what a config says that leads on: the platform and the layers' diff ids, of which there must be
/// `layers`.
pub(crate) fn read_config(
    bytes: &[u8],
    name: &str,
    place: &str,
    layers: usize,
) -> Result<(String, Vec<DiffId>), Error> {
    let what = format!("the config {name}");
    let config: Config = parse(bytes, &what, place)?;
    let found = config.rootfs.and_then(|rootfs| rootfs.diff_ids);
    let found = found.unwrap_or_default();
    if found.len() == layers {
        return Ok((config.platform.text(), found));
    }
    let count = found.len();
    Err(Error::Damaged {
        what,
        place: place.to_owned(),
        why: format!("it lists {count} layers, and the manifest lists {layers}"),
    })
}
