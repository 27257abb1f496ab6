//! From the top of an OCI layout to its images, by digests alone: the same for a registry.

use std::sync::Arc;

use oci_image::Digest;

use crate::blobs::Blobs;
use crate::error::Error;
use crate::files::read_bounded;
use crate::image::{Document, Image, ImageRef, read_config};
use crate::json::{Listing, Pointer, parse};
use crate::layer::{Layer, Stored};
use crate::limits::Limits;
use crate::verified::Verified;

/// The annotations in which names of images are noted.
const NAMES: [&str; 2] = [
    "io.containerd.image.name",
    "org.opencontainers.image.ref.name",
];

/// What says that something beside the images is none, and what BuildKit gives as the platform of such.
const REFERENCE: &str = "vnd.docker.reference.type";
const UNKNOWN: &str = "unknown/unknown";

/// What is counted of names.
const NAME_BYTES: &str = "bytes of names";

/// An image that was found, and how.
pub(crate) struct FoundImage {
    pub(crate) image: ImageRef,
    pub(crate) indexes: Vec<Arc<Document>>,
    pub(crate) pointer: Pointer,
}

/// What lies in a layout.
#[derive(Default)]
pub(crate) struct Walk {
    pub(crate) found: Vec<FoundImage>,
    pub(crate) attestations: Vec<Digest>,
    /// How many documents were read, and how many descriptors were followed: an index may be listed by many, and
    /// by one of them many times.
    documents: usize,
    descriptors: usize,
    /// How many bytes the names of images have: what is below an index has its names too.
    names: usize,
}

/// Reads a blob that is a document.
pub(crate) fn read_document(
    blobs: &dyn Blobs,
    pointer: &Pointer,
    limits: &Limits,
) -> Result<Document, Error> {
    let (digest, place) = (pointer.digest, blobs.place());
    let too_large = || Error::TooLarge {
        what: format!("the document {digest}"),
        place: place.to_owned(),
        limit: format!("{} bytes", limits.document),
    };
    if pointer.size > limits.document {
        return Err(too_large());
    }
    let blob = Verified::new(blobs.open(&digest)?, digest, Some(pointer.size), place);
    let bytes = read_bounded(blob, limits.document)
        .map_err(|error| Error::of_read(error, &format!("the document {digest}"), place))?;
    Ok(Document {
        digest,
        media_type: pointer.media_type.clone(),
        bytes,
    })
}

