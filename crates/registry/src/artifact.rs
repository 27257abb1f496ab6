//! What refers to an image: files that are published beside it, each as an artifact manifest with `subject` (OCI image
//! specification 1.1). And the list of them that takes the place of the referrers API where a registry has none.
//!
//! The same file gives the same bytes: there is no time in them.

use std::collections::BTreeMap;

use oci_image::Digest;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::document::{OCI_INDEX, OCI_MANIFEST, Stored};

/// The config of what has none.
pub(crate) const EMPTY: &[u8] = b"{}";
const EMPTY_TYPE: &str = "application/vnd.oci.empty.v1+json";
const TITLE: &str = "org.opencontainers.image.title";

/// A file that refers to an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artifact {
    /// The digest of the image's manifest.
    pub subject: Digest,
    /// What it is.
    pub kind: Kind,
    /// What it is called.
    pub title: String,
    /// What is in it.
    pub bytes: Vec<u8>,
}

/// What an artifact is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A signature, as it lies among signatures: a signed message of OpenPGP.
    Signature,
    /// Statements on how the image was reproduced: envelopes of DSSE, one in each line.
    Attestation,
    /// A bill of materials, as SPDX.
    Sbom,
}

impl Kind {
    /// Returns the media type: that of the artifact, and of its only layer.
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Signature => "application/vnd.dev.stagex.signature.v1",
            Self::Attestation => "application/vnd.dev.stagex.attestation.v1",
            Self::Sbom => "application/spdx+json",
        }
    }
}

/// An artifact as it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Referrer {
    pub(crate) subject: Digest,
    pub(crate) title: String,
    /// What it has, beside the empty config.
    pub(crate) content: Vec<u8>,
    pub(crate) manifest: Stored,
    kind: Kind,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Manifest<'a> {
    schema_version: u32,
    media_type: &'static str,
    artifact_type: &'static str,
    config: Descriptor<'a>,
    layers: [Descriptor<'a>; 1],
    subject: Descriptor<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor<'a> {
    media_type: &'static str,
    digest: Digest,
    size: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    artifact_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    annotations: Option<BTreeMap<&'static str, &'a str>>,
}

impl<'a> Descriptor<'a> {
    fn new(media_type: &'static str, digest: Digest, size: usize) -> Self {
        Self {
            media_type,
            digest,
            size,
            artifact_type: None,
            annotations: None,
        }
    }

    fn called(mut self, title: &'a str) -> Self {
        self.annotations = Some(BTreeMap::from([(TITLE, title)]));
        self
    }
}

impl Referrer {
    /// Makes what is sent of an artifact that refers to `subject`.
    pub(crate) fn new(subject: &Stored, artifact: Artifact) -> Self {
        let Artifact {
            kind, title, bytes, ..
        } = artifact;
        let layer = Descriptor::new(kind.media_type(), Digest::of(&bytes), bytes.len());
        let manifest = Manifest {
            schema_version: 2,
            media_type: OCI_MANIFEST,
            artifact_type: kind.media_type(),
            config: Descriptor::new(EMPTY_TYPE, Digest::of(EMPTY), EMPTY.len()),
            layers: [layer.called(&title)],
            subject: Descriptor::new(subject.media_type, subject.digest, subject.bytes.len()),
        };
        let manifest = serde_json::to_vec(&manifest).expect("it is plain data");
        Self {
            subject: subject.digest,
            manifest: Stored {
                digest: Digest::of(&manifest),
                media_type: OCI_MANIFEST,
                bytes: manifest,
            },
            content: bytes,
            title,
            kind,
        }
    }

    fn descriptor(&self) -> Value {
        let Stored { digest, bytes, .. } = &self.manifest;
        let mut descriptor = Descriptor::new(OCI_MANIFEST, *digest, bytes.len());
        descriptor.artifact_type = Some(self.kind.media_type());
        let descriptor = descriptor.called(&self.title);
        serde_json::to_value(descriptor).expect("it is plain data")
    }
}

/// What refers to an image, as a registry lists it.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct List {
    manifests: Vec<Value>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Index<'a> {
    schema_version: u32,
    media_type: &'static str,
    manifests: &'a [Value],
}

impl List {
    /// Reads a list, which is an index.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }

    pub(crate) fn has(&self, digest: Digest) -> bool {
        let digest = digest.to_string();
        let mut listed = self.manifests.iter();
        listed.any(|entry| entry.get("digest").and_then(Value::as_str) == Some(&digest))
    }

    /// Adds what another page of the same list has.
    pub(crate) fn extend(&mut self, more: Self) {
        self.manifests.extend(more.manifests);
    }

    /// Adds artifacts, unless they are there. What others have put there stays.
    pub(crate) fn add(&mut self, referrers: &[&Referrer]) {
        for referrer in referrers {
            if !self.has(referrer.manifest.digest) {
                self.manifests.push(referrer.descriptor());
            }
        }
    }

    /// Returns it as an index.
    pub(crate) fn stored(&self) -> Stored {
        let index = Index {
            schema_version: 2,
            media_type: OCI_INDEX,
            manifests: &self.manifests,
        };
        let bytes = serde_json::to_vec(&index).expect("it is plain data");
        Stored {
            digest: Digest::of(&bytes),
            media_type: OCI_INDEX,
            bytes,
        }
    }
}
