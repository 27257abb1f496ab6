//! Whether the disk has room for what is to be built, as far as anybody can know before.
//!
//! It does not know what is built.

use camino::Utf8Path;
use state::{Directories, IoContext as _};
use walkdir::WalkDir;

use crate::error::Error;

/// Whether to begin where the disk seems to have too little room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Space {
    /// It is an error.
    Checked,
    /// It is tried.
    Ignored,
}

/// What is needed in any case, in bytes.
const LEAST: u64 = 256 << 20;
/// How many times a layer is there while it is built: in the engine, exported, written, and for a
/// moment beside what was there before; and most can be compressed to a third.
const COPIES: u64 = 8;

/// Refuses to begin where there is less room than what is built took the last time. What was never
/// built is not counted.
pub fn check_space<'a>(
    directories: &Directories,
    stale: impl Iterator<Item = &'a str>,
) -> Result<(), Error> {
    let out = directories.out();
    let sizes = stale.map(|name| size(&directories.output(name)));
    let needed = needed(sizes.max());
    let system = rustix::fs::statvfs(out.as_std_path());
    let system = system
        .map_err(std::io::Error::from)
        .at("get the free space of", &out)?;
    let free = system.f_bavail.saturating_mul(system.f_frsize);
    if free < needed {
        let path = out;
        return Err(Error::DiskSpace { path, free, needed });
    }
    Ok(())
}

/// Returns what is needed if the largest of what is built took so many bytes.
fn needed(largest: Option<u64>) -> u64 {
    LEAST.saturating_add(largest.unwrap_or_default().saturating_mul(COPIES))
}

fn size(directory: &Utf8Path) -> u64 {
    // What a symbolic link leads to is no image of ours.
    let files = WalkDir::new(directory)
        .follow_root_links(false)
        .into_iter()
        .filter_map(Result::ok);
    let sizes = files.filter_map(|file| Some(file.metadata().ok()?.len()));
    sizes.sum()
}

#[cfg(test)]
mod tests;
