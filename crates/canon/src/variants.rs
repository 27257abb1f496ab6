//! The digests that an image would have, had it been written by other versions of `BuildKit` or under the commands
//! of other releases of StageX: a bounded number of variants of its metadata, the likeliest first.
//!
//! It knows which variants there were. Contents of files are never others.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader};

use camino::Utf8PathBuf;
use containerfile::Platform;
use documents::ExplainReason;
use flate2::bufread::MultiGzDecoder;
use oci_image::{
    Descriptor, Digest, Index, LayerBlob, Manifest, Measured, Profile, RecastRequest, json, recast,
};

use crate::canon::{Canonical, with_texts};
use crate::error::Error;
use crate::patch::{Patch, patch};
use crate::reasons::without_stage;
use crate::text;

const UNCOMPRESSED: &str = "application/vnd.oci.image.layer.v1.tar";

/// The variants of the annotations.
const ANNOTATIONS: [Option<ExplainReason>; 4] = [
    None,
    Some(ExplainReason::Annotations202503),
    Some(ExplainReason::Annotations202502),
    Some(ExplainReason::Annotations),
];
/// The variants of the notes beside the layers.
const NOTES: [Option<ExplainReason>; 3] = [
    None,
    Some(ExplainReason::NotedOfBase),
    Some(ExplainReason::NotNoted),
];
/// The variants of the history's texts: EXPOSE, and ARG.
const TEXTS: [(bool, bool); 4] = [(false, false), (true, false), (false, true), (true, true)];
/// The variants of the layers.
const LAYERS: [Patch; 4] = [
    Patch {
        whiteouts: false,
        directories: false,
    },
    Patch {
        whiteouts: true,
        directories: false,
    },
    Patch {
        whiteouts: false,
        directories: true,
    },
    Patch {
        whiteouts: true,
        directories: true,
    },
];

/// The variants of an image.
pub(crate) struct Variants<'a> {
    image: &'a Canonical,
    profile: &'static Profile,
    work: Utf8PathBuf,
    /// How many digests were computed.
    pub(crate) tried: u64,
}

type Found = Option<Vec<ExplainReason>>;

impl<'a> Variants<'a> {
    /// Prepares to look for variants of an image; layers are written into the directory `work`.
    pub(crate) fn new(image: &'a Canonical, profile: &'static Profile, work: Utf8PathBuf) -> Self {
        Self {
            image,
            profile,
            work,
            tried: 0,
        }
    }

    /// Returns what is other in the variant that has a digest; nothing if it is the canonical one.
    pub(crate) fn find(&mut self, digest: &Digest) -> Result<Found, Error> {
        let layout = &self.image.layout;
        if layout.manifest_digest() == *digest {
            self.tried += 1;
            return Ok(Some(Vec::new()));
        }
        let config = layout.config().to_vec();
        let platform: Platform = self
            .image
            .document
            .platform
            .parse()
            .map_err(|_| Error::Platform(self.image.document.platform.clone()))?;
        let mut alone = 0;
        for patch in LAYERS {
            // Where one of both changes nothing, both together are the other one.
            if patch.whiteouts && patch.directories && alone < 2 {
                continue;
            }
            let Some(layers) = self.layers(patch)? else {
                continue;
            };
            alone += u32::from(patch.whiteouts || patch.directories);
            let mut reasons = Vec::new();
            if patch.whiteouts {
                reasons.push(ExplainReason::Whiteouts);
            }
            if patch.directories {
                reasons.push(ExplainReason::MadeDirectories);
            }
            if let Some(reason) = self.is_layer(&layers, digest) {
                reasons.push(reason);
                return Ok(Some(reasons));
            }
            for texts in TEXTS {
                let Some(config) = self.config(&config, &layers, texts, &platform)? else {
                    continue;
                };
                let mut reasons = reasons.clone();
                reasons.extend(texts.0.then_some(ExplainReason::ExposeText));
                reasons.extend(texts.1.then_some(ExplainReason::ArgumentText));
                self.tried += 1;
                if Digest::of(&config) == *digest {
                    reasons.push(ExplainReason::ConfigDigest);
                    return Ok(Some(reasons));
                }
                if let Some(found) = self.manifests(&config, &layers, digest) {
                    reasons.extend(found);
                    return Ok(Some(reasons));
                }
            }
        }
        Ok(None)
    }

