//! The marks of directories that were copied with a whole file system: each has its own path, and one that was made
//! anew, or came from elsewhere, has none.

use std::os::fd::BorrowedFd;

use rustix::fs::XattrFlags;
use rustix::io::Errno;

use crate::error::{Context as _, Result};
use crate::place::Place;
use crate::special::PREFIX;
use crate::tree::Tree;

/// Marks a directory of a copy, open. Where a file system has no attributes, every directory counts as made
/// anew.
pub(crate) fn mark(directory: BorrowedFd<'_>, place: &Place) -> Result<()> {
    match rustix::fs::fsetxattr(directory, name(), &value(place), XattrFlags::empty()) {
        Err(Errno::NOTSUP) => Ok(()),
        set => set.at("mark", place.as_bytes()),
    }
}

/// Tells whether a directory is the one that was copied.
pub(crate) fn is_marked(tree: &Tree, place: &Place) -> Result<bool> {
    let mut found = [0; 64];
    match rustix::fs::fgetxattr(tree.directory(place)?, name(), &mut found[..]) {
        Ok(length) => Ok(found[..length] == value(place)),
        Err(Errno::NODATA | Errno::NOTSUP | Errno::RANGE) => Ok(false),
        Err(error) => Err(error).at("ask about", place.as_bytes()),
    }
}

fn name() -> String {
    format!("{PREFIX}copy")
}

/// Returns what stands for a path of any length: its last bytes, and how long it is.
fn value(place: &Place) -> Vec<u8> {
    let path = place.as_bytes();
    let mut value = path.len().to_string().into_bytes();
    value.extend_from_slice(&path[path.len().saturating_sub(32)..]);
    value
}
