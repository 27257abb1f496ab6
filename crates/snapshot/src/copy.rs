//! `COPY` and `ADD` of local files, as `BuildKit` does them.

use patterns::Filter;
use rustix::fs::FileType;

use crate::copier::{Copier, Exactness};
use crate::error::{Error, Result};
use crate::expand::{expand, is_archive};
use crate::mode::Permissions;
use crate::place::Place;
use crate::tree::{Tree, kind};
use crate::users::Owner;

/// The mode of folders that are made on the way to a destination, if none is asked for what is copied.
const FOLDER_MODE: u32 = 0o755;
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

/// To whom the files of a source belong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ownership {
    /// To whom the tree says: it is a build's own.
    Kept,
    /// To user and group 0, without attributes: it is somebody's folder.
    Root,
}

/// How to copy.
#[derive(Debug, Clone, Copy)]
pub struct Copying<'a> {
    /// Where to: absolute, with a slash at its end if it has to be a folder.
    pub destination: &'a [u8],
    /// Who owns what is copied, if not whom the source says.
    pub owner: Option<Owner>,
    /// The permissions of what is copied, if not those of the source. If it is a number, folders that
    /// are made on the way have it too, but what is unpacked has its own.
    pub mode: Option<&'a Permissions>,
    /// What is copied of a folder, if not everything: a pattern, from that folder on. The folders on
    /// the way to it come along.
    pub include: Option<&'a [u8]>,
    /// What is not copied of a folder: patterns, from that folder on.
    pub exclude: &'a [String],
    /// Archives are unpacked.
    pub unpack: bool,
}

/// Copies what `path`, which may be a pattern, stands for in `source`. A pattern may stand for
/// nothing, a path may not.
pub fn copy(source: Source<'_>, path: &[u8], into: &Tree, copying: &Copying<'_>) -> Result<()> {
    let filter = &Filter::new(copying.include, copying.exclude)?;
    for found in find(source.tree, path)? {
        let followed = source.tree.resolve(found.as_bytes())?;
        if copying.unpack && is_archive(source.tree, &followed)? {
            let folder = into.resolve(copying.destination)?;
            let owner = copying.owner.unwrap_or(Owner::ROOT);
            into.make_folders(&folder, FOLDER_MODE, owner)?;
            let below = Tree::of(into.folder(&folder)?);
            expand(source.tree, &followed, &below, copying.owner)?;
            continue;
        }
        copy_one(source, &found, &followed, into, (copying, filter.as_ref()))?;
    }
    Ok(())
}

/// Returns what a path or pattern stands for, in the order of a walk. A pattern may stand for
/// nothing; whether there is something at a path is not asked.
pub fn find(tree: &Tree, path: &[u8]) -> Result<Vec<Place>> {
    let place = Place::new(path);
    let names: Vec<&[u8]> = place.names().collect();
    let Some(first) = names.iter().position(|name| patterns::is_pattern(name)) else {
        return Ok(vec![place]);
    };
    let mut start = Place::root();
    for name in &names[..first] {
        start.step(name);
    }
    let start = tree.resolve(start.as_bytes())?;
    let pattern = names[first..].join(&b'/');
    let mut found = Vec::new();
    let mut walk = Matching {
        tree,
        pattern: &pattern,
        depth: names.len() - first,
        found: &mut found,
    };
    walk.below(&start, &[], 1)?;
    Ok(found)
}

struct Matching<'a> {
    tree: &'a Tree,
    pattern: &'a [u8],
    /// How many names the pattern has: none of its parts matches a slash.
    depth: usize,
    found: &'a mut Vec<Place>,
}

impl Matching<'_> {
    fn below(&mut self, folder: &Place, relative: &[u8], depth: usize) -> Result<()> {
        match self.tree.status(folder)? {
            Some(status) if kind(&status) == FileType::Directory => {}
            Some(_) => return Ok(()),
            None => return Err(Error::NotFound(folder.to_string())),
        }
        for name in self.tree.names(folder)? {
            let place = folder.join(&name);
            let mut path = relative.to_vec();
            path.extend_from_slice(&name);
            if patterns::matches(self.pattern, &path)? {
                self.found.push(place);
                continue;
            }
            let status = self.tree.status(&place)?;
            let is_folder = status.is_some_and(|status| kind(&status) == FileType::Directory);
            if is_folder && depth < self.depth {
                path.push(b'/');
                self.below(&place, &path, depth + 1)?;
            }
        }
        Ok(())
    }
}

fn copy_one(
    source: Source<'_>,
    found: &Place,
    followed: &Place,
    into: &Tree,
    (copying, filter): (&Copying<'_>, Option<&Filter>),
) -> Result<()> {
    let owner = copying.owner.unwrap_or(Owner::ROOT);
    let end = copying.destination.iter().rposition(|byte| *byte == b'/');
    let (folder, name) = copying.destination.split_at(end.map_or(0, |end| end + 1));
    let ensured = if matches!(name, b"" | b".") {
        copying.destination
    } else {
        folder
    };
    let mode = match copying.mode {
        Some(Permissions::Are(bits)) => bits & 0o777 & !UMASK,
        _ => FOLDER_MODE,
    };
    into.make_folders(&into.resolve(ensured)?, mode, owner)?;

    let mut destination = into.resolve(Place::new(copying.destination).as_bytes())?;
    let status = source.tree.status(followed)?;
    let status = status.ok_or_else(|| Error::NotFound(found.to_string()))?;
    let there = into.status(&destination)?.map(|status| kind(&status));
    let is_folder = kind(&status) == FileType::Directory;
    if !is_folder && there == Some(FileType::Directory) {
        destination = destination.join(found.name().unwrap_or_default());
    }
    let made = if is_folder && there.is_none() {
        destination.clone()
    } else {
        destination.parent()
    };
    into.make_folders(&made, mode, owner)?;

    let mut copier = Copier::new(source.ownership, copying, into, Exactness::Copy);
    copier.filter = filter;
    copier.copy_from(source.tree, followed, &destination)
}
