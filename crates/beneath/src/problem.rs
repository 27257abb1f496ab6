//! Why a file that is there is not taken.

use std::io;

use camino::Utf8PathBuf;
use thiserror::Error;

/// Why a file is not opened, or not read. It is the source of an [`io::Error`].
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Problem {
    /// A symbolic link stands where a directory or a file of the tree itself is expected.
    #[error("`{0}` is a symbolic link, which is not followed here")]
    Link(Utf8PathBuf),
    /// The path leads out of the directory: it is absolute, or has `..` in it.
    #[error("`{0}` is not a path below its directory")]
    Outside(Utf8PathBuf),
    /// It is a directory, a named pipe, a socket or a device.
    #[error("it is {0}, not a regular file")]
    NotRegular(&'static str),
    /// It is larger than a file of its kind may be, in bytes.
    #[error("it is larger than {0} bytes, the limit for a file of this kind")]
    TooLarge(u64),
    /// Its contents are not UTF-8.
    #[error("it is not UTF-8: the byte at offset {0} begins no valid character")]
    NotUtf8(usize),
}

impl From<Problem> for io::Error {
    fn from(problem: Problem) -> Self {
        Self::new(io::ErrorKind::InvalidInput, problem)
    }
}

/// Returns what somebody can do who has typed a path that `error` is of.
pub fn hint(error: &io::Error) -> &'static str {
    match problem(error) {
        Some(Problem::Link(_)) => {
            "no symbolic link in the tree is followed: name what it leads to, if that is what you mean"
        }
        _ => "name another path, or check its permissions",
    }
}

/// Returns why a file was not taken, if that is what `error` says.
pub fn problem(error: &io::Error) -> Option<&Problem> {
    error.get_ref()?.downcast_ref()
}
