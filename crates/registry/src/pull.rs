//! From a reference to a whole image: its documents one after the other, since each says what follows, and then its
//! blobs, several at the same time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use beneath::Directory;
use camino::{Utf8Path, Utf8PathBuf};
use oci_image::Digest;
use transfer::Memory;

use crate::ask::{Wanted, ask};
use crate::blob::Blob;
use crate::document::{self, ACCEPT, Document, Pointer, Said, is_for};
use crate::error::{Error, io};
use crate::layout::{Top, Unfinished};
use crate::reference::{Reference, Repository, Version};
use crate::shared::Shared;

/// How long a platform is at most that is told as one that an image has.
const LONGEST_PLATFORM: usize = 255;

/// An image that was pulled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pulled {
    /// The digest of its manifest or index.
    pub digest: Digest,
    /// The directory with its layout.
    pub layout: Utf8PathBuf,
    /// How many images it has: more than one where it is an index.
    pub images: usize,
    /// How many bytes were downloaded.
    pub bytes: u64,
}

/// Pulls an image into a layout that is `name` in `parent`; with a platform, only what is for that.
pub(crate) async fn pull(
    shared: &Shared,
    reference: &Reference,
    platform: Option<&str>,
    parent: &Directory,
    name: &Utf8Path,
) -> Result<Pulled, Error> {
    let layout = Unfinished::begin(parent, name)?;
    let mut walk = Walk::new(shared, &reference.repository, platform, Some(&layout));
    let top = walk.documents(&reference.version).await?;
    let (images, documents) = (walk.images.len(), walk.bytes);
    let (mut blobs, configs) = (walk.blobs, walk.configs);
    blobs.retain(|digest, _| configs.get(digest) != Some(&true));
    let bytes = download(shared, &reference.repository, &layout, blobs).await?;
    Ok(Pulled {
        digest: top.digest,
        layout: layout.finish(&top).await?,
        images,
        bytes: documents + bytes,
    })
}

/// Returns the digest of the one manifest for a platform that a reference leads to, by way of documents only.
pub(crate) async fn resolve(
    shared: &Shared,
    reference: &Reference,
    platform: &str,
) -> Result<Digest, Error> {
    let mut walk = Walk::new(shared, &reference.repository, Some(platform), None);
    walk.documents(&reference.version).await?;
    match walk.images[..] {
        [only] => Ok(only),
        _ => Err(Error::Several {
            what: reference.version.image(),
            place: walk.place,
            platform: platform.to_owned(),
            count: walk.images.len(),
        }),
    }
}

/// What was found on the way from the top of an image to its blobs.
struct Walk<'a> {
    shared: &'a Shared,
    repository: &'a Repository,
    place: String,
    /// Where what is wanted is written, if it is.
    layout: Option<&'a Unfinished>,
    platform: Option<&'a str>,
    seen: BTreeSet<Digest>,
    /// The configs and layers, with their sizes.
    blobs: BTreeMap<Digest, u64>,
    /// The configs that were asked for the platform, and whether they are for it: those are in the layout already.
    configs: BTreeMap<Digest, bool>,
    /// The sum of the sizes.
    total: u64,
    /// The platforms of what was left out.
    others: BTreeSet<String>,
    /// The manifests that are wanted.
    images: Vec<Digest>,
    bytes: u64,
}

impl<'a> Walk<'a> {
    fn new(
        shared: &'a Shared,
        repository: &'a Repository,
        platform: Option<&'a str>,
        layout: Option<&'a Unfinished>,
    ) -> Self {
        Self {
            shared,
            repository,
            place: repository.to_string(),
            layout,
            platform,
            seen: BTreeSet::new(),
            blobs: BTreeMap::new(),
            configs: BTreeMap::new(),
            total: 0,
            others: BTreeSet::new(),
            images: Vec::new(),
            bytes: 0,
        }
    }

    /// Gets all documents that a version leads to.
    async fn documents(&mut self, version: &Version) -> Result<Top, Error> {
        let what = version.image();
        let (bytes, header) = self
            .get(&format!("manifests/{version}"), Some(ACCEPT), &what)
            .await?;
        let digest = Digest::of(&bytes);
        if let Version::Digest(expected) = version {
            self.expect(*expected, None, &bytes)?;
        }
        let said = Said {
            pointer: None,
            header: header.as_deref(),
        };
        let (media_type, document) = document::read(&bytes, said, &what, &self.place)?;
        self.seen.insert(digest);
        let mut next = Vec::new();
        if self.is_wanted(None, &document).await? {
            self.keep(digest, &bytes)?;
            next = self.take(digest, &what, document, 0)?;
        }
        self.bound(&what, next.len())?;
        while let Some((pointer, depth)) = next.pop() {
            if self.seen.insert(pointer.digest) {
                let below = self.document(&pointer, depth).await?;
                next.extend(below);
                self.bound(&what, next.len())?;
            }
        }
        if let (Some(platform), []) = (self.platform, &self.images[..]) {
            return Err(Error::NoPlatform {
                what,
                place: self.place.clone(),
                platform: platform.to_owned(),
                found: self.others.iter().cloned().collect(),
            });
        }
        Ok(Top {
            media_type,
            digest,
            size: bytes.len(),
        })
    }

