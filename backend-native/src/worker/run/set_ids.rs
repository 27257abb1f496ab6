//! The files that have the set-user-ID or the set-group-ID bit when a RUN begins: the kernel takes it from
//! what an ordinary user's RUN writes to.
//!
//! It does not know who watches what is written.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use snapshot::{Place, Stack, Tree};

use crate::worker::failure::Result;
use crate::worker::threads::lock;

/// Where in each directory of a stack such files are, once they were looked for.
#[derive(Debug, Default)]
pub(crate) struct SetIds(Mutex<BTreeMap<PathBuf, Arc<[Place]>>>);

impl SetIds {
    /// Returns such files of a file system; none where the kernel leaves them their bits. `tree` is what
    /// `stack` shows.
    pub(crate) fn of(&self, stack: &Stack, tree: &Tree) -> Result<Vec<Arc<OwnedFd>>> {
        let mut files = Vec::new();
        if snapshot::stand_in().is_none() {
            return Ok(files);
        }
        for directory in stack.directories() {
            let known = lock(&self.0).get(directory).cloned();
            let places = match known {
                Some(places) => places,
                None => Arc::from(snapshot::set_ids(&Tree::open(directory)?)?),
            };
            let opened = snapshot::open_all(tree, &places)?;
            files.extend(opened.into_iter().map(Arc::new));
            lock(&self.0).insert(directory.clone(), places);
        }
        Ok(files)
    }
}

/// Returns such files of what is mounted at a place of a tree.
pub(crate) fn set_ids_at(tree: &Tree, target: &Place) -> Result<Vec<Arc<OwnedFd>>> {
    let place = tree.resolve(target.as_bytes())?;
    let files = match tree.directory(&place) {
        Ok(directory) => {
            let mounted = Tree::of(directory);
            snapshot::open_all(&mounted, &snapshot::set_ids(&mounted)?)?
        }
        // It is a file.
        Err(_) => snapshot::open_all(tree, &[place])?,
    };
    Ok(files.into_iter().map(Arc::new).collect())
}
