//! Where blobs lie that are named by their digests: in a layout, or behind a seam in a registry.

use std::io::Read;
use std::sync::Arc;

use oci_image::Digest;

use crate::error::Error;
use crate::files::Files;

/// Something that has blobs, each named by its digest.
///
/// # Behavior
///
/// - What it gives need not be what the digest says: whoever reads it verifies it.
/// - Several threads may read at once.
pub trait Blobs: Send + Sync {
    /// Begins to read a blob.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`] if it has no such blob.
    fn open(&self, digest: &Digest) -> Result<Box<dyn Read + Send>, Error>;

    /// Returns where they lie, for messages.
    fn place(&self) -> &str;
}

/// The blobs of an OCI layout, in a directory or in an archive.
pub(crate) struct LayoutBlobs(pub(crate) Arc<Files>);

impl Blobs for LayoutBlobs {
    fn open(&self, digest: &Digest) -> Result<Box<dyn Read + Send>, Error> {
        let name = format!("blobs/sha256/{}", digest.hex());
        match self.0.open(&name)? {
            Some(section) => Ok(Box::new(section)),
            None => Err(Error::Missing {
                name: format!("the blob {digest}"),
                place: self.0.place().to_owned(),
            }),
        }
    }

    fn place(&self) -> &str {
        self.0.place()
    }
}
