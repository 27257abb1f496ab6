//! Publishing: a look at what is there, all that a tag leads to, and the tags.
//!
//! The order is whose it is: whoever sets the tags of all packages at the end leaves nothing half-published.

use std::fmt;
use std::sync::Arc;

use oci_image::Digest;

use crate::artifact::{EMPTY, Referrer};
use crate::client::Client;
use crate::error::Error;
use crate::publication::{LATEST, Publication};
use crate::reference::Repository;
use crate::referrers;
use crate::registry::Registry;
use crate::upload::{Blob, Came, Source, bring};

/// Publishes packages to one registry. Its copies share what came to be known of it.
#[derive(Debug, Clone)]
pub struct Publisher {
    registry: Arc<Registry>,
}

/// What a registry has of a publication.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Whether the tag stands for it; without one, whether it is there.
    pub tagged: bool,
    /// How many artifacts refer to its images and are not there, as far as that was asked: not without the tag.
    pub missing: usize,
    /// Whether `latest` stands for it, if that was asked.
    pub latest: Option<bool>,
}

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sent {
    /// How many blobs were there.
    pub there: usize,
    /// How many were mounted from another repository.
    pub mounted: usize,
    /// How many were sent.
    pub sent: usize,
    /// How many bytes those have.
    pub bytes: u64,
    /// How many artifacts were added.
    pub artifacts: usize,
}

impl Standing {
    /// Tells whether nothing is to be done.
    pub fn is_whole(&self) -> bool {
        self.tagged && self.missing == 0 && self.latest != Some(false)
    }
}

impl fmt::Display for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            there,
            mounted,
            sent,
            bytes,
            artifacts,
        } = self;
        write!(
            f,
            "blobs: {sent} sent ({bytes} bytes), {mounted} mounted, {there} there; referrers: {artifacts} sent"
        )
    }
}

impl Client {
    /// Begins to publish to one registry.
    pub fn publisher(&self) -> Publisher {
        Publisher {
            registry: Arc::new(Registry::new(self.shared())),
        }
    }
}

impl Publisher {
    /// Looks at what is there. With `latest`, also at what that tag stands for.
    ///
    /// # Errors
    ///
    /// The tag stands for something else; or the registry cannot be asked.
    pub async fn look(&self, publication: &Publication, latest: bool) -> Result<Standing, Error> {
        let repository = publication.repository();
        let tagged = self.tagged(publication).await?;
        let mut missing = if tagged {
            0
        } else {
            publication.referrers.len()
        };
        if tagged {
            for subject in publication.subjects() {
                let listed = referrers::list(&self.registry, repository, subject).await?;
                let missed = of(publication, subject);
                missing += missed
                    .iter()
                    .filter(|one| !listed.has(one.manifest.digest))
                    .count();
            }
        }
        let latest = if latest {
            let found = self.stands_for(repository, LATEST).await?;
            Some(found == Some(publication.digest()))
        } else {
            None
        };
        Ok(Standing {
            tagged,
            missing,
            latest,
        })
    }

    /// Sends everything that a tag leads to, and what refers to it; no tag.
    ///
    /// # Errors
    ///
    /// The first thing that could not be sent, or is not there afterwards as it was sent.
    pub async fn send(
        &self,
        publication: &Publication,
        standing: &Standing,
    ) -> Result<Sent, Error> {
        let mut sent = Sent::default();
        let (registry, repository) = (&self.registry, publication.repository());
        if !standing.tagged {
            for pointer in &publication.pointers {
                let mut blob = stored(publication, pointer.digest, pointer.size)?;
                self.bring(publication, &mut blob, &mut sent).await?;
            }
            for document in &publication.documents {
                let digest = document.digest.to_string();
                registry.put(repository, &digest, document).await?;
            }
        }
        if standing.tagged && standing.missing == 0 {
            return Ok(sent);
        }
        for subject in publication.subjects() {
            let listed = referrers::list(registry, repository, subject).await?;
            let mut missing = of(publication, subject);
            missing.retain(|one| !listed.has(one.manifest.digest));
            for referrer in &missing {
                for bytes in [EMPTY, &referrer.content] {
                    let mut blob = Blob {
                        digest: Digest::of(bytes),
                        size: bytes.len() as u64,
                        source: Source::Bytes(bytes.to_vec()),
                    };
                    self.bring(publication, &mut blob, &mut sent).await?;
                }
                let manifest = &referrer.manifest;
                let digest = manifest.digest.to_string();
                registry.put(repository, &digest, manifest).await?;
                sent.artifacts += 1;
            }
            if !missing.is_empty() {
                referrers::add(registry, repository, subject, &missing).await?;
            }
        }
        Ok(sent)
    }

