//! The one function that makes an image: layers as an engine made them, and the Containerfile
//! that they were made from, become a canonical layout.
//!
//! It knows the order of the work. What each part of an image looks like is known elsewhere.

use std::collections::BTreeMap;
use std::io::{self, BufReader};
use std::panic::resume_unwind;
use std::sync::mpsc::{self, Sender};
use std::thread;

use camino::{Utf8Path, Utf8PathBuf};
use containerfile::{Build, Instruction, Platform};
use flate2::read::MultiGzDecoder;
use go_flate::Company;

use crate::config::{ConfigError, ConfigRequest, config};
use crate::digest::{Digest, Measured};
use crate::layer::{
    Archive, ArchiveError, Before, Comparison, Event, LayerBlob, LayerSource, MadeDirectories,
    Means, Normalised, Recorded, Reshaped, Tree, Written, find_changes, keep_changes, put_in_order,
    write_blob,
};
use crate::layout::{Layout, LayoutError, LayoutWriter};
use crate::manifest::{Descriptor, Index, Manifest, PlatformFields};
use crate::path::TreePath;
use crate::profile::Profile;

/// What an image is made from.
#[derive(Debug, Clone)]
pub struct ImageRequest<'a> {
    /// The repository without a registry, such as `stagex/core-musl`.
    pub repository: String,
    /// The tag, which is the package's version.
    pub tag: String,
    /// The platform.
    pub platform: Platform,
    /// The encoding.
    pub profile: &'static Profile,
    /// The canonical layout of the image that the build begins with; none for `scratch`.
    pub base: Option<&'a Layout>,
    /// The Containerfile, resolved.
    pub build: &'a Build,
    /// The layers above the base: one for each step that makes one, in order.
    pub layers: Vec<LayerSource>,
}

/// An image that was made.
#[derive(Debug, Clone)]
pub struct Image {
    /// The digest of the manifest: what is published and signed.
    pub manifest: Digest,
    /// The digest of the config.
    pub config: Digest,
    /// The layers above the base, in order.
    pub layers: Vec<LayerBlob>,
    /// What was worth telling, in order.
    pub events: Vec<LayerEvent>,
}

/// Something that a person may want to know about a layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerEvent {
    /// The place of the layer among those above the base, from 0.
    pub layer: usize,
    /// What it is.
    pub event: Event,
}

