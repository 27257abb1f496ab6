//! Removes what builds have left, whoever owns it: the files of a RUN may belong to users of a name space of
//! the runtime that made them, and then only such a runtime can remove them.
//!
//! It does not know what it removes, nor why.

use backend_api::Backend;
use beneath::Directory;
use camino::{Utf8Path, Utf8PathBuf};

use crate::builder::blocking;
use crate::error::{Error, IoContext};

/// Removes a name in `directory` with all that is in it; of a symbolic link only the link. What this
/// process may not remove is left to those of `backends` that can.
pub(crate) async fn remove(
    directory: &Utf8Path,
    name: &str,
    backends: &[&dyn Backend],
) -> Result<(), Error> {
    let Err(error) = remove_here(directory, name).await else {
        return Ok(());
    };
    let path = directory.join(name);
    let path = camino::absolute_utf8(&path).at("find", &path)?;
    // A link, whose target would be emptied, was removed just now.
    for backend in backends {
        // Whether that helped is seen when the rest is removed.
        let _ = backend.forget(&path).await;
    }
    if remove_here(directory, name).await.is_ok() {
        return Ok(());
    }
    match error {
        Error::Io { source, .. } => Err(Error::Remove { path, source }),
        other => Err(other),
    }
}

async fn remove_here(directory: &Utf8Path, name: &str) -> Result<(), Error> {
    let (directory, name) = (directory.to_owned(), Utf8PathBuf::from(name));
    let remove = move || {
        let removed = Directory::open(&directory).and_then(|directory| directory.remove(&name));
        removed.at("remove", &directory.join(&name))
    };
    blocking(remove).await
}
