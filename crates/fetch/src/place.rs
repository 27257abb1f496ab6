//! Putting a file where it belongs in a tree: a copy of its own, whole or not at all.
//!
//! A hard link to the store would be smaller. `StageX`'s own Makefile makes hard links of what lies in `fetch/`
//! into contexts, and a build that writes there would then write into the store, for all trees.

use std::fs::{File, Metadata, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::sync::{Mutex, PoisonError};

use beneath::Directory;
use camino::{Utf8Path, Utf8PathBuf};
use rustix::fs::{Mode, fchmod};
use rustix::rand::{GetRandomFlags, getrandom};
use state::{copy, copy_hashed};

use crate::wanted::Wanted;

/// The directory of files that are being made, in a tree. No stage has such a name.
const WORK: &str = "fetch/.stagex";
/// The file in it that is locked by whoever makes files.
const LOCK: &str = "lock";
/// The mode of a file, which becomes that of a file of an image where a Containerfile copies it.
const MODE: u32 = 0o644;

/// What is known of a file that is put into a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Contents {
    /// It was found in the store, where a disk or somebody else may have changed it.
    Found,
    /// This process has just written it, and hashed what it wrote.
    JustHashed,
}

/// A tree whose `fetch/` files are put into.
#[derive(Debug)]
pub(crate) struct Places {
    tree: Directory,
    /// The lock of whoever makes files, once there was one to be made. A tree that has everything may be read only.
    lock: Mutex<Option<File>>,
}

impl Places {
    /// Opens a tree.
    pub(crate) fn open(root: &Utf8Path) -> io::Result<Self> {
        Ok(Self {
            tree: Directory::open(root)?,
            lock: Mutex::default(),
        })
    }

    /// Makes sure that files can be made. What a killed process has left is removed if no other process makes files.
    fn prepare(&self) -> io::Result<()> {
        let mut held = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        if held.is_some() {
            return Ok(());
        }
        let work = self.tree.make_directory(WORK.into())?;
        let is_file = |found: Metadata| found.is_file() && found.nlink() == 1;
        if work
            .metadata(LOCK.into())?
            .is_some_and(|found| !is_file(found))
        {
            work.remove(LOCK.into())?;
        }
        let lock = work.file_to_keep(LOCK.into(), 0o600)?;
        match lock.try_lock() {
            Ok(()) => {
                let mut others = work
                    .entries()?
                    .into_iter()
                    .filter(|entry| entry.name != LOCK);
                others.try_for_each(|entry| work.remove_raw(&entry.raw))?;
            }
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => return Err(error),
        }
        lock.lock_shared()?;
        *held = Some(lock);
        Ok(())
    }

    /// Puts a copy of a file where it belongs, if its hash is the right one. Returns the hash that it has.
    pub(crate) fn put(
        &self,
        file: &File,
        contents: Contents,
        wanted: &Wanted,
    ) -> io::Result<String> {
        self.prepare()?;
        let temporary = Utf8Path::new(WORK).join(random()?);
        let made = self.tree.new_file_of_mode(&temporary, MODE)?;
        let put = || -> io::Result<String> {
            fchmod(&made, Mode::from_raw_mode(MODE))?;
            let found = match contents {
                Contents::Found => printable::hex(&copy(file, &made)?),
                Contents::JustHashed => {
                    copy_hashed(file, &made)?;
                    wanted.source.hash.clone()
                }
            };
            if found == wanted.source.hash {
                self.tree.make_directory(&wanted.directory)?;
                self.tree.rename(&temporary, &wanted.path())?;
            } else {
                self.tree.remove(&temporary)?;
            }
            Ok(found)
        };
        let put = put();
        if put.is_err() {
            let _ = self.tree.remove(&temporary);
        }
        put
    }

    /// Opens a file below the tree, through no symbolic link.
    pub(crate) fn file(&self, path: &Utf8Path) -> io::Result<File> {
        self.tree.file(path)
    }
}

fn random() -> io::Result<Utf8PathBuf> {
    let mut bytes = [0; 16];
    getrandom(&mut bytes, GetRandomFlags::empty())?;
    Ok(printable::hex(&bytes).into())
}
