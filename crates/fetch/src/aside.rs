//! What is kept for inspection because it has another hash than it should: in a directory that no build reads,
//! under names that are no hashes, and only so much of it.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt as _;

use beneath::{Directory, Kind};
use camino::{Utf8Path, Utf8PathBuf};
use state::copy;

/// The directory, in a store.
pub(crate) const WRONG: &str = "wrong";

/// How many hex digits of its own hash a file's name has.
const DIGITS: usize = 16;

/// How much is kept.
#[derive(Debug, Clone, Copy)]
pub struct Aside {
    /// How many bytes.
    pub bytes: u64,
    /// How many files.
    pub files: usize,
}

impl Default for Aside {
    fn default() -> Self {
        Self {
            bytes: 1 << 30,
            files: 64,
        }
    }
}

/// Returns the path in a store of what should have one hash and has another.
pub(crate) fn path(expected: &str, found: &str) -> Utf8PathBuf {
    let found = found.get(..DIGITS).unwrap_or(found);
    Utf8Path::new(WRONG).join(format!("{expected}-{found}"))
}

impl Aside {
    /// Copies a file of elsewhere into the store, if as much is kept. Returns its path there.
    pub(crate) fn take(
        self,
        store: &Directory,
        file: &File,
        expected: &str,
        found: &str,
    ) -> io::Result<Option<Utf8PathBuf>> {
        if file.metadata()?.len() > self.bytes {
            return Ok(None);
        }
        let path = path(expected, found);
        store.make_directory(WRONG.into())?;
        copy(file, &store.new_file_of_mode(&path, 0o600)?)?;
        self.bound(store)?;
        Ok(Some(path))
    }

    /// Removes the oldest of what is kept, until it is no more than it may be.
    pub(crate) fn bound(self, store: &Directory) -> io::Result<()> {
        let directory = store.make_directory(WRONG.into())?;
        let mut files = Vec::new();
        for entry in directory.entries()? {
            let name = Utf8PathBuf::from(&entry.name);
            match directory.metadata(&name)? {
                Some(found) if entry.kind == Kind::File => {
                    files.push(((found.mtime(), found.mtime_nsec()), found.len(), name));
                }
                _ => directory.remove_raw(&entry.raw)?,
            }
        }
        files.sort_unstable();
        let mut bytes: u64 = files.iter().map(|(_, length, _)| length).sum();
        let mut count = files.len();
        for (_, length, name) in files {
            if bytes <= self.bytes && count <= self.files {
                break;
            }
            directory.remove(&name)?;
            bytes -= length;
            count -= 1;
        }
        Ok(())
    }
}