    /// Sets the tag, unless it stands for it already.
    ///
    /// # Errors
    ///
    /// The tag stands for something else, before or after it was set.
    pub async fn tag(&self, publication: &Publication) -> Result<(), Error> {
        if self.tagged(publication).await? {
            return Ok(());
        }
        match publication.tag() {
            Some(tag) => self.set(publication, tag).await,
            // It was sent before.
            None => Err(Error::Unlisted {
                what: "the image".to_owned(),
                place: publication.repository().to_string(),
            }),
        }
    }

    /// Lets `latest` stand for it.
    ///
    /// # Errors
    ///
    /// The tag stands for something else afterwards.
    pub async fn set_latest(&self, publication: &Publication) -> Result<(), Error> {
        self.set(publication, LATEST).await
    }

    /// Returns what a tag stands for, if there is one; or what has a digest.
    pub(crate) async fn stands_for(
        &self,
        repository: &Repository,
        tag: &str,
    ) -> Result<Option<Digest>, Error> {
        let found = self.registry.document(repository, tag).await?;
        Ok(found.map(|found| Digest::of(&found)))
    }

    pub(crate) async fn set(&self, publication: &Publication, tag: &str) -> Result<(), Error> {
        let (repository, top) = (publication.repository(), publication.top());
        self.registry.put(repository, tag, top).await?;
        match self.registry.document(repository, tag).await? {
            Some(found) if found == top.bytes => Ok(()),
            Some(found) => Err(moved(publication, tag, Digest::of(&found))),
            None => Err(Error::Unlisted {
                what: format!("the tag `{tag}`"),
                place: repository.to_string(),
            }),
        }
    }

    /// Tells whether the tag stands for what is published, and not for anything else.
    async fn tagged(&self, publication: &Publication) -> Result<bool, Error> {
        let digest = publication.digest().to_string();
        let version = publication.tag().unwrap_or(&digest);
        match self.stands_for(publication.repository(), version).await? {
            None => Ok(false),
            Some(found) if found == publication.digest() => Ok(true),
            Some(found) if publication.tag().is_some() => Err(moved(publication, version, found)),
            Some(found) => Err(Error::Changed {
                expected: publication.digest(),
                place: publication.repository().to_string(),
                found: format!("it has the digest {found}"),
            }),
        }
    }

    async fn bring(
        &self,
        publication: &Publication,
        blob: &mut Blob,
        sent: &mut Sent,
    ) -> Result<(), Error> {
        match bring(&self.registry, publication.repository(), blob).await? {
            Came::There => sent.there += 1,
            Came::Mounted => sent.mounted += 1,
            Came::Sent => {
                sent.sent += 1;
                sent.bytes += blob.size;
            }
        }
        Ok(())
    }
}

/// Returns the artifacts that refer to an image.
fn of(publication: &Publication, subject: Digest) -> Vec<&Referrer> {
    let referrers = publication.referrers.iter();
    referrers.filter(|one| one.subject == subject).collect()
}

fn moved(publication: &Publication, tag: &str, there: Digest) -> Error {
    Error::Moved {
        place: publication.repository().to_string(),
        tag: tag.to_owned(),
        there,
        ours: publication.digest(),
    }
}

/// Opens a blob of a publication.
fn stored(publication: &Publication, digest: Digest, size: u64) -> Result<Blob, Error> {
    let name = digest.hex();
    let path = publication.blobs.path().join(&name);
    let local = |why: String| Error::Local {
        what: format!("the blob {digest}"),
        place: path.to_string(),
        why,
    };
    let file = publication.blobs.file(name.as_str().into());
    let file = file.map_err(|error| local(error.to_string()))?;
    let length = file.metadata().map(|metadata| metadata.len());
    match length.map_err(|error| local(error.to_string()))? {
        length if length == size => Ok(Blob {
            digest,
            size,
            source: Source::File(file, path.into_string()),
        }),
        length => Err(local(format!("it has {length} bytes instead of {size}"))),
    }
}