    /// Returns what is other in the manifest, of those with this config and these layers, that has a digest.
    fn manifests(&mut self, config: &[u8], layers: &[LayerBlob], digest: &Digest) -> Found {
        for is_compressed in [true, false] {
            for notes in NOTES {
                if notes == Some(ExplainReason::NotedOfBase) && !self.has_base() {
                    continue;
                }
                for annotations in ANNOTATIONS {
                    let manifest =
                        self.manifest(config, layers, (annotations, notes, is_compressed));
                    let manifest = json::indented(&manifest);
                    let index = self.index(&manifest);
                    self.tried += 2;
                    let is_index = Digest::of(&index) == *digest;
                    if !is_index && Digest::of(&manifest) != *digest {
                        continue;
                    }
                    let others = [
                        annotations,
                        notes,
                        (!is_compressed).then_some(ExplainReason::Uncompressed),
                        is_index.then_some(ExplainReason::Index),
                    ];
                    return Some(others.into_iter().flatten().collect());
                }
            }
        }
        None
    }

    fn manifest(
        &self,
        config: &[u8],
        layers: &[LayerBlob],
        (annotations, notes, is_compressed): (Option<ExplainReason>, Option<ExplainReason>, bool),
    ) -> Manifest {
        let mut manifest = self.image.layout.manifest().clone();
        manifest.config.digest = Digest::of(config);
        manifest.config.size = config.len() as u64;
        manifest.annotations = self.annotations(annotations);
        for (layer, blob) in manifest.layers.iter_mut().flatten().zip(layers) {
            (layer.digest, layer.size) = (blob.blob.digest, blob.blob.size);
            match notes {
                None => {}
                Some(ExplainReason::NotedOfBase) => {
                    layer.annotations = self.profile.layer_annotations();
                }
                Some(_) => layer.annotations.clear(),
            }
            if !is_compressed {
                UNCOMPRESSED.clone_into(&mut layer.media_type);
                layer.digest = blob.diff_id.0;
            }
        }
        manifest
    }

    fn has_base(&self) -> bool {
        let mut layers = self.image.document.layers.iter();
        layers.any(|layer| layer.is_of_base)
    }

    fn annotations(&self, variant: Option<ExplainReason>) -> BTreeMap<String, String> {
        let document = &self.image.document;
        let (repository, tag) = (&document.repository, &document.tag);
        match variant {
            None => self.profile.annotations(repository, tag),
            Some(ExplainReason::Annotations202503) => {
                self.profile.annotations(&without_stage(repository), tag)
            }
            Some(ExplainReason::Annotations202502) => {
                BTreeMap::from([(Profile::VERSION.to_owned(), tag.clone())])
            }
            Some(_) => BTreeMap::new(),
        }
    }

    fn index(&self, manifest: &[u8]) -> Vec<u8> {
        let types = &self.profile.media_types;
        let canonical = self.image.layout.manifest_platform();
        let index = Index {
            schema_version: 2,
            media_type: types.index.to_owned(),
            manifests: vec![Descriptor {
                media_type: types.manifest.to_owned(),
                digest: Digest::of(manifest),
                size: manifest.len() as u64,
                annotations: BTreeMap::new(),
                platform: canonical,
            }],
        };
        json::indented(&index)
    }

    fn is_layer(&mut self, layers: &[LayerBlob], digest: &Digest) -> Option<ExplainReason> {
        self.tried += 2 * layers.len() as u64;
        let mut layers = layers.iter();
        let found = layers.any(|layer| [layer.blob.digest, layer.diff_id.0].contains(digest));
        found.then_some(ExplainReason::LayerDigest)
    }

