//! Which layers of an image are the build's and which its base's, and how each becomes canonical.
//!
//! It knows what follows from annotations, histories and Containerfiles. It does not know tars.

use std::collections::BTreeSet;

use camino::Utf8Path;
use compression::Format;
use containerfile::Platform;
use documents::LayerWriter;
use oci_image::{
    BaseLayer, Destination, HistoryEntry, LayerSource, Layout, Measured, OwnLayer, Profile,
    Recorded, TreePath, entries_of_base, leftovers_of_run,
};

use crate::error::Error;
use crate::facts::Manifest;
use crate::request::{Base, Known, Request};
use crate::text;
use crate::unpack::{Unpacked, store, writer};

/// Returns how many of an image's layers are those of the image that its build began with.
///
/// `BuildKit` up to 0.13 notes of these layers, too, that it has rewritten their times: where that is noted of all,
/// it does not say where the build began.
pub(crate) fn base_layers(
    request: &Request<'_>,
    manifest: &Manifest,
    history: &[HistoryEntry],
) -> Result<usize, Error> {
    let layers = &request.image.layers;
    let below = manifest.layers_below_rewritten();
    let of_layout = |layout: &Layout| {
        let other = || Error::OtherBase {
            base: layout.directory().to_string(),
        };
        let diff_ids = oci_image::diff_ids(layout.config())?;
        if diff_ids.len() != layout.manifest().layers().len() {
            return Err(Error::UnusableBase {
                base: layout.directory().to_string(),
                diff_ids: diff_ids.len(),
                layers: layout.manifest().layers().len(),
            });
        }
        let own = layers.iter().map(|layer| layer.diff_id);
        let begins = own.take(diff_ids.len()).eq(diff_ids.iter().copied());
        begins.then_some(diff_ids.len()).ok_or_else(other)
    };
    let count = match &request.base {
        Some(Base::Scratch) => 0,
        Some(Base::Image(layout)) => of_layout(layout)?,
        None if layers.is_empty() => 0,
        None => match below.ok_or(Error::Base)? {
            0 if manifest.is_noted_of_all() && !is_from_scratch(request, history)? => {
                return Err(Error::Noted);
            }
            below => below,
        },
    };
    match below.filter(|below| *below > count) {
        None => Ok(count),
        Some(_) => Err(Error::OtherBase {
            base: match &request.base {
                Some(Base::Image(layout)) => layout.directory().to_string(),
                _ => "scratch, but with some that are not its own".to_owned(),
            },
        }),
    }
}

/// Tells whether it is known of an image that it begins with no other, where it is noted of all its layers that
/// their times were rewritten.
fn is_from_scratch(request: &Request<'_>, history: &[HistoryEntry]) -> Result<bool, Error> {
    let layers = &request.image.layers;
    let has_layer = |entry: &&HistoryEntry| entry.has_layer;
    let made_by_last = history.iter().filter(has_layer).count() == 1
        && history.last().is_some_and(|last| last.has_layer);
    match layers.as_slice() {
        // What StageX writes itself is noted beside its own layers alone.
        _ if request.is_own => Ok(true),
        // The last entry is the build's, whatever it began with.
        [_] if made_by_last => Ok(true),
        // Go 1.27 is newer than BuildKit 0.13, and whoever notes something of a layer has compressed it.
        [.., last] => Ok(writer(last)? == LayerWriter::NewerGo),
        [] => Ok(true),
    }
}

/// Returns the layers of the base as they are to be written.
///
/// Their tars stay. So do their blobs, if they are compressed by gzip, unless whoever wrote the build's own
/// layers compressed all layers again.
pub(crate) fn of_base(
    request: &Request<'_>,
    unpacked: &[Unpacked],
    count: usize,
    work: &Utf8Path,
) -> Result<Vec<BaseLayer>, Error> {
    let (below, own) = unpacked.split_at(count);
    let rewriters: BTreeSet<_> = own.iter().map(|layer| layer.writer).collect();
    let is_kept = |writer: LayerWriter| match writer {
        LayerWriter::Nothing | LayerWriter::Zstd => false,
        LayerWriter::Go => true,
        other => !rewriters.contains(&other),
    };
    let layers = below.iter().zip(&request.image.layers).enumerate();
    let layers = layers.map(|(place, (unpacked, layer))| {
        let kept = if let Some(Base::Image(layout)) = &request.base {
            let descriptor = &layout.manifest().layers()[place];
            let (digest, size) = (descriptor.digest, descriptor.size);
            let path = Layout::blob(layout.directory(), &digest);
            Some((path, Measured { digest, size }))
        } else if unpacked.format == Format::Gzip && is_kept(unpacked.writer) {
            let (path, blob) = store(layer, place, work)?;
            blob.map(|blob| (path, blob))
        } else {
            None
        };
        Ok(BaseLayer {
            tar: unpacked.tar.clone(),
            diff_id: layer.diff_id,
            kept,
        })
    });
    layers.collect()
}