impl Walk {
    /// Follows what an index lists.
    pub(crate) fn follow(
        &mut self,
        blobs: &Arc<dyn Blobs>,
        pointers: &[Pointer],
        indexes: &[Arc<Document>],
        limits: &Limits,
    ) -> Result<(), Error> {
        let place = blobs.place();
        for pointer in pointers {
            let most = limits.descriptors;
            count(&mut self.descriptors, 1, most, "descriptors", place)?;
            let annotations = pointer.annotations.as_ref();
            let noted = |key: &str| annotations.and_then(|noted| noted.get(key));
            let platform = pointer.platform.as_ref().map(crate::json::Platform::text);
            if noted(REFERENCE).is_some() || platform.as_deref() == Some(UNKNOWN) {
                self.attestations.push(pointer.digest);
                continue;
            }
            let mut names: Vec<String> = NAMES
                .iter()
                .filter_map(|key| noted(key))
                .map(|name| printable::line(name).into_owned())
                .collect();
            names.dedup();
            let bytes: usize = names.iter().map(String::len).sum();
            count(&mut self.names, bytes, limits.names, NAME_BYTES, place)?;
            let known = self.found.iter_mut();
            let mut known = known.filter(|found| found.pointer.digest == pointer.digest);
            if let Some(known) = known.next() {
                known.image.names.extend(names);
                continue;
            }
            count(&mut self.documents, 1, limits.images, "documents", place)?;
            // An engine that saves one platform of several leaves those that it does not have in the index.
            let document = match read_document(&**blobs, pointer, limits) {
                Ok(document) => document,
                Err(Error::Missing { .. }) if pointers.len() > 1 => {
                    self.add(pointer, platform, names, indexes, true, place, limits)?;
                    continue;
                }
                Err(error) => return Err(error),
            };
            let what = format!("the document {}", pointer.digest);
            let listing: Listing = parse(&document.bytes, &what, place)?;
            if let Some(below) = &listing.manifests {
                if indexes.len() >= limits.depth {
                    return Err(Error::TooLarge {
                        what,
                        place: place.to_owned(),
                        limit: format!("{} indexes above an image", limits.depth),
                    });
                }
                let mut indexes = indexes.to_vec();
                indexes.push(Arc::new(document));
                let before = self.found.len();
                self.follow(blobs, below, &indexes, limits)?;
                let bytes = bytes.saturating_mul(self.found.len() - before);
                count(&mut self.names, bytes, limits.names, NAME_BYTES, place)?;
                for found in &mut self.found[before..] {
                    found.image.names.extend(names.iter().cloned());
                }
                continue;
            }
            self.add(pointer, platform, names, indexes, false, place, limits)?;
        }
        Ok(())
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "all of them are fields of what is added"
    )]
    fn add(
        &mut self,
        pointer: &Pointer,
        platform: Option<String>,
        names: Vec<String>,
        indexes: &[Arc<Document>],
        is_absent: bool,
        place: &str,
        limits: &Limits,
    ) -> Result<(), Error> {
        if self.found.len() >= limits.images {
            return Err(Error::TooLarge {
                what: "the index".to_owned(),
                place: place.to_owned(),
                limit: format!("{} images", limits.images),
            });
        }
        let image = ImageRef {
            platform,
            manifest: Some(pointer.digest),
            names,
            is_absent,
        };
        self.found.push(FoundImage {
            image,
            indexes: indexes.to_vec(),
            pointer: pointer.clone(),
        });
        Ok(())
    }
}

/// Counts `more` of something in the indexes of a source, of which there may be `most`.
fn count(
    counted: &mut usize,
    more: usize,
    most: usize,
    what: &str,
    place: &str,
) -> Result<(), Error> {
    *counted = counted.saturating_add(more);
    if *counted <= most {
        return Ok(());
    }
    Err(Error::TooLarge {
        what: "the index, with all that it leads to,".to_owned(),
        place: place.to_owned(),
        limit: format!("{most} {what}"),
    })
}

/// Reads an image that was found.
pub(crate) fn read_image(
    blobs: &Arc<dyn Blobs>,
    found: &FoundImage,
    limits: &Limits,
) -> Result<Image, Error> {
    let place = blobs.place();
    let manifest = read_document(&**blobs, &found.pointer, limits)?;
    let what = format!("the manifest {}", manifest.digest);
    let listing: Listing = parse(&manifest.bytes, &what, place)?;
    let config = listing.config.ok_or_else(|| Error::Damaged {
        what: what.clone(),
        place: place.to_owned(),
        why: "it names no config".to_owned(),
    })?;
    let config = read_document(&**blobs, &config, limits)?;
    let pointers = listing.layers.unwrap_or_default();
    if pointers.len() > limits.layers {
        return Err(Error::TooLarge {
            what,
            place: place.to_owned(),
            limit: format!("{} layers", limits.layers),
        });
    }
    let name = config.digest.to_string();
    let (platform, diff_ids) = read_config(&config.bytes, &name, place, pointers.len())?;
    let layers = pointers.into_iter().zip(diff_ids);
    let layers = layers.map(|(pointer, diff_id)| {
        if pointer.size > limits.blob {
            return Err(Error::TooLarge {
                what: format!("the layer {}", pointer.digest),
                place: place.to_owned(),
                limit: format!("{} bytes", limits.blob),
            });
        }
        Ok(Layer {
            media_type: Some(pointer.media_type),
            digest: Some(pointer.digest),
            size: pointer.size,
            diff_id,
            stored: Stored::Blob(Arc::clone(blobs), pointer.digest),
            limits: *limits,
        })
    });
    Ok(Image {
        platform,
        names: found.image.names.clone(),
        indexes: found.indexes.clone(),
        manifest: Some(manifest),
        config,
        layers: layers.collect::<Result<_, _>>()?,
    })
}
