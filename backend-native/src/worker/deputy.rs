//! What an ordinary user's kernel does not do for a RUN, done as for a COPY: something stands in.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::fs::{FileType, Stat};
use sandbox::{Held, Watch};
use snapshot::{Place, Stack, Tree};

use super::builder::{Builder, lock};
use super::failure::Result;

impl Builder {
    /// Returns the files of a file system that have the set-user-ID or the set-group-ID bit, where the kernel takes it
    /// from what a RUN writes to. `tree` is what `stack` shows.
    pub(super) fn set_ids(&self, stack: &Stack, tree: &Tree) -> Result<Vec<Arc<OwnedFd>>> {
        let mut files = Vec::new();
        if snapshot::stand_in().is_none() {
            return Ok(files);
        }
        for folder in stack.folders() {
            let known = lock(&self.set_ids).get(folder).cloned();
            let places = match known {
                Some(places) => places,
                None => Arc::from(snapshot::set_ids(&Tree::open(folder)?)?),
            };
            let opened = snapshot::open_all(tree, &places)?;
            files.extend(opened.into_iter().map(Arc::new));
            lock(&self.set_ids).insert(folder.clone(), places);
        }
        Ok(files)
    }
}

/// Returns such files of what is mounted at a place of a tree.
pub(super) fn set_ids_at(tree: &Tree, target: &Place) -> Result<Vec<Arc<OwnedFd>>> {
    let place = tree.resolve(target.as_bytes())?;
    let files = match tree.folder(&place) {
        Ok(folder) => {
            let mounted = Tree::of(folder);
            snapshot::open_all(&mounted, &snapshot::set_ids(&mounted)?)?
        }
        // It is a file.
        Err(_) => snapshot::open_all(tree, &[place])?,
    };
    Ok(files.into_iter().map(Arc::new).collect())
}

/// Makes stand-ins.
#[derive(Debug)]
struct StandIns;

/// Returns which calls of a RUN are held up, and who answers them; nothing where the kernel does all. Only
/// where a file may stand for another, the calls are held up that could tell: each look at a file.
///
/// `set_ids` are the files that have the set-user-ID or the set-group-ID bit when it begins.
pub(super) fn held(set_ids: Vec<Arc<OwnedFd>>) -> Option<Held> {
    let watch = if snapshot::has_stand_ins() {
        Watch::Everything
    } else {
        Watch::Changes
    };
    Some(Held {
        beyond: snapshot::stand_in()?,
        watch,
        deputy: Arc::new(StandIns),
        set_ids,
    })
}

impl sandbox::Deputy for StandIns {
    fn stand_for(&self, file: BorrowedFd<'_>, kind: FileType, number: u64) -> io::Result<()> {
        Ok(snapshot::stand_for(file, kind, number)?)
    }

    fn give(&self, file: BorrowedFd<'_>, user: Option<u32>, group: Option<u32>) -> io::Result<()> {
        Ok(snapshot::give(file, user, group)?)
    }

    fn status(&self, file: BorrowedFd<'_>) -> io::Result<Option<Stat>> {
        Ok(snapshot::status_of(file)?)
    }

    fn is_mark(&self, attribute: &[u8]) -> bool {
        snapshot::is_mark(attribute)
    }
}
