//! Removes what builds have left, whoever owns it: the files of a RUN may belong to users of a namespace of
//! the runtime that made them, and then only such a runtime can remove them.
//!
//! It does not know what it removes, nor why.

use std::ffi::OsStr;

use backend_api::Backend;
use beneath::Directory;
use camino::Utf8Path;

use crate::error::Error;
use crate::wait::blocking;
use state::IoContext as _;

/// Removes a name in `directory` with all that is in it; of a symbolic link only the link. What this
/// process may not remove is left to those of `backends` that can.
pub async fn remove(
    directory: &Utf8Path,
    name: &OsStr,
    backends: &[&dyn Backend],
) -> Result<(), Error> {
    let Err(error) = remove_here(directory, name).await else {
        return Ok(());
    };
    let path = directory.join(&*name.to_string_lossy());
    let path = camino::absolute_utf8(&path).at("find", &path)?;
    // No runtime makes a name that is not UTF-8.
    if name.to_str().is_some() {
        // A link, whose target would be emptied, was removed just now.
        for backend in backends {
            // Whether that helped is seen when the rest is removed.
            let _ = backend.forget(&path).await;
        }
    }
    if remove_here(directory, name).await.is_ok() {
        return Ok(());
    }
    match error {
        state::Error::Io { source, .. } => Err(Error::Remove { path, source }),
        other => Err(other.into()),
    }
}

async fn remove_here(directory: &Utf8Path, name: &OsStr) -> Result<(), state::Error> {
    let (directory, name) = (directory.to_owned(), name.to_owned());
    let remove = move || {
        let removed = Directory::open(&directory).and_then(|directory| directory.remove_raw(&name));
        removed.at("remove", &directory.join(&*name.to_string_lossy()))
    };
    blocking(remove).await
}
