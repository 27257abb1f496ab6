//! The layout of an image that was made elsewhere: its layers normalised as far as an image alone allows, its
//! config recast, or made again from a Containerfile.
//!
//! It knows the order of the work, as `image` does for a build. Who wrote the image, and what follows from
//! that, is for the caller.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::panic::resume_unwind;
use std::sync::mpsc::{self, Sender};
use std::thread;

use camino::{Utf8Path, Utf8PathBuf};
use containerfile::{Build, Platform};
use go_flate::Company;
use tempfile::NamedTempFile;

use crate::config::{ConfigRequest, RecastRequest, config, recast};
use crate::digest::{DiffId, Digest, Measured};
use crate::image::{ImageError, describe, normalise_anew, publish};
use crate::layer::{
    Archive, ArchiveError, Event, LayerBlob, LayerSource, MadeDirectories, Means, Normalised,
    Reshaped, Tree, Written, copy_blob, diff_id, keep_changes, write_blob,
};
use crate::layout::LayoutWriter;
use crate::manifest::Descriptor;
use crate::path::TreePath;
use crate::profile::Profile;

/// What an image is written again from.
#[derive(Debug)]
pub struct RewriteRequest<'a> {
    /// The repository without a registry, such as `stagex/core-musl`.
    pub repository: String,
    /// The tag, which is the package's version.
    pub tag: String,
    /// The platform.
    pub platform: Platform,
    /// The encoding.
    pub profile: &'static Profile,
    /// Where the config comes from.
    pub config: RewriteConfig<'a>,
    /// The layers of the image that the build began with, from the lowest up.
    pub base: Vec<BaseLayer>,
    /// The layers above them.
    pub layers: Vec<OwnLayer>,
    /// What their times say.
    pub times: Times,
}

/// What the times in the layers of a build say of a file that equals the one below it. Where they would decide
/// whether the build wrote it, and they were rewritten, the image is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Times {
    /// When a file was written.
    Kept,
    /// Nothing: all are the same one. Where fractions of seconds decide, they are right all the same.
    One,
    /// Nothing: none is later than the epoch.
    Clamped,
}

impl Times {
    /// Returns a file of which these times do not say whether the build wrote it.
    fn undecided(self, layer: &Normalised) -> Option<TreePath> {
        match self {
            Self::Kept => None,
            Self::One => layer.events.iter().find_map(|event| match event {
                Event::Ambiguous { path, .. } => Some(path.clone()),
                Event::LeftoverRemoved(_) => None,
            }),
            Self::Clamped => layer.equal.clone(),
        }
    }
}

/// Where the config of an image comes from.
#[derive(Debug, Clone, Copy)]
pub enum RewriteConfig<'a> {
    /// From the image: its history is one that `BuildKit` wrote.
    Own(&'a [u8]),
    /// From the Containerfile, as in a build.
    Built {
        /// The config of the image that the build begins with; none for `scratch`.
        base: Option<&'a [u8]>,
        /// The Containerfile, resolved.
        build: &'a Build,
    },
}

/// A layer of the image that a build began with: its tar stays as it is.
#[derive(Debug, Clone)]
pub struct BaseLayer {
    /// The tar.
    pub tar: Utf8PathBuf,
    /// Its digest.
    pub diff_id: DiffId,
    /// The blob that stays as it is, too; none where the tar is compressed again.
    pub kept: Option<(Utf8PathBuf, Measured)>,
}

/// A layer that a build made.
#[derive(Debug, Clone)]
pub struct OwnLayer {
    /// The layer as it is.
    pub source: LayerSource,
    /// Whether programs ran in its step.
    pub runs: bool,
}

/// An image that was written again.
#[derive(Debug, Clone)]
pub struct Rewritten {
    /// The digest of the manifest.
    pub manifest: Digest,
    /// The config.
    pub config: Vec<u8>,
    /// All layers, from the lowest up.
    pub layers: Vec<RewrittenLayer>,
}

/// A layer that was written again.
#[derive(Debug, Clone)]
pub struct RewrittenLayer {
    /// What it is now.
    pub layer: LayerBlob,
    /// Which entries are other ones.
    pub reshaped: Reshaped,
    /// What was worth telling.
    pub events: Vec<Event>,
}

/// Writes the image in the directory `destination`, in place of what is there: whole, or not at all.
///
/// # Errors
///
/// What keeps the image from having a canonical form, or from being written.
pub fn rewrite(
    request: &RewriteRequest<'_>,
    destination: &Utf8Path,
) -> Result<Rewritten, ImageError> {
    let profile = request.profile;
    let writer = LayoutWriter::new(destination)?;
    let layers = write_layers(request, destination, &writer.blobs())?;
    let diff_ids: Vec<_> = layers.iter().map(|layer| layer.layer.diff_id).collect();
    let base = request.base.len();
    let config = match request.config {
        RewriteConfig::Own(own) => recast(&RecastRequest {
            config: own,
            base_layers: base,
            diff_ids: &diff_ids,
            platform: &request.platform,
            profile,
        })?,
        RewriteConfig::Built { base: below, build } => config(&ConfigRequest {
            base: below,
            build,
            diff_ids: &diff_ids[base..],
            platform: &request.platform,
            profile,
        })?,
    };
    let (of_base, own) = layers.split_at(base);
    let of_base = of_base
        .iter()
        .map(|layer| Descriptor::new(profile.media_types.layer, layer.layer.blob));
    let own = own.iter().map(|layer| describe(&layer.layer, profile));
    let descriptors = of_base.chain(own).collect();
    let names = (request.repository.as_str(), request.tag.as_str());
    let (manifest, _) = publish(
        writer,
        &config,
        descriptors,
        (names, &request.platform, profile),
    )?;
    Ok(Rewritten {
        manifest: manifest.digest,
        config,
        layers,
    })
}

