//! A canonical image taken apart, to change one thing in it and put it together again.
//!
//! Knows how an image hangs together: layers, their digests in config and manifest. Changed by
//! nobody, it is put together into the same bytes.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;

use camino::Utf8Path;
use flate2::read::GzDecoder;
use go_flate::{GzipEncoder, Level};
use oci_image::{Descriptor, Digest, Layout, Manifest, json};
use serde_json::{Value, json};

use crate::member::{self, Member};

/// Where a gzip header names the operating system.
const SYSTEM: usize = 9;

/// An image.
#[derive(Clone, PartialEq)]
pub(crate) struct Image {
    /// The layers of the base, with what is in them.
    pub(crate) base: Vec<(Descriptor, Vec<Member>)>,
    /// The layers above the base.
    pub(crate) layers: Vec<Layer>,
    pub(crate) config: Value,
    /// What is replaced in the config's text at the end.
    pub(crate) spell: &'static [(&'static str, &'static str)],
    /// How the layers above the base are compressed.
    pub(crate) level: Level,
    /// The operating system that the gzip headers name.
    pub(crate) system: u8,
    pub(crate) manifest: Manifest,
}

/// A layer above the base.
#[derive(Clone, PartialEq)]
pub(crate) struct Layer {
    pub(crate) annotations: BTreeMap<String, String>,
    pub(crate) members: Vec<Member>,
}

/// An image put together.
pub(crate) struct Encoded {
    pub(crate) digest: Digest,
    blobs: BTreeMap<Digest, Vec<u8>>,
}

impl Image {
    /// Takes an image apart.
    pub(crate) fn open(layout: &Layout) -> Self {
        let manifest = layout.manifest().clone();
        let (mut base, mut layers) = (Vec::new(), Vec::new());
        for descriptor in manifest.layers() {
            let mut tar = Vec::new();
            let blob = layout.open_blob(descriptor).unwrap();
            GzDecoder::new(blob).read_to_end(&mut tar).unwrap();
            let members = member::read(&tar);
            // What was made here is annotated, and the base's layers are not.
            if descriptor.annotations.is_empty() {
                base.push((descriptor.clone(), members));
            } else {
                let annotations = descriptor.annotations.clone();
                layers.push(Layer {
                    annotations,
                    members,
                });
            }
        }
        Self {
            base,
            layers,
            config: serde_json::from_slice(layout.config()).unwrap(),
            spell: &[],
            level: Level::DEFAULT,
            system: 0xff,
            manifest,
        }
    }

    /// Returns the members of all layers above the base.
    pub(crate) fn members(&self) -> impl Iterator<Item = &Member> {
        self.layers.iter().flat_map(|layer| &layer.members)
    }

    /// Changes each member of the layers above the base.
    pub(crate) fn each_member(&mut self, change: impl Fn(&mut Member)) {
        let layers = self.layers.iter_mut();
        layers.flat_map(|layer| &mut layer.members).for_each(change);
    }

    /// Puts the image together.
    pub(crate) fn encode(mut self) -> Encoded {
        let mut blobs = BTreeMap::new();
        let mut add = |bytes: Vec<u8>| {
            let (digest, size) = (Digest::of(&bytes), bytes.len() as u64);
            blobs.insert(digest, bytes);
            (digest, size)
        };
        let like = self.manifest.layers().last().cloned();
        let mut descriptors: Vec<_> = self.base.into_iter().map(|(each, _)| each).collect();
        let ids = self.config["rootfs"].get("diff_ids");
        let mut diff_ids = ids.and_then(Value::as_array).cloned().unwrap_or_default();
        diff_ids.truncate(descriptors.len());
        for layer in self.layers {
            let mut tar = Vec::new();
            member::write(&layer.members, &mut tar, |_| {}).unwrap();
            diff_ids.push(json!(Digest::of(&tar)));
            let mut encoder = GzipEncoder::with_level(Vec::new(), self.level);
            member::write(&layer.members, &mut encoder, GzipEncoder::end_write).unwrap();
            let mut blob = encoder.finish().unwrap();
            blob[SYSTEM] = self.system;
            let (digest, size) = add(blob);
            descriptors.push(Descriptor {
                digest,
                size,
                annotations: layer.annotations,
                ..like.clone().expect("an image with layers has a last one")
            });
        }
        if !descriptors.is_empty() {
            self.config["rootfs"]["diff_ids"] = Value::Array(diff_ids);
        }

        let mut config = String::from_utf8(json::compact(&self.config)).unwrap();
        for (from, to) in self.spell {
            config = config.replace(from, to);
        }
        (self.manifest.config.digest, self.manifest.config.size) = add(config.into_bytes());
        if !descriptors.is_empty() {
            self.manifest.layers = Some(descriptors);
        }
        let (digest, _) = add(json::indented(&self.manifest));
        Encoded { digest, blobs }
    }
}

impl Encoded {
    /// Writes the layout, without the layers of the base.
    pub(crate) fn write(&self, directory: &Utf8Path) -> Layout {
        let blobs = directory.join("blobs/sha256");
        fs::create_dir_all(&blobs).unwrap();
        for (digest, bytes) in &self.blobs {
            fs::write(blobs.join(digest.hex()), bytes).unwrap();
        }
        let manifest = &self.blobs[&self.digest];
        let index = json!({"schemaVersion": 2, "manifests": [{
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "digest": self.digest,
            "size": manifest.len(),
        }]});
        fs::write(directory.join("index.json"), index.to_string()).unwrap();
        Layout::open(directory).unwrap()
    }
}
