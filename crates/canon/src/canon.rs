//! From an image of any engine to the canonical one: the order of the work.

use std::io::{self, Write};

use camino::Utf8Path;
use containerfile::Platform;
use documents::{Canon, CanonLayer, Version};
use oci_image::{
    HistoryEntry, ImageError, ImageSet, Layout, Profile, RewriteConfig, RewriteRequest, Rewritten,
    Times,
};

use crate::census::Span;
use crate::changes::Changes;
use crate::error::Error;
use crate::facts::{Manifest, name};
use crate::layers::{base_layers, of_base, of_history, of_steps, texts};
use crate::request::{Base, Request};
use crate::unpack::{Unpacked, unpack};

/// Opens the canonical image in a directory, as the base of another.
///
/// # Errors
///
/// What is wrong with it.
pub fn open_base(directory: &Utf8Path) -> Result<Layout, Error> {
    Ok(Layout::open(directory).map_err(ImageError::from)?)
}

/// An image that is canonical now.
#[derive(Debug)]
pub struct Canonical {
    /// What was done.
    pub document: Canon,
    /// The image.
    pub layout: Layout,
}

impl Canonical {
    /// Moves the image to `destination`, on the same file system, in place of what is there.
    ///
    /// # Errors
    ///
    /// Those of the operating system.
    pub fn move_to(&self, destination: &Utf8Path) -> io::Result<()> {
        oci_image::move_layout(self.layout.directory(), destination)
    }

    /// Writes the image as an archive to `path`, whole or not at all.
    ///
    /// # Errors
    ///
    /// Those of the operating system.
    pub fn write_archive(&self, path: &Utf8Path) -> io::Result<()> {
        oci_image::write_tar_file(&self.set()?, path)
    }

    /// Writes the image as an archive.
    ///
    /// # Errors
    ///
    /// Those of the operating system.
    pub fn write_to(&self, mut out: impl Write) -> io::Result<()> {
        oci_image::write_tar(&self.set()?, &mut out)?;
        out.flush()
    }

    fn set(&self) -> io::Result<ImageSet> {
        ImageSet::open(self.layout.directory()).map_err(io::Error::other)
    }
}

/// Makes the canonical form of an image in the directory `destination`, in place of what is there: whole, or not
/// at all. The image's layers are unpacked into `work` meanwhile, an empty directory.
///
/// # Errors
///
/// Why there is no canonical form that could be known, or written.
pub fn canon(
    request: &Request<'_>,
    destination: &Utf8Path,
    work: &Utf8Path,
) -> Result<Canonical, Error> {
    // What cannot be known is found out before any layer is read.
    let plan = Plan::new(request)?;
    let unpacked = unpack(&request.image.layers, work, request.profile.epoch)?;
    plan.write(request, &unpacked, (destination, work))
}

/// What is known of an image before its layers are read.
pub(crate) struct Plan {
    manifest: Manifest,
    platform: Platform,
    repository: String,
    tag: String,
    /// How many of the layers are those of the image that the build began with.
    below: usize,
    history: Vec<HistoryEntry>,
    /// The config with the texts of its history in canonical form; empty where it is made again.
    config: Vec<u8>,
}

impl Plan {
    pub(crate) fn new(request: &Request<'_>) -> Result<Self, Error> {
        let Request { image, profile, .. } = *request;
        let manifest = Manifest::of(image)?;
        let platform = image.platform.parse();
        let platform: Platform = platform.map_err(|_| Error::Platform(image.platform.clone()))?;
        let config = &image.config.bytes;
        let history = oci_image::history(config)?;
        check_epochs(&manifest, profile)?;
        if request.known.is_none() {
            check_last(&history, profile)?;
        }
        let below = base_layers(request, &manifest, &history)?;
        let config = match &request.known {
            Some(_) => Vec::new(),
            None => with_texts(config, texts(&history, below, (&platform, profile))?)?,
        };
        let (repository, tag) = match &request.name {
            Some(name) => name.clone(),
            None => name(image, &manifest, profile)?,
        };
        check_counts(request, &history, below)?;
        Ok(Self {
            manifest,
            platform,
            repository,
            tag,
            below,
            history,
            config,
        })
    }

    pub(crate) fn write(
        self,
        request: &Request<'_>,
        unpacked: &[Unpacked],
        (destination, work): (&Utf8Path, &Utf8Path),
    ) -> Result<Canonical, Error> {
        let profile = request.profile;
        let manifest = &self.manifest;
        let (_, own) = unpacked.split_at(self.below);
        let layers = match &request.known {
            Some(known) => of_steps(known, own, manifest, self.below),
            None => of_history(&self.history, own, manifest, self.below),
        };
        let base_config = match &request.base {
            Some(Base::Image(layout)) => Some(layout.config()),
            _ => None,
        };
        let rewrite = RewriteRequest {
            repository: self.repository.clone(),
            tag: self.tag.clone(),
            platform: self.platform.clone(),
            profile,
            config: match &request.known {
                Some(known) => RewriteConfig::Built {
                    base: base_config,
                    build: known.build,
                },
                None => RewriteConfig::Own(&self.config),
            },
            base: of_base(request, unpacked, self.below, work)?,
            layers,
            times: times(own, |place| manifest.is_rewritten(self.below + place)),
        };
        let rewritten = oci_image::rewrite(&rewrite, destination)?;
        let layout = Layout::open(destination).map_err(ImageError::from)?;
        let document = self.document(request, unpacked, (&rewritten, &layout));
        Ok(Canonical { document, layout })
    }

