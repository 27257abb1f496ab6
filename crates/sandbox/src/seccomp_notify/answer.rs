//! What becomes of a call that is held up, and of the process that makes it.

use std::io;

use rustix::io::Errno;

/// What the answers to a process's calls have come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It was told what it should be told.
    Right,
    /// It was ended, since something would come to stand in that it could see: it has to begin again, and
    /// [everything](crate::Watch::Everything) has to be held up.
    Again,
    /// It was ended, for this reason: it cannot be told what it should be told.
    Refused(String),
    /// This file, by its path, has lost the set-user-ID or the set-group-ID bit, which it would not have lost to
    /// the system's root, since it was written to.
    ModeLost(String),
}

/// What a call that is held up is answered.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// It was done, and this is what it gives.
    Value(i64),
    /// The kernel does it: nothing stands in. What the call names may be something else by then, if the
    /// build itself changes it meanwhile; that is as if it had been changed before.
    Kernel,
}

/// Why a call was not done.
#[derive(Debug)]
pub(super) enum Stop {
    /// As the kernel of the system's root would say it.
    Errno(Errno),
    /// The process ends.
    Verdict(Verdict),
}

impl Stop {
    pub(super) fn refused(why: &str) -> Self {
        Self::Verdict(Verdict::Refused(why.to_owned()))
    }
}

impl From<Errno> for Stop {
    fn from(errno: Errno) -> Self {
        Self::Errno(errno)
    }
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Errno(Errno::from_io_error(&error).unwrap_or(Errno::IO))
    }
}