/// Returns the build's own layers as they are to be written, where a Containerfile says what made them.
pub(crate) fn of_steps(
    known: &Known<'_>,
    unpacked: &[Unpacked],
    manifest: &Manifest,
    first: usize,
) -> Vec<OwnLayer> {
    let layers = known.steps.iter().zip(unpacked).enumerate();
    let layers = layers.map(|(place, (step, unpacked))| {
        let recorded = recorded(manifest, first + place);
        OwnLayer {
            source: LayerSource {
                tar: Some(unpacked.tar.clone()),
                recorded,
                leftovers: match recorded {
                    Recorded::Changes | Recorded::Rewritten => Vec::new(),
                    Recorded::Touched => step.leftovers.clone(),
                },
                destination: step.destination.clone(),
            },
            runs: step.runs,
        }
    });
    layers.collect()
}

/// Tells how it was decided what is in a layer. Whoever rewrote its times is `BuildKit`, which compares.
fn recorded(manifest: &Manifest, place: usize) -> Recorded {
    if manifest.is_rewritten(place) {
        Recorded::Rewritten
    } else {
        Recorded::Touched
    }
}

/// Returns the build's own layers as they are to be written, where the image's history says what made them.
pub(crate) fn of_history(
    history: &[HistoryEntry],
    unpacked: &[Unpacked],
    manifest: &Manifest,
    first: usize,
) -> Vec<OwnLayer> {
    let steps = history.iter().filter(|entry| entry.has_layer).skip(first);
    let layers = steps.zip(unpacked).enumerate();
    let layers = layers.map(|(place, (entry, unpacked))| {
        let recorded = recorded(manifest, first + place);
        let runs = text::runs(&entry.created_by);
        let leaves = runs && recorded == Recorded::Touched;
        let leftovers = leaves.then(|| leftovers_of_run("").ok()).flatten();
        OwnLayer {
            source: LayerSource {
                tar: Some(unpacked.tar.clone()),
                recorded,
                leftovers: leftovers.unwrap_or_default(),
                destination: destination(&entry.created_by),
            },
            runs,
        }
    });
    layers.collect()
}

/// Returns what a text says of directories that a COPY made on its way. Its destination is relative to a
/// directory that is not known here; nothing but that of directories in it depends on that.
fn destination(text: &str) -> Option<Destination> {
    let (mode, path) = text::copied_with_mode(text)?;
    let path = TreePath::parse(path.trim_start_matches('/').as_bytes()).ok()?;
    Some(Destination {
        path,
        mode: Some(mode),
    })
}

/// Checks that a build's own entries of a history are those of `BuildKit`. Returns their texts in canonical
/// form where they have another one, by their places.
pub(crate) fn texts(
    history: &[HistoryEntry],
    base_layers: usize,
    (platform, profile): (&Platform, &Profile),
) -> Result<Vec<(usize, String)>, Error> {
    let first = entries_of_base(history, base_layers);
    let mut texts = Vec::new();
    for (place, entry) in history.iter().enumerate().skip(first) {
        let shown = || printable::line(&entry.created_by).into_owned();
        if entry.comment != profile.comment {
            return Err(Error::History {
                entry: place + 1,
                text: shown(),
            });
        }
        let text = text::canonical(&entry.created_by, platform);
        let text = text.map_err(|()| Error::HistoryText {
            entry: place + 1,
            text: shown(),
        })?;
        texts.extend(text.map(|text| (place, text)));
    }
    Ok(texts)
}
