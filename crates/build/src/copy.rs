//! A copy of an open file, which never shares more than blocks with it.

use std::fs::File;
use std::io;

use camino::Utf8Path;
use rustix::fs::{Mode, fchmod};
use state::Hash;

/// Copies `from`, of which nothing was read yet, into a new file at `to`, with this mode whatever
/// the umask: what a build writes into its context must not reach the file that was copied.
pub(crate) fn copy(from: &File, to: &Utf8Path, mode: u32) -> io::Result<(File, Hash)> {
    let mut options = File::options();
    let copy = options.read(true).write(true).create_new(true).open(to)?;
    fchmod(&copy, Mode::from_raw_mode(mode))?;
    let hash = state::copy(from, &copy)?;
    Ok((copy, hash))
}

#[cfg(test)]
mod tests;
