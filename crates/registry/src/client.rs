//! The client: what others see of this crate.

use std::sync::Arc;

use beneath::Directory;
use camino::Utf8Path;
use oci_image::Digest;

use crate::config::Config;
use crate::error::Error;
use crate::pull::{Pulled, pull, resolve};
use crate::reference::Reference;
use crate::shared::Shared;

/// A client of registries. Its copies share their connections, and what registries were told of who is asking.
#[derive(Debug, Clone)]
pub struct Client {
    shared: Arc<Shared>,
}

impl Client {
    /// Makes a client.
    ///
    /// # Errors
    ///
    /// A proxy is not named as one is.
    pub fn new(config: Config) -> Result<Self, Error> {
        Ok(Self {
            shared: Arc::new(Shared::new(config)?),
        })
    }

    pub(crate) fn shared(&self) -> Arc<Shared> {
        Arc::clone(&self.shared)
    }

    /// Pulls an image into an OCI layout that is `name` in `parent`, where nothing may be yet. It is there whole or
    /// not at all, and every byte of it is what the digests say. With a platform (`os/architecture[/variant]`), only
    /// what is for it is pulled, as an index or else the config says, and an index still names the others.
    ///
    /// It can be given up at any time by dropping the future: nothing is left then.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong.
    pub async fn fetch(
        &self,
        reference: &Reference,
        platform: Option<&str>,
        parent: &Directory,
        name: &Utf8Path,
    ) -> Result<Pulled, Error> {
        // It holds several downloads, and is large.
        Box::pin(pull(&self.shared, reference, platform, parent, name)).await
    }

    /// Returns the digest of the one manifest for a platform (`os/architecture[/variant]`) that a reference leads to.
    /// Only documents and configs are asked for: nothing is written, and no layer is downloaded.
    ///
    /// # Errors
    ///
    /// No image is for the platform, or several are; or the first thing that is wrong with a document.
    pub async fn resolve(&self, reference: &Reference, platform: &str) -> Result<Digest, Error> {
        Box::pin(resolve(&self.shared, reference, platform)).await
    }
}
