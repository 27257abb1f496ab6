//! The files of a built image in a directory, as the caller's own. They are there whole, or not at all.

use std::fs::{self, Permissions};
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::PermissionsExt as _;

use beneath::Directory;
use build::ImageSet;
use camino::{Utf8Path, Utf8PathBuf};
use images::{Limits, Source};
use snapshot::{Export, Tree};
use tokio::sync::watch;

use crate::failure::Failure;
use crate::place;

/// The mode of the directory: an image says none for its root.
const MODE: u32 = 0o755;

/// Writes the files of an image for one platform to `to`, where nothing is, or an empty directory.
pub(super) fn write(
    image: &ImageSet,
    to: &Utf8Path,
    interrupted: &watch::Receiver<bool>,
) -> Result<(), Failure> {
    let source = Source::open(image.first().directory(), &Limits::default())?;
    let image = source.only(None)?;
    let cannot = |error: &std::io::Error| place::cannot("write", to, error);
    let unfinished = Unfinished::begin(to).map_err(|error| cannot(&error))?;
    let tree = Tree::of(
        unfinished
            .directory
            .try_clone()
            .map_err(|error| cannot(&error))?,
    );
    let mut export = Export::new(tree);
    for layer in &image.layers {
        if *interrupted.borrow() {
            return Err(build::Error::Interrupted.into());
        }
        let mut tar = layer.open_tar()?;
        export.layer(&mut tar)?;
        tar.finish()?;
    }
    export.finish()?;
    unfinished.finish().map_err(|error| cannot(&error))
}

/// A directory that is to appear in its place when it is whole.
struct Unfinished {
    parent: Directory,
    /// Where it is, in its parent, and where it is to be.
    temporary: Utf8PathBuf,
    name: Utf8PathBuf,
    directory: OwnedFd,
    is_done: bool,
}

impl Unfinished {
    fn begin(path: &Utf8Path) -> io::Result<Self> {
        let parent = Directory::open_or_make(path.parent().unwrap_or(Utf8Path::new(".")))?;
        let name = path.file_name().unwrap_or_default();
        let (directory, temporary) = parent.new_unfinished(name)?;
        fs::set_permissions(directory.path(), Permissions::from_mode(MODE))?;
        Ok(Self {
            directory: directory.as_fd().try_clone_to_owned()?,
            name: name.into(),
            parent,
            temporary,
            is_done: false,
        })
    }

    fn finish(mut self) -> io::Result<()> {
        self.parent.rename(&self.temporary, &self.name)?;
        self.is_done = true;
        Ok(())
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if !self.is_done {
            // What is left of it has a name that says so.
            let _ = self.parent.remove(&self.temporary);
        }
    }
}
