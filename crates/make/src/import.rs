//! Puts images that were made into the store of an engine's user.
//!
//! It does not know how an engine takes an image.

use std::sync::Arc;

use backend_api::Backend;
use build::{Error, Listener, load};
use oci_image::Digest;
use package_tree::PlannedPackage;
use state::Directories;
use tokio::sync::watch;

/// An image that is to be put into the store of an engine's user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    /// The package's full name.
    pub name: String,
    /// Of an image for several platforms, the one that is put there.
    pub platform: String,
    /// The name that it gets there, with a tag.
    pub reference: String,
}

impl Import {
    /// Asks for a package's image under a name: of several platforms, that of the first.
    pub fn of(package: &PlannedPackage, reference: String) -> Self {
        Self {
            name: package.name.clone(),
            platform: package.platforms.first().cloned().unwrap_or_default(),
            reference,
        }
    }
}

/// Puts images into the store of an engine's user. Returns the digest of each.
///
/// # Errors
///
/// What the engine or the operating system refuses; that the engine has another image then; an interruption.
pub async fn import(
    directories: &Directories,
    wanted: &[Import],
    backend: &dyn Backend,
    listener: &Arc<dyn Listener>,
    interrupted: &watch::Receiver<bool>,
) -> Result<Vec<Digest>, Error> {
    let mut digests = Vec::new();
    for Import {
        name,
        platform,
        reference,
    } in wanted
    {
        let loading = load(
            directories,
            (name, platform),
            reference,
            backend,
            listener,
            interrupted.clone(),
        );
        digests.push(loading.await?);
    }
    Ok(digests)
}