    /// Returns the config with other texts and the diff ids of these layers; nothing if the texts cannot be others.
    fn config(
        &self,
        config: &[u8],
        layers: &[LayerBlob],
        (expose, argument): (bool, bool),
        platform: &Platform,
    ) -> Result<Option<Vec<u8>>, Error> {
        let history = oci_image::history(config)?;
        let places = history.iter().enumerate();
        let mut texts: Vec<(usize, String)> = Vec::new();
        let mut others = |wanted: bool, other: &dyn Fn(&str) -> Option<String>| {
            let before = texts.len();
            if wanted {
                let found = places.clone();
                texts.extend(found.filter_map(|(at, entry)| Some((at, other(&entry.created_by)?))));
            }
            wanted == (texts.len() > before)
        };
        let is_possible = others(expose, &text::expose_as_map)
            && others(argument, &|text| {
                text::argument_without_value(text, platform)
            });
        if !is_possible {
            return Ok(None);
        }
        let diff_ids: Vec<_> = layers.iter().map(|layer| layer.diff_id).collect();
        let base = self.image.document.layers.iter();
        let config = recast(&RecastRequest {
            config: &with_texts(config, texts)?,
            base_layers: base.filter(|layer| layer.is_of_base).count(),
            diff_ids: &diff_ids,
            platform,
            profile: self.profile,
        })?;
        Ok(Some(config))
    }

    /// Returns the layers as they would be with a patch; nothing if it changes none.
    fn layers(&self, patched: Patch) -> Result<Option<Vec<LayerBlob>>, Error> {
        let layout = &self.image.layout;
        let modes = self.made_modes()?;
        let mut is_other = patched == Patch::default();
        let mut layers = Vec::new();
        let known = layout
            .manifest()
            .layers()
            .iter()
            .zip(oci_image::diff_ids(layout.config())?);
        for (place, (descriptor, diff_id)) in known.enumerate() {
            let (digest, size) = (descriptor.digest, descriptor.size);
            let blob = Measured { digest, size };
            let canonical = LayerBlob { diff_id, blob };
            let is_own = !self.image.document.layers[place].is_of_base;
            let other = if is_own && patched != Patch::default() {
                self.patched(descriptor, patched, modes.get(place).copied().flatten())?
            } else {
                None
            };
            is_other |= other.is_some();
            layers.push(other.unwrap_or(canonical));
        }
        Ok(is_other.then_some(layers))
    }

    /// Returns the mode that each layer's COPY gives, if it says one.
    fn made_modes(&self) -> Result<Vec<Option<u32>>, Error> {
        let history = oci_image::history(self.image.layout.config())?;
        let layers = history.iter().filter(|entry| entry.has_layer);
        let mode = |text: &str| text::copied_with_mode(text).map(|(mode, _)| mode);
        Ok(layers.map(|entry| mode(&entry.created_by)).collect())
    }

    fn patched(
        &self,
        descriptor: &Descriptor,
        patched: Patch,
        mode: Option<u32>,
    ) -> Result<Option<LayerBlob>, Error> {
        let path = self.work.join("layer.tar");
        let failed = |source| Error::Unpack {
            path: path.clone(),
            source,
        };
        let work = || -> io::Result<Option<LayerBlob>> {
            let blob = self.image.layout.open_blob(descriptor);
            let blob = blob.map_err(io::Error::other)?;
            let mut tar = MultiGzDecoder::new(BufReader::new(blob));
            io::copy(&mut tar, &mut File::create(&path)?)?;
            if !patch(&path, patched, mode, self.profile.epoch)? {
                return Ok(None);
            }
            oci_image::compressed(&path, self.profile, &self.work).map(Some)
        };
        work().map_err(failed)
    }
}
