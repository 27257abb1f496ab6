//! The store by content: files named by their SHA-256, that are written once and never changed.
//!
//! ```text
//! sha256/<hash>            a whole file, mode 0444
//! partial/<hash>           what has arrived of one, locked by whoever fetches it
//! partial/<hash>.json      from where, and the validator of the file there
//! wrong/<hash>-<found>     what arrived instead of one
//! ```
//!
//! It knows files and hashes, neither trees nor mirrors. Whoever takes a file out of it hashes what he takes.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt as _;

use beneath::{Directory, Kind, Problem};
use camino::{Utf8Path, Utf8PathBuf};
use rustix::fs::{AtFlags, Mode, Timespec, Timestamps, UTIME_NOW, UTIME_OMIT, fchmod, utimensat};

use crate::aside::{self, Aside, WRONG};

/// The directories in it.
pub(crate) const WHOLE: &str = "sha256";
pub(crate) const PARTIAL: &str = "partial";

/// The mode of a whole file.
const MODE: u32 = 0o444;

/// A store by content.
#[derive(Debug)]
pub struct Store {
    pub(crate) directory: Directory,
    pub(crate) aside: Aside,
}

/// What was removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Removed {
    /// How many files.
    pub files: u64,
    /// How many bytes they had.
    pub bytes: u64,
}

/// A file of the store; the one that was not used for the longest time is the least.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct StoredFile {
    used: (i64, i64),
    length: u64,
    name: String,
    part: &'static str,
}

impl Store {
    /// Opens the store in a directory that is trusted, and makes it if it is not there.
    pub fn open(path: &Utf8Path) -> io::Result<Self> {
        let directory = Directory::open_or_make(path)?;
        for part in [WHOLE, PARTIAL, WRONG] {
            directory.make_directory(part.into())?;
        }
        let store = Self {
            directory,
            aside: Aside::default(),
        };
        store.sweep()?;
        Ok(store)
    }

    /// Removes what killed processes have left of notes that they were writing. Only who has locked the partial file of
    /// a hash writes a note of it: one that nobody has locked is nobody's.
    fn sweep(&self) -> io::Result<()> {
        for entry in self.directory.directory(PARTIAL.into())?.entries()? {
            let Some((hash, _)) = entry
                .name
                .strip_prefix('.')
                .and_then(|name| name.split_once('.'))
            else {
                continue;
            };
            let lock = match self.directory.file(&partial(hash)) {
                Ok(file) => match file.try_lock() {
                    Ok(()) => Some(file),
                    Err(_) => continue,
                },
                // Nobody can write a note of it, or only another one.
                Err(_) => None,
            };
            self.directory
                .remove(&Utf8Path::new(PARTIAL).join(&entry.name))?;
            drop(lock);
        }
        Ok(())
    }

    /// Returns its path.
    pub fn path(&self) -> &Utf8Path {
        self.directory.path()
    }

    /// Returns how many bytes a whole file has, if it is there.
    pub(crate) fn size(&self, hash: &str) -> io::Result<Option<u64>> {
        let found = self.directory.metadata(&whole(hash))?;
        Ok(found
            .filter(std::fs::Metadata::is_file)
            .map(|found| found.len()))
    }

    /// Opens a whole file, if it is there. What has its name and is no file is removed.
    pub(crate) fn file(&self, hash: &str) -> io::Result<Option<File>> {
        let path = whole(hash);
        match self.directory.file(&path) {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => match beneath::problem(&error) {
                Some(Problem::Link(_) | Problem::NotRegular(_)) => {
                    self.directory.remove(&path)?;
                    Ok(None)
                }
                _ => Err(error),
            },
        }
    }

