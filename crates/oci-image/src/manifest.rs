//! The JSON that ties an image together: manifest, index, and the layout's `index.json`.
//!
//! It knows their fields and the order of these. It does not know where blobs are, nor configs.

use std::collections::BTreeMap;
use std::fmt;

use containerfile::Platform;
use serde::{Deserialize, Serialize};

use crate::digest::{Digest, Measured};
use crate::json;
use crate::media_types::MediaTypes;

/// The text of the file `oci-layout`.
pub(crate) const OCI_LAYOUT: &str = r#"{"imageLayoutVersion":"1.0.0"}"#;

/// What points to a blob.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// What kind of blob it is.
    pub media_type: String,
    /// The blob's digest.
    pub digest: Digest,
    /// The blob's size in bytes.
    pub size: u64,
    /// What is noted beside it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// The platform of the image that it points to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<PlatformFields>,
}

impl Descriptor {
    /// Tells whether an image's manifest is described, and not a list of them.
    pub(crate) fn is_manifest(&self) -> bool {
        self.media_type.contains("manifest.v")
    }

    /// Makes a descriptor without annotations or platform.
    pub(crate) fn new(media_type: &str, measured: Measured) -> Self {
        Self {
            media_type: media_type.to_owned(),
            digest: measured.digest,
            size: measured.size,
            annotations: BTreeMap::new(),
            platform: None,
        }
    }
}

/// A platform as a descriptor has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlatformFields {
    /// Such as `amd64`.
    pub architecture: String,
    /// Such as `linux`.
    pub os: String,
    /// Such as `v7`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
}

impl fmt::Display for PlatformFields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        match &self.variant {
            Some(variant) => write!(f, "/{variant}"),
            None => Ok(()),
        }
    }
}

impl From<&Platform> for PlatformFields {
    fn from(platform: &Platform) -> Self {
        Self {
            architecture: platform.architecture.clone(),
            os: platform.os.clone(),
            variant: platform.variant.clone(),
        }
    }
}

/// An image's manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// Always 2.
    pub schema_version: u32,
    /// The manifest's own media type.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub media_type: String,
    /// The config.
    pub config: Descriptor,
    /// The layers from the lowest up. Go writes an image without layers as `null`.
    pub layers: Option<Vec<Descriptor>>,
    /// What is noted of the image.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

impl Manifest {
    /// Makes the manifest of an image.
    pub(crate) fn new(
        types: &MediaTypes,
        config: Measured,
        layers: Vec<Descriptor>,
        annotations: BTreeMap<String, String>,
    ) -> Self {
        Self {
            schema_version: 2,
            media_type: types.manifest.to_owned(),
            config: Descriptor::new(types.config, config),
            layers: Some(layers).filter(|layers| !layers.is_empty()),
            annotations,
        }
    }

    /// Returns the layers from the lowest up.
    pub fn layers(&self) -> &[Descriptor] {
        self.layers.as_deref().unwrap_or_default()
    }

    /// Returns its bytes.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        json::indented(self)
    }
}

/// A list of images, or of lists.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Index {
    /// Always 2.
    pub schema_version: u32,
    /// The index's own media type.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub media_type: String,
    /// What is in it.
    pub manifests: Vec<Descriptor>,
}

impl Index {
    /// Makes an index of this media type, of these entries.
    pub(crate) fn of(media_type: &str, manifests: Vec<Descriptor>) -> Self {
        Self {
            schema_version: 2,
            media_type: media_type.to_owned(),
            manifests,
        }
    }

    /// Returns the bytes of an index that is a blob.
    pub(crate) fn to_blob(&self) -> Vec<u8> {
        json::indented(self)
    }

    /// Returns the bytes of a layout's `index.json`.
    pub(crate) fn to_file(&self) -> Vec<u8> {
        json::compact(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media_types::{CONFIG, INDEX, LAYER, MANIFEST};
    use crate::profile::Profile;

    #[test]
    fn a_manifest_is_indented_and_ordered_as_by_go() {
        let measured = Measured {
            digest: Digest::of(b""),
            size: 0,
        };
        let mut layer = Descriptor::new(LAYER, measured);
        layer.annotations.insert("b".to_owned(), "1".to_owned());
        let annotations = BTreeMap::from([("k".to_owned(), "<v>".to_owned())]);
        let written = Manifest::new(
            &Profile::STAGEX_2026.media_types,
            measured,
            vec![layer],
            annotations,
        )
        .to_bytes();
        let digest = Digest::of(b"");
        let expected = format!(
            "{{\n  \"schemaVersion\": 2,\n  \"mediaType\": \"{MANIFEST}\",\n  \"config\": {{\n    \
             \"mediaType\": \"{CONFIG}\",\n    \"digest\": \"{digest}\",\n    \"size\": 0\n  }},\n  \
             \"layers\": [\n    {{\n      \"mediaType\": \"{LAYER}\",\n      \"digest\": \"{digest}\",\n      \
             \"size\": 0,\n      \"annotations\": {{\n        \"b\": \"1\"\n      }}\n    }}\n  ],\n  \
             \"annotations\": {{\n    \"k\": \"\\u003cv\\u003e\"\n  }}\n}}"
        );
        assert_eq!(String::from_utf8(written).unwrap(), expected);
    }

    #[test]
    fn no_layers_are_null() {
        let measured = Measured {
            digest: Digest::of(b""),
            size: 0,
        };
        let manifest = Manifest::new(
            &Profile::STAGEX_2026.media_types,
            measured,
            Vec::new(),
            BTreeMap::new(),
        );
        let written = String::from_utf8(manifest.to_bytes()).unwrap();
        assert!(written.ends_with("\"layers\": null\n}"), "{written}");
    }

    #[test]
    fn an_index_names_platforms_in_the_order_of_go() {
        let measured = Measured {
            digest: Digest::of(b""),
            size: 7,
        };
        let mut entry = Descriptor::new(MANIFEST, measured);
        entry.platform = Some(PlatformFields::from(
            &"linux/arm/v7".parse::<Platform>().unwrap(),
        ));
        let written = String::from_utf8(Index::of(INDEX, vec![entry]).to_file()).unwrap();
        let digest = Digest::of(b"");
        let expected = format!(
            "{{\"schemaVersion\":2,\"mediaType\":\"{INDEX}\",\"manifests\":[{{\"mediaType\":\"{MANIFEST}\",\
             \"digest\":\"{digest}\",\"size\":7,\"platform\":{{\"architecture\":\"arm\",\"os\":\"linux\",\
             \"variant\":\"v7\"}}}}]}}"
        );
        assert_eq!(written, expected);
    }
}
