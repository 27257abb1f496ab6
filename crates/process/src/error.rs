//! Why a child could not be run to its end. A child that ran and failed is not an error here:
//! its exit status is for the caller to judge.

use std::io;
use std::time::Duration;

use camino::Utf8PathBuf;

/// Why a child could not be run to its end.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such program.
    #[error("`{program}` was not found")]
    NotFound {
        /// The name or path that was looked for.
        program: Utf8PathBuf,
    },
    /// The program is there, but may not be executed.
    #[error("`{program}` is not executable")]
    NotPermitted {
        /// The program's path.
        program: Utf8PathBuf,
    },
    /// The operating system could not start the program, or its output could not be read.
    #[error("`{program}` cannot be run: {source}")]
    Io {
        /// The program's path.
        program: Utf8PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The program ran for longer than it was given, and was ended.
    #[error("`{program}` did not finish within {} s and was ended", limit.as_secs())]
    TimedOut {
        /// The program's path.
        program: Utf8PathBuf,
        /// How long it was given.
        limit: Duration,
    },
    /// The program wrote nothing for longer than it was given, and was ended.
    #[error("`{program}` wrote nothing for {} s and was ended", limit.as_secs())]
    Silent {
        /// The program's path.
        program: Utf8PathBuf,
        /// How long it may write nothing.
        limit: Duration,
    },
    /// A signal that is not ours ended the program.
    #[error("`{program}` was ended by signal {signal}")]
    Killed {
        /// The program's path.
        program: Utf8PathBuf,
        /// The signal's number.
        signal: i32,
    },
    /// The program wrote more to its standard output than is kept, and was ended.
    #[error("`{program}` wrote more than {limit} bytes and was ended")]
    Flooded {
        /// The program's path.
        program: Utf8PathBuf,
        /// How many bytes it was allowed.
        limit: usize,
    },
}

/// What to do where a program was ended by a signal.
pub const KILLED_HINT: &str = "run the same command again. If it is ended again, the kernel may have done it because \
     memory is short, which `dmesg` says";

impl Error {
    /// Tells whether somebody else ended the program, so that it may run to its end the next time.
    pub fn is_killed(&self) -> bool {
        matches!(self, Self::Killed { .. })
    }

    /// Returns what the user can do about it, if that is the same whatever was run.
    pub fn hint(&self) -> Option<&'static str> {
        self.is_killed().then_some(KILLED_HINT)
    }

    pub(crate) fn from_start(program: &camino::Utf8Path, source: io::Error) -> Self {
        let program = program.to_owned();
        match source.kind() {
            io::ErrorKind::NotFound => Self::NotFound { program },
            io::ErrorKind::PermissionDenied => Self::NotPermitted { program },
            _ => Self::Io { program, source },
        }
    }
}