/// Why there is no image.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// There is not one layer for each step that makes one.
    #[error("expected {expected} layers, one for each instruction that makes one, found {found}")]
    LayerCount {
        /// How many steps make a layer.
        expected: usize,
        /// How many layers were given.
        found: usize,
    },
    /// The Containerfile begins with an image and there is none, or the reverse.
    #[error("expected {expected}, found {found}")]
    Base {
        /// What the Containerfile says.
        expected: String,
        /// What was given.
        found: &'static str,
    },
    /// An engine's layer cannot be read or is not one.
    #[error("the engine's layer of `{step}` ({tar}) is not usable")]
    Layer {
        /// The text of the step.
        step: String,
        /// The archive.
        tar: Utf8PathBuf,
        /// What is wrong.
        source: ArchiveError,
    },
    /// A layer of an image that is written again is not usable.
    #[error("layer {layer} of the image is not usable")]
    OwnLayer {
        /// The place of the layer, from 1.
        layer: usize,
        /// What is wrong.
        source: ArchiveError,
    },
    /// The times that would say whether a file was written are lost.
    #[error(
        "it cannot be told whether layer {layer} writes `{path}` or only lists it: it equals the file below, \
         and the times in this image do not tell it: they were rewritten, or are all the same one"
    )]
    Undecidable {
        /// The place of the layer, from 1.
        layer: usize,
        /// The file.
        path: TreePath,
    },
    /// A layer of the base image cannot be read.
    #[error("layer {layer} of the base image in {directory} is not usable")]
    BaseLayer {
        /// The layer's digest.
        layer: Digest,
        /// The base image.
        directory: Utf8PathBuf,
        /// What is wrong.
        source: ArchiveError,
    },
    /// There is no config for these layers on this base.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A layer cannot be written.
    #[error("cannot write a layer for {destination}")]
    Write {
        /// The layout.
        destination: Utf8PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The base image or the new layout is not what it should be.
    #[error(transparent)]
    Layout(#[from] LayoutError),
}

/// Makes the image in the directory `destination`, in place of what is there.
///
/// The layout is written beside its place, verified, and put there when it is whole; if there is
/// an error, what was there before is untouched.
pub fn assemble(request: &ImageRequest<'_>, destination: &Utf8Path) -> Result<Image, ImageError> {
    check(request)?;
    let profile = request.profile;
    let writer = LayoutWriter::new(destination)?;
    let mut descriptors = Vec::new();
    if let Some(base) = request.base {
        for layer in base.manifest().layers() {
            writer.share(base, layer)?;
            // The base's layers are its own: nothing is noted beside them.
            descriptors.push(Descriptor {
                annotations: BTreeMap::new(),
                ..layer.clone()
            });
        }
    }
    let (layers, events) = write_layers(request, destination, &writer.blobs())?;
    descriptors.extend(layers.iter().map(|layer| describe(layer, profile)));

    let diff_ids: Vec<_> = layers.iter().map(|layer| layer.diff_id).collect();
    let config = config(&ConfigRequest {
        base: request.base.map(Layout::config),
        build: request.build,
        diff_ids: &diff_ids,
        platform: &request.platform,
        profile,
    })?;
    let names = (request.repository.as_str(), request.tag.as_str());
    let (manifest, config) = publish(
        writer,
        &config,
        descriptors,
        (names, &request.platform, profile),
    )?;
    Ok(Image {
        manifest: manifest.digest,
        config: config.digest,
        layers,
        events,
    })
}

/// Ends a layout whose layers are written: adds config, manifest and index, and puts it into its place.
/// Returns what the manifest and the config are.
pub(crate) fn publish(
    writer: LayoutWriter,
    config: &[u8],
    layers: Vec<Descriptor>,
    ((repository, tag), platform, profile): ((&str, &str), &Platform, &Profile),
) -> Result<(Measured, Measured), LayoutError> {
    let types = &profile.media_types;
    let config = writer.add(config)?;
    let annotations = profile.annotations(repository, tag);
    let manifest = Manifest::new(types, config, layers, annotations);
    let manifest = writer.add(&manifest.to_bytes())?;
    let mut entry = Descriptor::new(types.manifest, manifest);
    entry.platform = Some(PlatformFields::from(platform));
    let index = writer.add(&Index::of(types.index, vec![entry]).to_blob())?;
    let mut entry = Descriptor::new(types.index, index);
    entry.annotations = profile.names(repository, tag);
    writer.finish(&Index::of(types.index, vec![entry]))?;
    Ok((manifest, config))
}

/// Returns the texts of the steps that make layers, each with whether programs run in it.
fn steps(build: &Build) -> impl Iterator<Item = (&str, Means)> {
    let layered = build.image_steps().filter(|step| step.makes_layer());
    layered.map(|step| match step.instruction {
        Instruction::Run(_) => (step.source.as_str(), Means::Run),
        _ => (step.source.as_str(), Means::Copy),
    })
}

fn check(request: &ImageRequest<'_>) -> Result<(), ImageError> {
    let (expected, found) = (steps(request.build).count(), request.layers.len());
    if expected != found {
        return Err(ImageError::LayerCount { expected, found });
    }
    match (request.build.base_image(), request.base) {
        (Some(name), None) => Err(ImageError::Base {
            expected: format!("the layout of `{name}`, which the image begins with"),
            found: "none",
        }),
        (None, Some(_)) => Err(ImageError::Base {
            expected: "no base image, since the image begins with `scratch`".to_owned(),
            found: "one",
        }),
        _ => Ok(()),
    }
}

/// Writes the layers above the base into `blobs`. What each records is found out in order, since
/// it depends on those below; they are compressed side by side, each on one core as long as there
/// are enough of them. A thread beside those waits for the disk, so that no core does.
fn write_layers(
    request: &ImageRequest<'_>,
    destination: &Utf8Path,
    blobs: &Utf8Path,
) -> Result<(Vec<LayerBlob>, Vec<LayerEvent>), ImageError> {
    let (sender, written) = mpsc::channel::<(usize, io::Result<Written>)>();
    let keep = |(layer, written): (usize, io::Result<Written>)| {
        (layer, written.and_then(|written| written.keep(blobs)))
    };
    let (events, kept) = thread::scope(|threads| {
        let keeper = threads.spawn(|| written.into_iter().map(keep).collect::<BTreeMap<_, _>>());
        let events = compress_layers(request, blobs, sender);
        let kept = keeper.join();
        (events, kept.unwrap_or_else(|panic| resume_unwind(panic)))
    });
    let events = events?;
    let layers = kept.into_values().collect::<Result<_, _>>();
    let layers = layers.map_err(|source| ImageError::Write {
        destination: destination.to_owned(),
        source,
    })?;
    Ok((layers, events))
}

/// Compresses the layers above the base, and sends each with its place.
fn compress_layers(
    request: &ImageRequest<'_>,
    blobs: &Utf8Path,
    sender: Sender<(usize, io::Result<Written>)>,
) -> Result<Vec<LayerEvent>, ImageError> {
    let mut lower = lower_tree(request)?;
    let mut made = MadeDirectories::default();
    let mut events = Vec::new();
    let company = Company::of(request.layers.len());
    rayon::in_place_scope(move |scope| {
        for (layer, (source, (step, means))) in
            request.layers.iter().zip(steps(request.build)).enumerate()
        {
            let profile = request.profile;
            let normalised = normalise(source, &lower, &mut made, (means, profile.epoch)).map_err(
                |(tar, source)| {
                    let step = step.lines().next().unwrap_or_default().to_owned();
                    ImageError::Layer { step, tar, source }
                },
            )?;
            let told = normalised.events.into_iter();
            events.extend(told.map(|event| LayerEvent { layer, event }));
            let records = normalised.records;
            lower.apply(&records);
            let (sender, company) = (sender.clone(), company.clone());
            scope.spawn(move |_| {
                // The receiver outlives the scope.
                let _ = sender.send((layer, write_blob(&records, profile, blobs, &company)));
            });
        }
        Ok(events)
    })
}

/// Finds out what a layer records.
fn normalise(
    source: &LayerSource,
    lower: &Tree,
    made: &mut MadeDirectories,
    means_and_epoch: (Means, i64),
) -> Result<Normalised, (Utf8PathBuf, ArchiveError)> {
    // The engine's order is that of a walk; where it is not, it is still what the engine recorded.
    Ok(find(source, lower, made, means_and_epoch)?.0)
}

/// Finds out the same of a layer that anybody wrote: its entries are put in order. Returns with it which of them are
/// others than the archive has.
pub(crate) fn normalise_anew(
    source: &LayerSource,
    lower: &Tree,
    made: &mut MadeDirectories,
    means_and_epoch: (Means, i64),
) -> Result<(Normalised, Reshaped), (Utf8PathBuf, ArchiveError)> {
    let (mut normalised, before, levelled) = find(source, lower, made, means_and_epoch)?;
    put_in_order(&mut normalised.records);
    let mut reshaped = before.compare(&normalised.records);
    reshaped.levelled = levelled;
    Ok((normalised, reshaped))
}

type Recording = (Normalised, Before, usize);

fn find(
    source: &LayerSource,
    lower: &Tree,
    made: &mut MadeDirectories,
    (means, epoch): (Means, i64),
) -> Result<Recording, (Utf8PathBuf, ArchiveError)> {
    let Some(tar) = &source.tar else {
        return Ok(Default::default());
    };
    let failed = |error| (tar.clone(), error);
    let file = beneath::open(tar).map_err(|error| failed(error.into()))?;
    let archive = match source.recorded {
        Recorded::Rewritten => Archive::of_rewritten(file, means),
        Recorded::Changes | Recorded::Touched => Archive::index(file, means),
    };
    let mut archive = archive.map_err(failed)?;
    let levelled = made.level(&mut archive, lower, source.destination.as_ref());
    let before = Before::of(&archive);
    let normalised = match source.recorded {
        Recorded::Changes | Recorded::Rewritten => {
            keep_changes(archive, means, lower, &source.leftovers)
        }
        Recorded::Touched => {
            let comparison = Comparison {
                lower,
                means,
                epoch,
            };
            find_changes(archive, &comparison, &source.leftovers)
        }
    };
    let normalised = normalised.map_err(|problem| failed(problem.into()))?;
    Ok((normalised, before, levelled))
}

/// Returns what is below the first layer; nothing where no layer is compared with it.
fn lower_tree(request: &ImageRequest<'_>) -> Result<Tree, ImageError> {
    let mut tree = Tree::default();
    let base = request
        .base
        .filter(|_| request.layers.iter().any(LayerSource::compares));
    let Some(base) = base else {
        return Ok(tree);
    };
    for layer in base.manifest().layers() {
        let blob = BufReader::new(base.open_blob(layer)?);
        let archive = Archive::digest(MultiGzDecoder::new(blob));
        tree.import(archive.map_err(|source| ImageError::BaseLayer {
            layer: layer.digest,
            directory: base.directory().to_owned(),
            source,
        })?);
    }
    Ok(tree)
}

/// Returns the descriptor of a layer that is not of the base.
pub(crate) fn describe(layer: &LayerBlob, profile: &Profile) -> Descriptor {
    let mut descriptor = Descriptor::new(profile.media_types.layer, layer.blob);
    descriptor.annotations = profile.layer_annotations();
    descriptor
}
