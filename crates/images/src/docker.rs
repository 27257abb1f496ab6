//! The archive that `docker save` writes, and Podman as `docker-archive`: a `manifest.json` that names configs
//! and layers by the members that they are.

use std::sync::Arc;

use oci_image::Digest;

use crate::archive::resolve;
use crate::error::Error;
use crate::files::Files;
use crate::image::{Document, Image, ImageRef, read_config};
use crate::json::{Saved, parse};
use crate::layer::{Layer, Stored};
use crate::limits::Limits;

/// The member that lists the images.
pub(crate) const MANIFEST: &str = "manifest.json";

/// Lists the images of a docker-archive.
pub(crate) fn list(files: &Files, limits: &Limits) -> Result<Vec<(ImageRef, Saved)>, Error> {
    let place = files.place();
    let bytes = files.read(MANIFEST, limits.document)?;
    let bytes = bytes.ok_or_else(|| Error::Missing {
        name: MANIFEST.to_owned(),
        place: place.to_owned(),
    })?;
    let saved: Vec<Saved> = parse(&bytes, MANIFEST, place)?;
    if saved.len() > limits.images {
        return Err(Error::TooLarge {
            what: MANIFEST.to_owned(),
            place: place.to_owned(),
            limit: format!("{} images", limits.images),
        });
    }
    let images = saved.into_iter().map(|saved| {
        let config = read_config_of(files, &saved, limits)?;
        let layers = saved.layers.as_deref().unwrap_or_default().len();
        let (platform, _) = read_config(&config.bytes, &saved.config, place, layers)?;
        let names = saved.repo_tags.iter().flatten();
        let image = ImageRef {
            platform: Some(platform),
            manifest: None,
            names: names
                .map(|name| printable::line(name).into_owned())
                .collect(),
            is_absent: false,
        };
        Ok((image, saved))
    });
    images.collect()
}

/// Reads the config of an image. If it is called by a digest, that must be its own.
fn read_config_of(files: &Files, saved: &Saved, limits: &Limits) -> Result<Document, Error> {
    let place = files.place();
    let shown = printable::line(&saved.config);
    let bytes = files.read(&resolve("", &saved.config), limits.document)?;
    let bytes = bytes.ok_or_else(|| Error::Missing {
        name: format!("the config `{shown}`"),
        place: place.to_owned(),
    })?;
    let digest = Digest::of(&bytes);
    if let Some(named) = named_by_digest(&saved.config).filter(|named| *named != digest) {
        return Err(Error::changed(
            &named,
            place,
            format!("it has the digest {digest}"),
        ));
    }
    Ok(Document {
        digest,
        media_type: String::new(),
        bytes,
    })
}

/// Returns the digest that a member is called by: `HEX`, `HEX.json` or `HEX.tar`, in whatever directory.
fn named_by_digest(name: &str) -> Option<Digest> {
    let name = name.rsplit('/').next()?;
    let hex = name.split('.').next()?;
    format!("sha256:{hex}").parse().ok()
}

/// Reads an image that was listed.
pub(crate) fn read_image(
    files: &Arc<Files>,
    image: &ImageRef,
    saved: &Saved,
    limits: &Limits,
) -> Result<Image, Error> {
    let place = files.place();
    let config = read_config_of(files, saved, limits)?;
    let names = saved.layers.as_deref().unwrap_or_default();
    if names.len() > limits.layers {
        return Err(Error::TooLarge {
            what: MANIFEST.to_owned(),
            place: place.to_owned(),
            limit: format!("{} layers", limits.layers),
        });
    }
    let (platform, diff_ids) = read_config(&config.bytes, &saved.config, place, names.len())?;
    let layers = names.iter().zip(diff_ids).map(|(name, diff_id)| {
        let resolved = resolve("", name);
        let section = files.open(&resolved)?.ok_or_else(|| Error::Missing {
            name: format!("the layer `{}`", printable::line(name)),
            place: place.to_owned(),
        })?;
        Ok(Layer {
            media_type: None,
            digest: None,
            size: section.left(),
            diff_id,
            stored: Stored::Member(Arc::clone(files), resolved),
            limits: *limits,
        })
    });
    Ok(Image {
        platform,
        names: image.names.clone(),
        indexes: Vec::new(),
        manifest: None,
        config,
        layers: layers.collect::<Result<_, _>>()?,
    })
}