    /// Says what became of the image.
    fn document(
        self,
        request: &Request<'_>,
        unpacked: &[Unpacked],
        (rewritten, layout): (&Rewritten, &Layout),
    ) -> Canon {
        let image = request.image;
        let layers = || image.layers.iter().zip(&rewritten.layers).enumerate();
        let mut changes = Changes::default();
        for (place, (layer, now)) in layers() {
            changes.layer(place, (layer, &unpacked[place]), now);
        }
        changes.config(&image.config.bytes, &rewritten.config);
        changes.manifest(&self.manifest, (image, layout));
        let layers = layers().map(|(place, (layer, now))| CanonLayer {
            is_of_base: place < self.below,
            writer: unpacked[place].writer,
            before: layer.digest.map(Into::into),
            digest: now.layer.blob.digest.into(),
            diff_id_before: layer.diff_id.0.into(),
            diff_id: now.layer.diff_id.0.into(),
        });
        let before = image.manifest.as_ref().map(|manifest| manifest.digest);
        Canon {
            version: Version,
            input: request.input.to_owned(),
            form: request.form.to_string(),
            platform: image.platform.clone(),
            repository: self.repository,
            tag: self.tag,
            profile: request.profile.name.to_owned(),
            before: before.map(Into::into),
            digest: rewritten.manifest.into(),
            is_canonical: before == Some(rewritten.manifest),
            output: None,
            layers: layers.collect(),
            changes: changes.into_list(),
        }
    }
}

/// Refuses a history whose last entry is none of `BuildKit`: whatever the build began with, that one is its own.
fn check_last(history: &[HistoryEntry], profile: &Profile) -> Result<(), Error> {
    match history.last() {
        Some(last) if last.comment != profile.comment => Err(Error::History {
            entry: history.len(),
            text: printable::line(&last.created_by).into_owned(),
        }),
        _ => Ok(()),
    }
}

/// Refuses an image that has another number of layers than what says how they were made.
fn check_counts(
    request: &Request<'_>,
    history: &[HistoryEntry],
    below: usize,
) -> Result<(), Error> {
    let found = request.image.layers.len();
    let of_history = history.iter().filter(|entry| entry.has_layer).count();
    match &request.known {
        Some(known) if known.steps.len() != found - below => Err(Error::LayersOfSteps {
            expected: known.steps.len(),
            found: found - below,
        }),
        None if of_history != found => Err(Error::LayersOfHistory {
            expected: of_history,
            found,
        }),
        _ => Ok(()),
    }
}

/// Tells what the times in the build's own layers say. Whoever rewrote those of a layer has compared before.
fn times(own: &[Unpacked], is_rewritten: impl Fn(usize) -> bool) -> Times {
    let rewritten = (0..own.len()).any(&is_rewritten);
    let is_young = own.iter().any(|layer| layer.census.times > 0);
    let compared = own.iter().enumerate().filter(|(at, _)| !is_rewritten(*at));
    let spans = compared.filter_map(|(_, layer)| layer.census.span);
    let span = spans.reduce(Span::and);
    if !rewritten && !is_young {
        Times::Clamped
    } else if span.is_some_and(Span::is_one) {
        Times::One
    } else {
        Times::Kept
    }
}

/// Refuses times that were clamped to something before the epoch: what they were is lost.
fn check_epochs(manifest: &Manifest, profile: &Profile) -> Result<(), Error> {
    for (place, layer) in manifest.layers().iter().enumerate() {
        let Some(epoch) = layer.rewritten() else {
            continue;
        };
        if epoch.parse().is_ok_and(|epoch: i64| epoch >= profile.epoch) {
            continue;
        }
        return Err(Error::Epoch {
            layer: place + 1,
            epoch: printable::line(epoch).into_owned(),
        });
    }
    Ok(())
}

/// Returns a config with other texts at some places of its history.
pub(crate) fn with_texts(config: &[u8], texts: Vec<(usize, String)>) -> Result<Vec<u8>, Error> {
    if texts.is_empty() {
        return Ok(config.to_vec());
    }
    let mut document: serde_json::Value =
        serde_json::from_slice(config).map_err(oci_image::ConfigError::from)?;
    for (place, text) in texts {
        if let Some(entry) = document.pointer_mut(&format!("/history/{place}/created_by")) {
            *entry = text.into();
        }
    }
    Ok(document.to_string().into_bytes())
}
