//! How the program ends. What each code means is said once, with the kinds of errors.

use std::process::ExitCode;

pub(crate) use documents::ErrorKind;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Everything that was asked for holds.
    Success,
    /// It does not, for a reason of this kind.
    Error(ErrorKind),
}

impl From<ErrorKind> for Exit {
    fn from(kind: ErrorKind) -> Self {
        Self::Error(kind)
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Success => Self::SUCCESS,
            Exit::Error(kind) => Self::from(kind.exit_code()),
        }
    }
}
