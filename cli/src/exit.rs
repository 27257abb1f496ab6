//! Exit codes, which are documented API: see `docs/exit-codes.md`.

use std::process::ExitCode;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Everything that was asked for holds.
    Success,
    /// A package could not be built, a digest is not the recorded one, or there is none to compare.
    Failed,
    /// The command line is wrong, or names something that is not there.
    Usage,
    /// The package tree is wrong.
    Tree,
    /// No runtime that was asked for is ready.
    NoRuntime,
    /// The operating system or an engine refused something that has nothing to do with a
    /// package.
    Environment,
    /// The user interrupted it.
    Interrupted,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Success => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::Tree => 3,
            Exit::NoRuntime => 4,
            Exit::Environment => 5,
            Exit::Interrupted => 130,
        })
    }
}
