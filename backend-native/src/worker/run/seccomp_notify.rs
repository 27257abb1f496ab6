//! What an ordinary user's kernel does not do for a RUN, done as for a COPY: something stands in.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::fs::{FileType, Stat};
use sandbox::{Held, StandIns, Watch};

/// Stand-ins as `snapshot` makes and marks them.
#[derive(Debug)]
struct Marked;

/// Returns which calls of a RUN are held up, and who answers them; nothing where the kernel does all. Only
/// where a file may stand for another, the calls are held up that could tell: each look at a file.
///
/// `set_ids` are the files that have the set-user-ID or the set-group-ID bit when it begins.
pub(crate) fn held(set_ids: Vec<Arc<OwnedFd>>) -> Option<Held> {
    let watch = if snapshot::has_stand_ins() {
        Watch::Everything
    } else {
        Watch::Changes
    };
    Some(Held {
        beyond: snapshot::stand_in()?,
        watch,
        stand_ins: Arc::new(Marked),
        set_ids,
        changes: None,
    })
}

impl StandIns for Marked {
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