    /// Notes that a file is used now: what was not used for the longest time is removed first.
    pub(crate) fn used(&self, hash: &str) -> io::Result<()> {
        let now = Timespec {
            tv_sec: 0,
            tv_nsec: UTIME_NOW,
        };
        let stays = Timespec {
            tv_sec: 0,
            tv_nsec: UTIME_OMIT,
        };
        let times = Timestamps {
            last_access: stays,
            last_modification: now,
        };
        let path = whole(hash);
        let flags = AtFlags::SYMLINK_NOFOLLOW;
        match utimensat(&self.directory, path.as_str(), &times, flags) {
            // Somebody else's store may be read only.
            Ok(())
            | Err(rustix::io::Errno::NOENT | rustix::io::Errno::ROFS | rustix::io::Errno::PERM) => {
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Gives a partial file, whose contents have this hash, its final name.
    pub(crate) fn finish(&self, file: &File, hash: &str) -> io::Result<()> {
        fchmod(file, Mode::from_raw_mode(MODE))?;
        let path = whole(hash);
        // A directory in its place is not from here.
        if self
            .directory
            .metadata(&path)?
            .is_some_and(|found| found.is_dir())
        {
            self.directory.remove(&path)?;
        }
        // If this is killed in between, the partial file is found to be whole.
        self.directory.remove(&note(hash))?;
        self.directory.rename(&partial(hash), &path)
    }

    /// Moves aside what has the name of a whole file and another hash. Returns its path.
    pub(crate) fn damaged(&self, hash: &str, found: &str) -> io::Result<Utf8PathBuf> {
        self.move_aside(&whole(hash), hash, found)
    }

    /// Moves aside what arrived instead of a file. Returns its path.
    pub(crate) fn wrong(&self, hash: &str, found: &str) -> io::Result<Utf8PathBuf> {
        self.directory.remove(&note(hash))?;
        self.move_aside(&partial(hash), hash, found)
    }

    fn move_aside(&self, path: &Utf8Path, hash: &str, found: &str) -> io::Result<Utf8PathBuf> {
        let to = aside::path(hash, found);
        self.directory.make_directory(WRONG.into())?;
        match self.directory.rename(path, &to) {
            // Another process has moved it.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            renamed => renamed?,
        }
        self.aside.bound(&self.directory)?;
        Ok(self.path().join(to))
    }

    /// Removes files until all have at most `limit` bytes: first what has arrived of files and nobody goes on with, then
    /// whole files that were not used for the longest time. Those whose hashes are in `keep` stay.
    pub fn bound(&self, limit: u64, keep: &BTreeSet<String>) -> io::Result<Removed> {
        let (partial, whole) = (self.oldest_first(PARTIAL)?, self.oldest_first(WHOLE)?);
        let files = partial.iter().chain(&whole);
        let mut total: u64 = files.map(|file| file.length).sum();
        let mut removed = Removed::default();
        for file in partial.iter().chain(&whole) {
            if total <= limit {
                break;
            }
            if keep.contains(&file.name) || !self.remove_unused(file)? {
                continue;
            }
            total -= file.length;
            removed.files += 1;
            removed.bytes += file.length;
        }
        Ok(removed)
    }

    fn oldest_first(&self, part: &'static str) -> io::Result<Vec<StoredFile>> {
        let directory = self.directory.make_directory(part.into())?;
        let mut files = Vec::new();
        for entry in directory.entries()? {
            // Notes are small, and go with their files.
            if entry.kind != Kind::File || entry.name.contains('.') {
                continue;
            }
            if let Some(found) = directory.metadata(Utf8Path::new(&entry.name))? {
                files.push(StoredFile {
                    used: (found.mtime(), found.mtime_nsec()),
                    length: found.len(),
                    name: entry.name,
                    part,
                });
            }
        }
        files.sort_unstable();
        Ok(files)
    }

    /// Removes a file, unless it is just arriving. Returns whether it did.
    fn remove_unused(&self, file: &StoredFile) -> io::Result<bool> {
        let path = Utf8Path::new(file.part).join(&file.name);
        let lock = if file.part == PARTIAL {
            match self.directory.file(&path) {
                Ok(file) if file.try_lock().is_ok() => Some(file),
                _ => return Ok(false),
            }
        } else {
            None
        };
        if lock.is_some() {
            self.directory.remove(&note(&file.name))?;
        }
        self.directory.remove(&path)?;
        Ok(true)
    }

    /// Removes everything in it.
    pub fn clear(&self) -> io::Result<Removed> {
        let mut removed = Removed::default();
        for part in [WHOLE, PARTIAL, WRONG] {
            let directory = self.directory.make_directory(part.into())?;
            for entry in directory.entries()? {
                let found = directory.metadata(Utf8Path::new(&entry.name))?;
                directory.remove_raw(&entry.raw)?;
                removed.files += 1;
                removed.bytes += found.map_or(0, |found| found.len());
            }
        }
        Ok(removed)
    }
}

/// Returns the path of a whole file.
pub(crate) fn whole(hash: &str) -> Utf8PathBuf {
    Utf8Path::new(WHOLE).join(hash)
}

/// Returns the path of a partial file.
pub(crate) fn partial(hash: &str) -> Utf8PathBuf {
    Utf8Path::new(PARTIAL).join(hash)
}

/// Returns the path of the note on a partial file.
pub(crate) fn note(hash: &str) -> Utf8PathBuf {
    Utf8Path::new(PARTIAL).join(format!("{hash}.json"))
}
