//! Comparing two sources of images: which image is compared with which, and which layer with which.

use documents::{DiffClass, DiffImage, DiffMode, DiffPart, DiffSide, Difference, Version};
use images::{Image, Layer, Source};
use rayon::prelude::*;

use crate::entries::Where;
use crate::error::Error;
use crate::findings::Findings;
use crate::layer;
use crate::limits::Options;
use crate::metadata;
use crate::tree;

/// Something with images, and how it was named.
pub struct Named<'a> {
    /// Its name, for people.
    pub name: &'a str,
    /// Where the images lie.
    pub source: &'a Source,
}

/// Compares two images, or all images of two sources.
///
/// # Errors
///
/// That one of them cannot be read, or is not what it says.
pub fn compare(left: &Named, right: &Named, options: &Options) -> Result<documents::Diff, Error> {
    let mut findings = Findings::new(options.shown);
    let strict = options.mode == DiffMode::Strict;
    let (here, there) = (
        read(left.source, options.platform)?,
        read(right.source, options.platform)?,
    );
    if strict {
        metadata::compare_sources(left.source, right.source, &mut findings);
    }
    let sides = [(left, &here), (right, &there)].map(|(named, images)| DiffSide {
        name: printable::line(named.name).into_owned(),
        form: named.source.form().to_string(),
        images: images
            .iter()
            .map(|image| DiffImage {
                platform: image.platform.clone(),
                digest: image.digest().into(),
            })
            .collect(),
    });
    let pairs = pairs(&here, &there);
    let several = pairs.len() > 1;
    let mut both = Vec::new();
    for pair in pairs {
        let mut found = findings.beside();
        match pair {
            (Some(left), Some(right)) => {
                images(left, right, options, &mut found)?;
                if several {
                    found.of_platform(&left.platform);
                }
                both.push((left, right));
            }
            (left, right) => found.add(alone(left, right)),
        }
        findings.extend(found);
    }
    // With a platform, what leads to the image may lead to others, which are not compared.
    if strict && options.platform.is_none() {
        let sources = (left.source, right.source);
        metadata::compare_digests_above(sources, &both, &mut findings);
    }
    let equal = findings.is_empty();
    let found = findings.finish();
    let [left, right] = sides;
    Ok(documents::Diff {
        version: Version,
        mode: options.mode,
        equal,
        left,
        right,
        first: found.first,
        classes: found.classes,
        causes: found.causes,
        differences: found.differences,
        notes: found.notes,
    })
}

/// Reads the images for a platform, or all.
fn read(source: &Source, platform: Option<&str>) -> Result<Vec<Image>, Error> {
    let images = source.of_platform(platform)?;
    if let (true, Some(platform)) = (images.is_empty(), platform) {
        let mut found = Vec::new();
        for image in source.of_platform(None)? {
            if !found.contains(&image.platform) {
                found.push(image.platform);
            }
        }
        return Err(Error::NoPlatform {
            place: source.place().to_owned(),
            platform: platform.to_owned(),
            found,
        });
    }
    Ok(images)
}

type PairOf<'a, T> = (Option<&'a T>, Option<&'a T>);

/// Returns which images are compared: those of the same platform, in their order; and the only one with the only
/// one.
fn pairs<'a>(left: &'a [Image], right: &'a [Image]) -> Vec<PairOf<'a, Image>> {
    if let ([left], [right]) = (left, right) {
        return vec![(Some(left), Some(right))];
    }
    let mut rest: Vec<&Image> = right.iter().collect();
    let mut pairs = Vec::new();
    for image in left {
        let place = rest
            .iter()
            .position(|other| other.platform == image.platform);
        pairs.push((Some(image), place.map(|place| rest.remove(place))));
    }
    pairs.extend(rest.into_iter().map(|image| (None, Some(image))));
    pairs
}

fn alone(left: Option<&Image>, right: Option<&Image>) -> Difference {
    let name = |image: &Image| format!("{} ({})", image.platform, image.digest());
    Difference {
        platform: None,
        part: DiffPart::Index,
        layer: None,
        path: None,
        class: DiffClass::Index,
        what: "image".to_owned(),
        left: left.map(name),
        right: right.map(name),
        content: None,
    }
}

/// Compares two images.
fn images(
    left: &Image,
    right: &Image,
    options: &Options,
    findings: &mut Findings,
) -> Result<(), Error> {
    match options.mode {
        DiffMode::Strict => {
            metadata::compare_strictly(left, right, findings);
            layers(&left.layers, &right.layers, options, findings)?;
            metadata::compare_digests(left, right, findings);
            Ok(())
        }
        DiffMode::Semantic => {
            metadata::compare_meaning(left, right, findings);
            let is_same = |(a, b): (&Layer, &Layer)| a.diff_id == b.diff_id;
            let mut both = left.layers.iter().zip(&right.layers);
            if left.layers.len() == right.layers.len() && both.all(is_same) {
                return layers(&left.layers, &right.layers, options, findings);
            }
            tree::compare(left, right, options, findings)
        }
    }
}

/// Says whether a layer is what its names say: that of its bytes, if it has one, otherwise that of its tar.
fn verify(layer: &Layer) -> Result<(), images::Error> {
    layer.verify().map(drop)
}

/// Compares the layers of two images.
fn layers(
    left: &[Layer],
    right: &[Layer],
    options: &Options,
    findings: &mut Findings,
) -> Result<(), Error> {
    let pairs = matched(left, right);
    let compared = pairs.par_iter().enumerate().map(|(at, pair)| {
        let mut found = findings.beside();
        match *pair {
            (Some(left), Some(right)) => layer::compare(at + 1, left, right, options, &mut found)?,
            (first, second) => {
                for layer in [first, second].into_iter().flatten() {
                    verify(layer)?;
                }
                let name = |layer: &Layer| format!("{} bytes, {}", layer.size, layer.diff_id);
                let place = Where {
                    part: DiffPart::Layer,
                    layer: Some(at + 1),
                };
                let (first, second) = (first.map(name), second.map(name));
                let class = DiffClass::Layers;
                found.add(place.difference(None, class, "layer", first, second));
            }
        }
        Ok(found)
    });
    let compared: Vec<Result<Findings, Error>> = compared.collect();
    for found in compared {
        findings.extend(found?);
    }
    Ok(())
}

/// Returns which layers are compared: those that are the same at the bottom and at the top, and what is between
/// them in its order.
fn matched<'a>(left: &'a [Layer], right: &'a [Layer]) -> Vec<PairOf<'a, Layer>> {
    let same = |(a, b): &(&Layer, &Layer)| a.diff_id == b.diff_id;
    let below = left.iter().zip(right).take_while(same).count();
    let (first, second) = (&left[below..], &right[below..]);
    let above = first.iter().rev().zip(second.iter().rev());
    let above = above.take_while(same).count();
    let between = |all: &'a [Layer]| &all[..all.len() - above];
    let (first, second) = (between(first), between(second));
    let bottom = left[..below].iter().zip(&right[..below]);
    let middle = (0..first.len().max(second.len())).map(|at| (first.get(at), second.get(at)));
    let top = left[left.len() - above..]
        .iter()
        .zip(&right[right.len() - above..]);
    let both = |(a, b)| (Some(a), Some(b));
    bottom
        .map(both)
        .chain(middle)
        .chain(top.map(both))
        .collect()
}