    /// Refuses more documents than an index may lead to: those that were asked for, and those that are still to be.
    fn bound(&self, what: &str, next: usize) -> Result<(), Error> {
        let limit = self.shared.config.limits.images;
        if self.seen.len() + next > limit {
            return Err(self.too_large(what, &format!("{limit} documents")));
        }
        Ok(())
    }

    /// Gets a document to which `depth` indexes lead. Returns the documents that it leads to.
    async fn document(
        &mut self,
        pointer: &Pointer,
        depth: usize,
    ) -> Result<Vec<(Pointer, usize)>, Error> {
        let digest = pointer.digest;
        let what = format!("the document {digest}");
        self.small(pointer, &what)?;
        let (bytes, header) = self
            .get(&format!("manifests/{digest}"), Some(ACCEPT), &what)
            .await?;
        self.expect(digest, Some(pointer.size), &bytes)?;
        let said = Said {
            pointer: Some(&pointer.media_type),
            header: header.as_deref(),
        };
        let (_, document) = document::read(&bytes, said, &what, &self.place)?;
        if !self.is_wanted(Some(pointer), &document).await? {
            return Ok(Vec::new());
        }
        self.keep(digest, &bytes)?;
        self.take(digest, &what, document, depth)
    }

    /// Tells whether a document may be for the platform, if one was asked for. What leads to an image need not say
    /// which one that is for: then its config is asked before anything else of it.
    async fn is_wanted(
        &mut self,
        pointer: Option<&Pointer>,
        document: &Document,
    ) -> Result<bool, Error> {
        let (Some(platform), Document::Manifest { config, .. }) = (self.platform, document) else {
            return Ok(true);
        };
        if pointer.and_then(Pointer::platform).is_some() {
            return Ok(true);
        }
        let digest = config.digest;
        if let Some(&is_wanted) = self.configs.get(&digest) {
            return Ok(is_wanted);
        }
        let what = format!("the blob {digest}");
        self.small(config, &what)?;
        let path = format!("blobs/{digest}");
        let (bytes, _) = self.get(&path, None, &what).await?;
        self.expect(digest, Some(config.size), &bytes)?;
        let found = document::platform(&bytes);
        let is_wanted = is_for(&found, platform);
        self.configs.insert(digest, is_wanted);
        if is_wanted {
            self.keep(digest, &bytes)?;
        } else {
            self.leave(found);
        }
        Ok(is_wanted)
    }

    /// Writes a document or a config, if anything is written.
    fn keep(&self, digest: Digest, bytes: &[u8]) -> Result<(), Error> {
        self.layout
            .map_or(Ok(()), |layout| layout.write(&digest, bytes))
    }

    /// Notes the platform of what is left out.
    fn leave(&mut self, platform: String) {
        let is_told = !platform.is_empty() && platform.len() <= LONGEST_PLATFORM;
        if is_told && self.others.len() < self.shared.config.limits.images {
            self.others.insert(platform);
        }
    }

    /// Takes what a document leads to. Returns the documents among that, each with how many indexes lead to it.
    fn take(
        &mut self,
        digest: Digest,
        what: &str,
        document: Document,
        depth: usize,
    ) -> Result<Vec<(Pointer, usize)>, Error> {
        let limits = self.shared.config.limits;
        let (config, layers) = match document {
            Document::Index(all) => {
                if depth >= limits.depth {
                    let limit = format!("{} indexes above an image", limits.depth);
                    return Err(self.too_large(what, &limit));
                }
                let below = self.of_platform(all).into_iter();
                // From the first on: the last is taken first.
                return Ok(below.rev().map(|pointer| (pointer, depth + 1)).collect());
            }
            Document::Manifest { config, layers } => (config, layers),
        };
        if layers.len() > limits.layers {
            return Err(self.too_large(what, &format!("{} layers", limits.layers)));
        }
        self.images.push(digest);
        self.blob(&config, limits.document)?;
        for layer in &layers {
            self.blob(layer, limits.blob)?;
        }
        Ok(Vec::new())
    }

    /// Returns those of an index that are for the platform, if one was asked for.
    fn of_platform(&mut self, mut all: Vec<Pointer>) -> Vec<Pointer> {
        if let Some(platform) = self.platform {
            all.retain(|pointer| match pointer.platform() {
                Some(found) if !is_for(&found, platform) => {
                    self.leave(found);
                    false
                }
                _ => true,
            });
        }
        all
    }

