//! Puts an image from `out/` into the store of an engine's user.

use std::sync::Arc;

use backend_api::{Backend, LoadRequest};
use tokio::sync::watch;

use crate::cleanup::Work;
use crate::context;
use crate::error::Error;
use crate::event::Listener;
use crate::session::Session;
use crate::wait::{blocking, unless};
use state::{Access, Directories};

/// Puts the image of the output `name` of a tree into the store of an engine's user, as
/// `stagex/<name>:local`. Returns that name.
///
/// # Errors
///
/// What the engine or the operating system refuses; an interruption.
pub async fn load(
    directories: &Directories,
    name: &str,
    platform: &str,
    backend: &dyn Backend,
    listener: &Arc<dyn Listener>,
    interrupted: watch::Receiver<bool>,
) -> Result<String, Error> {
    let opening = Session::open(directories, Access::Beside, backend, listener);
    let session = unless(interrupted.clone(), opening).await?;
    let (of, prefix) = (directories.clone(), format!("{name}-load"));
    let work = blocking(move || Work::begin(&of, &prefix)).await?;
    let reference = format!("stagex/{name}:local");
    let directory = work.directory().join("engine");
    context::make_directory(&directory)?;
    let images = directories.images(name)?;
    let image = images.for_platform(platform)?;
    let layout = if images.images().len() == 1 {
        directories.output(name)
    } else {
        let layout = work.directory().join("image");
        image.link(&layout)?;
        layout
    };
    let request = LoadRequest {
        layout,
        name: reference.clone(),
        platform: image.platform(),
        work: directory,
    };
    let loading = async { Ok(backend.load(&request).await?) };
    let loaded = unless(interrupted, loading).await;
    blocking(move || work.end(false)).await?;
    session.close(backend).await?;
    loaded.map(|()| reference)
}
