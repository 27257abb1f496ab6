//! What is sent to a server: bytes by their digest, either at hand or in a file that is read when they are sent.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io;
use std::sync::Arc;

use bazel_remote_apis::build::bazel::remote::execution::v2;
use oci_image::Digest;
use prost::Message;

/// Opens the file with the bytes of a blob.
pub(crate) type Open = Arc<dyn Fn() -> io::Result<File> + Send + Sync>;

/// Bytes with their digest.
#[derive(Clone)]
pub(crate) struct Blob {
    pub(crate) digest: v2::Digest,
    pub(crate) bytes: Bytes,
}

/// Where the bytes of a blob are.
#[derive(Clone)]
pub(crate) enum Bytes {
    Here(Vec<u8>),
    File(Open),
}

impl fmt::Debug for Blob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.digest.hash, self.digest.size_bytes)
    }
}

/// Returns a digest in the words of the API.
pub(crate) fn digest(hex: String, size: u64) -> v2::Digest {
    v2::Digest {
        hash: hex,
        size_bytes: i64::try_from(size).unwrap_or(i64::MAX),
    }
}

/// Blobs, each once.
#[derive(Debug, Clone, Default)]
pub(crate) struct Blobs {
    all: BTreeMap<String, Blob>,
}

impl Blobs {
    /// Adds bytes, and returns their digest.
    pub(crate) fn add(&mut self, bytes: Vec<u8>) -> v2::Digest {
        let digest = digest(Digest::of(&bytes).hex(), bytes.len() as u64);
        self.put(digest.clone(), Bytes::Here(bytes));
        digest
    }

    /// Adds a message, and returns the digest of its bytes.
    pub(crate) fn add_message(&mut self, message: &impl Message) -> v2::Digest {
        self.add(message.encode_to_vec())
    }

    /// Adds the bytes of a file, of which the digest is known.
    pub(crate) fn add_file(&mut self, hex: String, size: u64, open: Open) -> v2::Digest {
        let digest = digest(hex, size);
        self.put(digest.clone(), Bytes::File(open));
        digest
    }

    fn put(&mut self, digest: v2::Digest, bytes: Bytes) {
        let new = Blob { digest, bytes };
        self.all.entry(new.digest.hash.clone()).or_insert(new);
    }

    /// Returns all of them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Blob> {
        self.all.values()
    }

    /// Returns the one with a digest.
    pub(crate) fn get(&self, digest: &v2::Digest) -> Option<&Blob> {
        self.all.get(&digest.hash)
    }
}
