//! Puts images that were made into the store of an engine's user.
//!
//! It does not know how an engine takes an image.

use std::sync::Arc;

use backend_api::Backend;
use build::{Error, Listener, load};
use package_tree::PlannedPackage;
use state::Directories;
use tokio::sync::watch;

/// Puts the image of each package into the store of an engine's user: of several platforms, that of the
/// first. Returns the names that they have there.
///
/// # Errors
///
/// What the engine or the operating system refuses; an interruption.
pub async fn import(
    directories: &Directories,
    packages: &[&PlannedPackage],
    backend: &dyn Backend,
    listener: &Arc<dyn Listener>,
    interrupted: &watch::Receiver<bool>,
) -> Result<Vec<String>, Error> {
    let mut names = Vec::new();
    for package in packages {
        let platform = package.platforms.first().map_or("", String::as_str);
        let name = &package.name;
        names.push(
            load(
                directories,
                name,
                platform,
                backend,
                listener,
                interrupted.clone(),
            )
            .await?,
        );
    }
    Ok(names)
}
