//! `COPY` and `ADD` of local files, as `BuildKit` does them.
//!
//! It does not know which files are taken: that is [found](crate::taken) before.

use rustix::fs::FileType;

use crate::copying::{Copying, Ownership};
use crate::error::{Error, Result};
use crate::expand::expand;
use crate::mode::Permissions;
use crate::place::Place;
use crate::taken::{Taken, TakenPlace};
use crate::tree::{Tree, kind};
use crate::tree_copy::{Exactness, copy_to};

/// The mode of directories that are made on the way to a destination, if none is asked for what is copied.
const DIRECTORY_MODE: u32 = 0o755;
/// What Docker's daemon takes from the mode that is asked for.
const UMASK: u32 = 0o022;

/// What is copied from.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// The files.
    pub tree: &'a Tree,
    /// To whom they belong.
    pub ownership: Ownership,
}

/// Copies what was taken of `source`. Archives that were taken as such are unpacked.
pub fn copy(source: Source<'_>, taken: &Taken, into: &Tree, copying: &Copying<'_>) -> Result<()> {
    for found in &taken.found {
        if found.is_archive {
            let directory = into.resolve(copying.destination)?;
            into.make_directories(&directory, DIRECTORY_MODE, copying.owner)?;
            let below = Tree::of(into.directory(&directory)?);
            expand(source.tree, &found.leads_to, &below, copying.owner)?;
        } else {
            copy_one(source, (taken, found), into, copying)?;
        }
    }
    Ok(())
}

fn copy_one(
    source: Source<'_>,
    (taken, found): (&Taken, &TakenPlace),
    into: &Tree,
    copying: &Copying<'_>,
) -> Result<()> {
    let owner = copying.owner;
    let end = copying.destination.iter().rposition(|byte| *byte == b'/');
    let (directory, name) = copying.destination.split_at(end.map_or(0, |end| end + 1));
    let ensured = if matches!(name, b"" | b".") {
        copying.destination
    } else {
        directory
    };
    let mode = match copying.mode {
        Some(Permissions::Are(bits)) => bits & 0o777 & !UMASK,
        _ => DIRECTORY_MODE,
    };
    into.make_directories(&into.resolve(ensured)?, mode, owner)?;

    let mut destination = into.resolve(Place::new(copying.destination).as_bytes())?;
    let status = source.tree.status(&found.leads_to)?;
    let status = status.ok_or_else(|| Error::NotFound(found.place.to_string()))?;
    let there = into.status(&destination)?.map(|status| kind(&status));
    let is_directory = kind(&status) == FileType::Directory;
    if !is_directory && there == Some(FileType::Directory) {
        destination = destination.join(found.place.name().unwrap_or_default());
    }
    let made = if is_directory && there.is_none() {
        destination.clone()
    } else {
        destination.parent()
    };
    into.make_directories(&made, mode, owner)?;

    copy_to(
        (source.tree, &found.leads_to),
        (into, &destination),
        (copying, taken.filter.as_ref()),
        source.ownership,
        Exactness::Copy,
    )
}
