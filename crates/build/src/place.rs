//! Paths in a Containerfile, as a layer has them. Symbolic links are not followed: what they are is
//! known to whoever sees the file system.

use camino::{Utf8Component, Utf8Path, Utf8PathBuf};
use containerfile::{Sources, Step};

/// Returns a path in a step's file system that may be written from its working directory.
pub(crate) fn absolute(path: &str, directory: &str) -> Utf8PathBuf {
    Utf8Path::new(directory).join(path)
}

/// Returns a path without its root, `.` and `..`, as it stands in a layer.
pub(crate) fn relative(path: &Utf8Path) -> Utf8PathBuf {
    let mut result = Utf8PathBuf::new();
    for component in path.components() {
        match component {
            Utf8Component::Normal(name) => result.push(name),
            Utf8Component::ParentDir => {
                result.pop();
            }
            _ => {}
        }
    }
    result
}

/// Returns where a step that copies `sources` puts them.
pub(crate) fn destination(step: &Step, sources: &Sources) -> Utf8PathBuf {
    relative(&absolute(&sources.destination, &step.working_directory))
}