    /// Takes a blob that a manifest points to.
    fn blob(&mut self, pointer: &Pointer, largest: u64) -> Result<(), Error> {
        let (digest, size) = (pointer.digest, pointer.size);
        if size > largest {
            return Err(self.too_large(&format!("the blob {digest}"), &format!("{largest} bytes")));
        }
        let Some(known) = self.blobs.insert(digest, size) else {
            let limit = self.shared.config.limits.total;
            self.total = self.total.saturating_add(size);
            if self.total > limit {
                return Err(self.too_large("the image", &format!("{limit} bytes in total")));
            }
            return Ok(());
        };
        if known != size {
            return Err(Error::Damaged {
                what: format!("the blob {digest}"),
                place: self.place.clone(),
                why: format!("it is said to have {known} bytes, and {size}"),
            });
        }
        Ok(())
    }

    /// Refuses what is said to be larger than a document or a config may be.
    fn small(&self, pointer: &Pointer, what: &str) -> Result<(), Error> {
        let limit = self.shared.config.limits.document;
        if pointer.size > limit {
            return Err(self.too_large(what, &format!("{limit} bytes")));
        }
        Ok(())
    }

    /// Gets the bytes of a document or a config, and the media type that the answer says.
    async fn get(
        &mut self,
        path: &str,
        accept: Option<&'static str>,
        what: &str,
    ) -> Result<(Vec<u8>, Option<String>), Error> {
        let largest = self.shared.config.limits.document;
        let wanted = Wanted {
            what,
            path,
            accept,
            largest,
        };
        let mut memory = Memory::default();
        let asked = ask(self.shared, self.repository, wanted, &mut memory).await;
        if asked.as_ref().is_err_and(too_large) {
            return Err(self.too_large(what, &format!("{largest} bytes")));
        }
        let downloaded = asked?;
        self.bytes += memory.bytes.len() as u64;
        Ok((memory.bytes, downloaded.media_type))
    }

    /// Compares what arrived with what it must be.
    fn expect(&self, expected: Digest, size: Option<u64>, bytes: &[u8]) -> Result<(), Error> {
        let (found, length) = (Digest::of(bytes), bytes.len() as u64);
        if found == expected && size.is_none_or(|size| size == length) {
            return Ok(());
        }
        Err(changed(&self.place, expected, size, length, &found.hex()))
    }

    fn too_large(&self, what: &str, limit: &str) -> Error {
        Error::TooLarge {
            what: what.to_owned(),
            place: self.place.clone(),
            limit: limit.to_owned(),
        }
    }
}

/// Tells whether an answer had too many bytes.
fn too_large(error: &Error) -> bool {
    matches!(error, Error::Transfer { source, .. } if matches!(**source, transfer::Error::TooLarge(_)))
}

fn changed(place: &str, expected: Digest, size: Option<u64>, length: u64, hex: &str) -> Error {
    let found = match size {
        Some(size) if size != length => {
            format!("expected {size} bytes, found {length} with the digest sha256:{hex}")
        }
        _ => format!("it has the digest sha256:{hex}"),
    };
    Error::Changed {
        expected,
        place: place.to_owned(),
        found,
    }
}

/// Downloads blobs, several at the same time. The first that cannot be had ends it. Returns how many bytes they have.
///
/// All of it is one future: whoever gives that up knows that nothing is written any more.
async fn download(
    shared: &Shared,
    repository: &Repository,
    layout: &Unfinished,
    blobs: BTreeMap<Digest, u64>,
) -> Result<u64, Error> {
    let blobs = Mutex::new(blobs.into_iter());
    let next = || blobs.lock().unwrap_or_else(PoisonError::into_inner).next();
    let several = || async {
        let mut bytes = 0;
        while let Some((digest, size)) = next() {
            one(shared, repository, layout, digest, size).await?;
            bytes += size;
        }
        Ok::<_, Error>(bytes)
    };
    let (one, two, three, four) = tokio::try_join!(several(), several(), several(), several())?;
    Ok(one + two + three + four)
}

/// Downloads a blob.
async fn one(
    shared: &Shared,
    repository: &Repository,
    layout: &Unfinished,
    digest: Digest,
    size: u64,
) -> Result<(), Error> {
    let wanted = Wanted {
        what: &format!("the blob {digest}"),
        path: &format!("blobs/{digest}"),
        accept: None,
        largest: size,
    };
    let place = repository.to_string();
    let mut blob = Blob::new(layout.blob(&digest)?);
    let asked = ask(shared, repository, wanted, &mut blob).await;
    if asked.as_ref().is_err_and(too_large) {
        return Err(Error::Changed {
            expected: digest,
            place,
            found: format!("it has more than {size} bytes"),
        });
    }
    asked?;
    let path = layout.path(&digest);
    let (length, hex) = blob.finish().await.map_err(io("write", path))?;
    if length != size || hex != digest.hex() {
        return Err(changed(&place, digest, Some(size), length, &hex));
    }
    Ok(())
}