type Sent = (usize, io::Result<Written>);

/// Writes all layers into `blobs`, as those of a build are written.
fn write_layers(
    request: &RewriteRequest<'_>,
    destination: &Utf8Path,
    blobs: &Utf8Path,
) -> Result<Vec<RewrittenLayer>, ImageError> {
    let (sender, written) = mpsc::channel::<Sent>();
    let keep = |(layer, written): Sent| (layer, written.and_then(|written| written.keep(blobs)));
    let (told, kept) = thread::scope(|threads| {
        let keeper = threads.spawn(|| written.into_iter().map(keep).collect::<BTreeMap<_, _>>());
        let told = compress_layers(request, blobs, sender);
        let kept = keeper.join();
        (told, kept.unwrap_or_else(|panic| resume_unwind(panic)))
    });
    let told = told?;
    let failed = |source| ImageError::Write {
        destination: destination.to_owned(),
        source,
    };
    let mut layers = Vec::new();
    for (layer, (reshaped, events)) in kept.into_values().zip(told) {
        layers.push(RewrittenLayer {
            layer: layer.map_err(failed)?,
            reshaped,
            events,
        });
    }
    Ok(layers)
}

/// Compresses all layers, and sends each with its place. Returns what became of the entries of each.
fn compress_layers(
    request: &RewriteRequest<'_>,
    blobs: &Utf8Path,
    sender: Sender<Sent>,
) -> Result<Vec<(Reshaped, Vec<Event>)>, ImageError> {
    let profile = request.profile;
    let count = request.base.len() + request.layers.len();
    let company = Company::of(count);
    let mut told = vec![(Reshaped::default(), Vec::new()); request.base.len()];
    let mut lower = lower_tree(request)?;
    let mut made = MadeDirectories::default();
    rayon::in_place_scope(move |scope| {
        for (place, layer) in request.base.iter().enumerate() {
            let (sender, company) = (sender.clone(), company.clone());
            scope.spawn(move |_| {
                // The receiver outlives the scope.
                let _ = sender.send((place, base_blob(layer, profile, blobs, &company)));
            });
        }
        for (place, layer) in (request.base.len()..).zip(&request.layers) {
            let unusable = |source| ImageError::OwnLayer {
                layer: place + 1,
                source,
            };
            let means = if layer.runs { Means::Run } else { Means::Copy };
            let (normalised, reshaped) =
                normalise_anew(&layer.source, &lower, &mut made, (means, profile.epoch))
                    .map_err(|(_, error)| unusable(error))?;
            if let Some(path) = request.times.undecided(&normalised) {
                let layer = place + 1;
                return Err(ImageError::Undecidable { layer, path });
            }
            told.push((reshaped, normalised.events));
            let records = normalised.records;
            lower.apply(&records);
            let (sender, company) = (sender.clone(), company.clone());
            scope.spawn(move |_| {
                let _ = sender.send((place, write_blob(&records, profile, blobs, &company)));
            });
        }
        Ok(told)
    })
}

/// Returns what is below the first layer of the build; nothing where no layer is compared with it.
fn lower_tree(request: &RewriteRequest<'_>) -> Result<Tree, ImageError> {
    let mut tree = Tree::default();
    if !request.layers.iter().any(|layer| layer.source.compares()) {
        return Ok(tree);
    }
    for (place, layer) in request.base.iter().enumerate() {
        let archive = open(&layer.tar).and_then(Archive::of_image);
        tree.import(archive.map_err(|source| ImageError::OwnLayer {
            layer: place + 1,
            source,
        })?);
    }
    Ok(tree)
}

fn open(path: &Utf8Path) -> Result<File, ArchiveError> {
    Ok(beneath::open(path)?)
}

/// Writes a layer whose tar stays as it is.
fn base_blob(
    layer: &BaseLayer,
    profile: &Profile,
    blobs: &Utf8Path,
    company: &Company,
) -> io::Result<Written> {
    if let Some((path, blob)) = &layer.kept {
        let mut file = NamedTempFile::new_in(blobs)?;
        let mut buffered = BufWriter::with_capacity(1 << 16, &mut file);
        io::copy(&mut beneath::open(path)?, &mut buffered)?;
        buffered.flush()?;
        drop(buffered);
        let (diff_id, blob) = (layer.diff_id, *blob);
        return Ok(Written::new(file, LayerBlob { diff_id, blob }));
    }
    // Where it is as this crate writes it, Go's encoder saw the same ends of writes.
    let archive = open(&layer.tar).and_then(Archive::of_image);
    let kept = archive.and_then(|archive| {
        let kept = keep_changes(archive, Means::Run, &Tree::default(), &[]);
        kept.map_err(ArchiveError::from)
    });
    if let Ok(kept) = kept
        && diff_id(&kept.records, profile.epoch)? == layer.diff_id
    {
        return write_blob(&kept.records, profile, blobs, company);
    }
    copy_blob(beneath::open(&layer.tar)?, profile, blobs, company)
}

/// Returns the blob that the encoder of a profile makes of a tar: what the layer of an image would be, had it been
/// compressed canonically. It is written into the directory `work` meanwhile, and goes away again.
///
/// # Errors
///
/// That the tar cannot be read.
pub fn compressed(tar: &Utf8Path, profile: &Profile, work: &Utf8Path) -> io::Result<LayerBlob> {
    let layer = BaseLayer {
        tar: tar.to_owned(),
        diff_id: DiffId(Digest::of_reader(beneath::open(tar)?)?),
        kept: None,
    };
    Ok(base_blob(&layer, profile, work, &Company::of(1))?.layer())
}
