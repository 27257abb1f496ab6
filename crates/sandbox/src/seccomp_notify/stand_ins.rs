//! What is held up of a process, and what stands in for what the kernel does not make: that is for whoever starts
//! the process to say. It does not know calls.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::fs::{FileType, Stat};

use crate::held::Watch;

/// Says what stands in for what the kernel does not make.
pub trait StandIns: std::fmt::Debug + Send + Sync {
    /// Has an empty file, just made, stand for a device.
    fn stand_for(&self, file: BorrowedFd<'_>, kind: FileType, number: u64) -> io::Result<()>;

    /// Gives a file, of which the descriptor says no more than where it is, to a user, a group or both.
    /// It is an error, [`InvalidInput`](io::ErrorKind::InvalidInput), if nobody can be told of it later.
    fn give(&self, file: BorrowedFd<'_>, user: Option<u32>, group: Option<u32>) -> io::Result<()>;

    /// Returns the status of what a file stands for; nothing if it is what it seems to be. It is an error,
    /// [`InvalidData`](io::ErrorKind::InvalidData), if that cannot be told.
    fn status(&self, file: BorrowedFd<'_>) -> io::Result<Option<Stat>>;

    /// Tells whether an attribute says of a file what it stands for.
    fn is_mark(&self, attribute: &[u8]) -> bool;
}

/// What is held up of a process, and who answers.
#[derive(Debug, Clone)]
pub struct Held {
    /// The first user, and the first group, that is not given a file without asking.
    pub beyond: u32,
    /// Which calls are held up.
    pub watch: Watch,
    /// What says what stands in, and for what.
    pub stand_ins: Arc<dyn StandIns>,
    /// The regular files that have the set-user-ID or the set-group-ID bit already. Of each the descriptor says
    /// no more than where it is.
    pub set_ids: Vec<Arc<OwnedFd>>,
    /// The directory that takes what is changed below the process's root, if there is one.
    pub changes: Option<Arc<OwnedFd>>,
}
