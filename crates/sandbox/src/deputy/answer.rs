//! What becomes of a call that is held up.

use std::io;

use rustix::io::Errno;

use super::Verdict;

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
