//! Puts a finished image into the store of an engine's user, and compares what the engine has there with it.

use std::sync::Arc;

use backend_api::{Backend, LoadRequest, Loaded};
use camino::{Utf8Path, Utf8PathBuf};
use oci_image::{Digest, Layout};
use tokio::sync::watch;

use crate::cleanup::Work;
use crate::context;
use crate::error::Error;
use crate::event::Listener;
use crate::session::Session;
use crate::wait::{blocking, unless};
use state::{Access, Directories};

/// Puts the image of the output `name` of a tree into the store of an engine's user, as `reference`. Returns its
/// digest.
///
/// # Errors
///
/// What the engine or the operating system refuses; that it has another image there then; an interruption.
pub async fn load(
    directories: &Directories,
    (name, platform): (&str, &str),
    reference: &str,
    backend: &dyn Backend,
    listener: &Arc<dyn Listener>,
    interrupted: watch::Receiver<bool>,
) -> Result<Digest, Error> {
    let opening = Session::open(directories, Access::Beside, backend, listener);
    let session = unless(interrupted.clone(), opening).await?;
    let (of, prefix) = (directories.clone(), format!("{name}-load"));
    let work = blocking(move || Work::begin(&of, &prefix)).await?;
    let images = directories.images(name)?;
    let image = images.for_platform(platform)?;
    let layout = if images.images().len() == 1 {
        directories.output(name)
    } else {
        let layout = work.directory().join("image");
        image.link(&layout)?;
        layout
    };
    let loading = load_layout(image, layout, reference, backend, work.directory());
    let loaded = unless(interrupted, loading).await;
    blocking(move || work.end(false)).await?;
    session.close(backend).await?;
    loaded
}

/// Puts an image, which is alone in a layout, into the store of an engine's user. `work` is a directory to work in.
/// Returns its digest.
///
/// # Errors
///
/// What the engine or the operating system refuses; that it has another image there then.
pub async fn load_layout(
    image: &Layout,
    layout: Utf8PathBuf,
    reference: &str,
    backend: &dyn Backend,
    work: &Utf8Path,
) -> Result<Digest, Error> {
    let work = work.join("engine");
    context::make_directory(&work)?;
    let request = LoadRequest {
        layout,
        name: reference.to_owned(),
        platform: image.platform(),
        work,
    };
    let loaded = backend.load(&request).await?;
    let manifest = image.manifest_digest().to_string();
    if is_it(
        &loaded,
        &manifest,
        &image.manifest().config.digest.to_string(),
    ) {
        return Ok(image.manifest_digest());
    }
    let known = loaded.manifests.into_iter().chain([loaded.id]);
    Err(Error::OtherLoaded {
        runtime: backend.id().to_owned(),
        reference: request.name,
        digest: manifest,
        found: known.collect::<Vec<_>>().join(" and "),
    })
}

/// Tells whether what an engine has is the image with this manifest and this configuration: the configuration says
/// what is in each layer.
fn is_it(loaded: &Loaded, manifest: &str, config: &str) -> bool {
    let Loaded { id, manifests } = loaded;
    let is_known = manifests.is_empty() || manifests.iter().any(|known| known == manifest);
    (id == config || id == manifest) && is_known
}

#[cfg(test)]
mod tests;
