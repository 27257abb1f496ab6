//! The documents of the artifact: what is written for a set of sources, and what is taken of what is read.
//!
//! It knows neither files nor archives.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::error::Invalid;

/// The type of the artifact.
pub const ARTIFACT_TYPE: &str = "application/vnd.stagex.sources.v1";

pub(super) const INDEX: &str = "index.json";
pub(super) const VERSION: &str = "oci-layout";
pub(super) const BLOBS: &str = "blobs/sha256";
/// The most bytes of a document: what registries take of a manifest.
pub(super) const LARGEST: u64 = beneath::MANIFEST;
/// The contents of the file that says that a directory is a layout.
pub(super) const VERSION_CONTENTS: &str = "{\"imageLayoutVersion\":\"1.0.0\"}";
/// The configuration, which says nothing.
pub(super) const CONFIG_CONTENTS: &str = "{}";

const MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX_TYPE: &str = "application/vnd.oci.image.index.v1+json";
const CONFIG_TYPE: &str = "application/vnd.oci.empty.v1+json";
const LAYER_TYPE: &str = "application/octet-stream";

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Manifest {
    schema_version: u32,
    media_type: String,
    artifact_type: String,
    config: Descriptor,
    layers: Vec<Descriptor>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Descriptor {
    media_type: String,
    digest: String,
    size: u64,
}

/// The index, and what it points to. Whoever copies an artifact may say more there, such as its name.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Index {
    schema_version: u32,
    media_type: Option<String>,
    manifests: Vec<Pointer>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Pointer {
    media_type: String,
    digest: String,
    size: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    artifact_type: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Layout {
    image_layout_version: String,
}

/// A file that is named by its hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Blob {
    pub(super) hash: String,
    pub(super) bytes: u64,
}

impl Blob {
    pub(super) fn of(contents: &[u8]) -> Self {
        Self {
            hash: printable::hex(&Sha256::digest(contents)),
            bytes: contents.len() as u64,
        }
    }

    /// Returns its path in a layout.
    pub(super) fn path(&self) -> String {
        format!("{BLOBS}/{}", self.hash)
    }

    fn descriptor(&self, media_type: &str) -> Descriptor {
        Descriptor {
            media_type: media_type.to_owned(),
            digest: format!("sha256:{}", self.hash),
            size: self.bytes,
        }
    }

    fn read(digest: &str, bytes: u64) -> Result<Self, Invalid> {
        let hash = digest.strip_prefix("sha256:").filter(|hash| is_hash(hash));
        let hash = hash.ok_or_else(|| Invalid::Digest(digest.to_owned()))?;
        Ok(Self {
            hash: hash.to_owned(),
            bytes,
        })
    }
}

/// Tells whether a text is a SHA-256 as this program writes one.
pub(crate) fn is_hash(text: &str) -> bool {
    text.len() == 64
        && text
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Returns the manifest of sources, each with its number of bytes.
pub(super) fn manifest(sources: &BTreeMap<String, u64>) -> serde_json::Result<Vec<u8>> {
    let layers = sources.iter().map(|(hash, bytes)| {
        let (hash, bytes) = (hash.clone(), *bytes);
        Blob { hash, bytes }.descriptor(LAYER_TYPE)
    });
    serde_json::to_vec(&Manifest {
        schema_version: 2,
        media_type: MANIFEST_TYPE.to_owned(),
        artifact_type: ARTIFACT_TYPE.to_owned(),
        config: Blob::of(CONFIG_CONTENTS.as_bytes()).descriptor(CONFIG_TYPE),
        layers: layers.collect(),
    })
}

/// Returns the index that points to a manifest.
pub(super) fn index(manifest: &Blob) -> serde_json::Result<Vec<u8>> {
    serde_json::to_vec(&Index {
        schema_version: 2,
        media_type: Some(INDEX_TYPE.to_owned()),
        manifests: vec![Pointer {
            media_type: MANIFEST_TYPE.to_owned(),
            digest: format!("sha256:{}", manifest.hash),
            size: manifest.bytes,
            artifact_type: Some(ARTIFACT_TYPE.to_owned()),
        }],
    })
}

/// Reads the file that says which version of layouts a layout has.
pub(super) fn read_version(bytes: &[u8]) -> Result<(), Invalid> {
    let layout: Layout = parse(VERSION, bytes)?;
    is(
        "imageLayoutVersion",
        VERSION,
        &layout.image_layout_version,
        "1.0.0",
    )
}

/// Reads an index. Returns the one manifest that it points to.
pub(super) fn read_index(bytes: &[u8]) -> Result<Blob, Invalid> {
    let index: Index = parse(INDEX, bytes)?;
    let [only] = index.manifests.as_slice() else {
        return Err(Invalid::Manifests(index.manifests.len()));
    };
    is("mediaType", INDEX, &only.media_type, MANIFEST_TYPE)?;
    let found = Blob::read(&only.digest, only.size)?;
    small(&found, LARGEST)?;
    Ok(found)
}

/// Reads the manifest at `path`. Returns the configuration and the sources, each of at most `largest` bytes.
pub(super) fn read_manifest(
    path: &str,
    bytes: &[u8],
    largest: u64,
) -> Result<(Blob, Vec<Blob>), Invalid> {
    // What the artifact is comes first: an image has other fields, and that is not what is wrong with it.
    let manifest: BTreeMap<String, serde_json::Value> = parse(path, bytes)?;
    let said = manifest.get("artifactType").and_then(|said| said.as_str());
    is(
        "artifactType",
        path,
        said.unwrap_or_default(),
        ARTIFACT_TYPE,
    )?;
    let manifest: Manifest = parse(path, bytes)?;
    is(
        "schemaVersion",
        path,
        &manifest.schema_version.to_string(),
        "2",
    )?;
    is("mediaType", path, &manifest.media_type, MANIFEST_TYPE)?;
    is(
        "config.mediaType",
        path,
        &manifest.config.media_type,
        CONFIG_TYPE,
    )?;
    let config = Blob::of(CONFIG_CONTENTS.as_bytes());
    let said = Blob::read(&manifest.config.digest, manifest.config.size)?;
    if said != config {
        return Err(Invalid::Config(said.hash));
    }
    let mut sources: Vec<Blob> = Vec::with_capacity(manifest.layers.len());
    for layer in manifest.layers {
        is("layers[].mediaType", path, &layer.media_type, LAYER_TYPE)?;
        let source = Blob::read(&layer.digest, layer.size)?;
        small(&source, largest)?;
        match sources.last().map(|last| last.hash.cmp(&source.hash)) {
            Some(std::cmp::Ordering::Equal) => return Err(Invalid::Twice(source.hash)),
            Some(std::cmp::Ordering::Greater) => return Err(Invalid::Order(source.hash)),
            Some(std::cmp::Ordering::Less) | None => sources.push(source),
        }
    }
    Ok((config, sources))
}

fn small(blob: &Blob, largest: u64) -> Result<(), Invalid> {
    if blob.bytes <= largest {
        return Ok(());
    }
    Err(Invalid::TooLarge {
        name: blob.path(),
        bytes: blob.bytes,
        largest,
    })
}

fn is(
    field: &'static str,
    document: &str,
    found: &str,
    expected: &'static str,
) -> Result<(), Invalid> {
    if found == expected {
        return Ok(());
    }
    Err(Invalid::Differs {
        document: document.to_owned(),
        field,
        found: found.to_owned(),
        expected,
    })
}

fn parse<T: for<'de> Deserialize<'de>>(name: &str, bytes: &[u8]) -> Result<T, Invalid> {
    serde_json::from_slice(bytes).map_err(|error| Invalid::Json(name.to_owned(), error))
}
