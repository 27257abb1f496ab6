//! What is to be published of one package: the images of a layout, the artifacts that refer to them, and a tag.
//!
//! It reads documents and compares them with their digests. Blobs are only named: they are read when they are sent.

use std::collections::BTreeSet;

use beneath::Directory;
use camino::Utf8Path;
use oci_image::Digest;

use crate::artifact::{Artifact, Referrer};
use crate::document::{self, Document, Pointer, Said, Stored};
use crate::error::Error;
use crate::limits::Limits;
use crate::reference::{Reference, Repository};

/// The tag that is moved with each version.
pub(crate) const LATEST: &str = "latest";

/// What is to be published of one package.
#[derive(Debug)]
pub struct Publication {
    pub(crate) repository: Repository,
    /// What it is called there; nothing if it is only to be had by its digest.
    pub(crate) tag: Option<String>,
    /// Where the blobs of the images lie, each called as the hex digits of its digest.
    pub(crate) blobs: Directory,
    /// The manifests, and behind them the index, if there is one: what a tag is to stand for is the last.
    pub(crate) documents: Vec<Stored>,
    /// The configs and layers, each once.
    pub(crate) pointers: Vec<Pointer>,
    pub(crate) referrers: Vec<Referrer>,
}

impl Publication {
    /// Reads what is to be published. `blobs` has the blobs of a layout, and `top` is the digest of its manifest, or of
    /// its index if it has several images.
    ///
    /// # Errors
    ///
    /// It is no such image, or a document of it does not have its digest; or the tag is none.
    pub fn open(
        repository: &Repository,
        tag: Option<&str>,
        blobs: Directory,
        top: Digest,
        limits: &Limits,
    ) -> Result<Self, Error> {
        // Names and tags have one grammar, and Docker Hub's short names a longer form.
        let named = format!("{repository}:{}", tag.unwrap_or(LATEST));
        let named: Reference = named.parse()?;
        let reader = Documents {
            blobs: &blobs,
            limits,
        };
        let (top, document) = reader.read(top, None)?;
        let (mut documents, mut pointers) = (Vec::new(), Vec::new());
        match document {
            Document::Manifest { config, layers } => take(&mut pointers, config, layers),
            Document::Index(manifests) => {
                for pointer in manifests {
                    let said = (!pointer.media_type.is_empty()).then_some(&pointer.media_type);
                    let (stored, document) = reader.read(pointer.digest, said)?;
                    let Document::Manifest { config, layers } = document else {
                        let what = format!("the index {}", pointer.digest);
                        return Err(reader.bad(what, "it is in another index".to_owned()));
                    };
                    take(&mut pointers, config, layers);
                    documents.push(stored);
                }
            }
        }
        documents.push(top);
        Ok(Self {
            repository: named.repository,
            tag: tag.map(str::to_owned),
            blobs,
            documents,
            pointers,
            referrers: Vec::new(),
        })
    }

    /// Adds an artifact that refers to one of the images.
    ///
    /// # Errors
    ///
    /// There is no such image.
    pub fn add(&mut self, artifact: Artifact) -> Result<(), Error> {
        let mut documents = self.documents.iter();
        let subject = documents.find(|stored| stored.digest == artifact.subject);
        let subject = subject.ok_or_else(|| Error::Local {
            what: format!("{} of {}", artifact.title, artifact.subject),
            place: self.blobs.path().to_string(),
            why: "there is no such image".to_owned(),
        })?;
        self.referrers.push(Referrer::new(subject, artifact));
        Ok(())
    }

    /// Returns the digest that tags are to stand for.
    pub fn digest(&self) -> Digest {
        self.top().digest
    }

    /// Returns the repository.
    pub fn repository(&self) -> &Repository {
        &self.repository
    }

    /// Returns the tag, if it is to have one.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    pub(crate) fn top(&self) -> &Stored {
        self.documents.last().expect("there is the one at the top")
    }

    /// Returns the digests that are referred to.
    pub(crate) fn subjects(&self) -> Vec<Digest> {
        let subjects: BTreeSet<_> = self.referrers.iter().map(|one| one.subject).collect();
        subjects.into_iter().collect()
    }
}

fn take(pointers: &mut Vec<Pointer>, config: Pointer, layers: Vec<Pointer>) {
    for pointer in layers.into_iter().chain([config]) {
        if !pointers.iter().any(|known| known.digest == pointer.digest) {
            pointers.push(pointer);
        }
    }
}

struct Documents<'a> {
    blobs: &'a Directory,
    limits: &'a Limits,
}

impl Documents<'_> {
    fn bad(&self, what: String, why: String) -> Error {
        Error::Local {
            what,
            place: self.blobs.path().to_string(),
            why,
        }
    }

    fn read(&self, digest: Digest, pointer: Option<&String>) -> Result<(Stored, Document), Error> {
        let what = format!("the document {digest}");
        let name = digest.hex();
        let bytes = self
            .blobs
            .read(Utf8Path::new(&name), self.limits.document)
            .map_err(|error| self.bad(what.clone(), error.to_string()))?;
        if Digest::of(&bytes) != digest {
            return Err(self.bad(what, "it is not what its digest says".to_owned()));
        }
        let said = Said {
            pointer: pointer.map(String::as_str),
            header: None,
        };
        let place = self.blobs.path().as_str();
        let (media_type, document) = document::read(&bytes, said, &what, place)?;
        let stored = Stored {
            digest,
            media_type,
            bytes,
        };
        Ok((stored, document))
    }
}
