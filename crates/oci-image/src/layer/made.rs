//! The directories that a COPY makes on its way: `BuildKit` from 0.21 on gives them the permissions that
//! `--chmod` says, other engines 0755.
//!
//! It knows where a step copies to, not which engine did it: what is right already stays.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::archive::{Archive, Item};
use super::tree::Tree;
use crate::path::TreePath;

/// Where a step copies to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    /// The path as it is written; symbolic links in it are not followed.
    pub path: TreePath,
    /// The permissions that all that is copied has: `--chmod`, if it is a number.
    pub mode: Option<u32>,
}

/// What Docker's daemon takes from the permissions of directories that it makes.
const UMASK: u32 = 0o022;

/// The bit that a directory inherits from the one that it is made in.
const SET_GROUP: u32 = 0o2000;

/// The directories of a build that have other permissions in its image than where it was built.
#[derive(Debug, Default)]
pub(crate) struct MadeDirectories {
    modes: BTreeMap<TreePath, Modes>,
}

#[derive(Debug)]
struct Modes {
    engine: u32,
    image: u32,
}

impl MadeDirectories {
    /// Gives directories the permissions of the image: those that this layer's step made on its way, and
    /// those of earlier layers that are in this one for what is in them. Returns how many have others now.
    pub(crate) fn level(
        &mut self,
        archive: &mut Archive,
        lower: &Tree,
        destination: Option<&Destination>,
    ) -> usize {
        let mut levelled = 0;
        let Archive { items, inodes } = archive;
        // A directory may be deleted and made again in one layer.
        for item in &*items {
            if let Item::Whiteout(path) | Item::Opaque(path) = item {
                self.forget(path);
            }
        }
        let asked = destination.and_then(|destination| destination.mode);
        let is_copied = |path: &TreePath| {
            destination.is_some_and(|destination| path.is_below(&destination.path))
        };
        // The modes of this layer's directories, as they are by now.
        let mut shared = BTreeMap::new();
        for item in &*items {
            let Item::Name(path, id) = item else { continue };
            let engine = inodes[*id].mode;
            let inherits = |parent: TreePath| {
                let below = || lower.get(&parent).map(|node| node.inode.mode);
                let mode = shared.get(&parent).copied().or_else(below);
                mode.is_some_and(|mode| mode & SET_GROUP != 0)
            };
            if !inodes[*id].is_directory() {
                self.forget(path);
            } else if let Some(modes) = self.modes.get(path) {
                if modes.engine == engine && !is_copied(path) {
                    levelled += 1;
                    Arc::make_mut(&mut inodes[*id]).mode = modes.image;
                } else {
                    self.modes.remove(path);
                }
            } else if let Some(asked) = asked.filter(|asked| *asked != engine)
                && !lower.is_directory(path)
            {
                // What was copied has just the permissions that were asked for.
                let inherited = path.ancestors().next().is_some_and(inherits);
                let image = asked & 0o777 & !UMASK | if inherited { SET_GROUP } else { 0 };
                if image != engine {
                    levelled += 1;
                    Arc::make_mut(&mut inodes[*id]).mode = image;
                    self.modes.insert(path.clone(), Modes { engine, image });
                }
            }
            if inodes[*id].is_directory() {
                shared.insert(path.clone(), inodes[*id].mode);
            }
        }
        levelled
    }

    /// Forgets a directory that is gone, with those in it.
    fn forget(&mut self, path: &TreePath) {
        self.modes
            .retain(|directory, _| directory != path && !directory.is_below(path));
    }
}
