//! The tar of a canonical layer as older versions of `BuildKit` would have written it: headers patched in place.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use camino::Utf8Path;
use images::{EntryError, Limits, TarEntries};

use tar::Header;

use crate::census::Seekable;

/// What is other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Patch {
    /// Whiteouts have the epoch as their time, as before `BuildKit` 0.19.
    pub(crate) whiteouts: bool,
    /// Directories that a COPY made are open to all readers, as before `BuildKit` 0.21.
    pub(crate) directories: bool,
}

/// What Docker's daemon takes from the permissions of directories that it makes, and what those are otherwise.
const UMASK: u32 = 0o022;
const USUAL: u32 = 0o755;

/// Changes the tar in a file, whose step copies with the permissions `mode`. Returns whether there was anything to
/// change.
pub(crate) fn patch(
    tar: &Utf8Path,
    patch: Patch,
    mode: Option<u32>,
    epoch: i64,
) -> io::Result<bool> {
    let file = File::options().read(true).write(true).open(tar)?;
    let made = mode
        .map(|mode| mode & 0o777 & !UMASK)
        .filter(|made| Some(*made) != mode);
    let mut entries = TarEntries::new(Seekable::open(tar)?, &Limits::DEFAULT);
    let mut is_other = false;
    while let Some(entry) = entries.next().map_err(of_entry)? {
        let mut header = entry.header.clone();
        let name = entry.path.rsplit(|byte| *byte == b'/').next();
        let is_whiteout = name.is_some_and(|name| name.starts_with(b".wh."));
        let is_directory = entry.kind() == b'5';
        if patch.whiteouts && is_whiteout {
            header.set_mtime(epoch.cast_unsigned());
        } else if patch.directories && is_directory && made == header.mode().ok() {
            set_mode(&mut header, USUAL);
        } else {
            continue;
        }
        set_checksum(&mut header);
        // The header is the last block before the content.
        file.write_all_at(header.as_bytes(), entry.content - 512)?;
        is_other = true;
    }
    Ok(is_other)
}

/// Writes a mode as Go does: seven digits and a NUL.
fn set_mode(header: &mut Header, mode: u32) {
    header.as_mut_bytes()[100..108].copy_from_slice(format!("{mode:07o}\0").as_bytes());
}

/// Writes a checksum as Go does: six digits, a NUL, and a blank.
fn set_checksum(header: &mut Header) {
    let bytes = header.as_mut_bytes();
    bytes[148..156].fill(b' ');
    let sum: u32 = bytes.iter().map(|byte| u32::from(*byte)).sum();
    bytes[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}

fn of_entry(error: EntryError) -> io::Error {
    match error {
        EntryError::Io(error) => error,
        error => io::Error::other(error),
    }
}
