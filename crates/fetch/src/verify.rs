//! Hashing what is there once more: the files of the store, and the sources in a tree. What is damaged is moved
//! aside, so that it is fetched again.
//!
//! Nothing that is known of a file is believed here: a disk that has lost a bit has changed no time.

use std::fs::File;
use std::io;

use beneath::Directory;
use camino::Utf8PathBuf;

use crate::error::{Error, IoContext as _};
use crate::meter::Meter;
use crate::report::Report;
use crate::seed::is_hash;
use crate::shared::Shared;
use crate::store::{WHOLE, whole};
use crate::wanted::Wanted;

/// What was hashed.
#[derive(Debug, Default)]
pub struct Verified {
    /// How many files.
    pub files: usize,
    /// How many bytes they have.
    pub bytes: u64,
    /// What was damaged.
    pub damaged: Vec<Damaged>,
    /// What came of the sources of the tree that were damaged.
    pub fetched: Report,
}

/// A file that had other contents than it must have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damaged {
    /// Where it was: in the tree, relative to it, or in the store.
    pub path: Utf8PathBuf,
    /// The hash that it must have; the name of what is no source.
    pub expected: String,
    /// The hash that it had; none if it was not even a file.
    pub found: Option<String>,
    /// Where it is now, if it is kept.
    pub kept: Option<Utf8PathBuf>,
}

/// Which files of the store are hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// All of them.
    All,
    /// Those of the sources that are wanted.
    Wanted,
}

/// Hashes files, and moves aside what is damaged. What is missing is none of it.
pub(crate) fn verify(
    shared: &Shared,
    wanted: &[Wanted],
    which: Which,
    meter: &dyn Meter,
) -> Result<Verified, Error> {
    let mut verified = Verified::default();
    let store = &shared.store;
    let mut names: Vec<String> = match which {
        Which::All => clear_strangers(shared, &mut verified).at("read", store.path())?,
        Which::Wanted => wanted.iter().map(|one| one.source.hash.clone()).collect(),
    };
    names.sort_unstable();
    names.dedup();
    let root = &shared.config.tree;
    let tree = Directory::open(root).at("open", root)?;
    let stored = names.iter().map(|hash| store.size(hash).ok().flatten());
    let placed = wanted
        .iter()
        .map(|one| Some(tree.metadata(&one.path()).ok()??.len()));
    meter.all(stored.chain(placed).flatten().sum());
    for hash in names {
        let path = store.path().join(whole(&hash));
        let was_there = store.directory.metadata(&whole(&hash));
        let was_there = was_there.at("read", &path)?.is_some();
        let found = store.file(&hash).at("open", &path)?;
        let Some(file) = found else {
            if was_there {
                verified.damaged.push(Damaged {
                    path,
                    expected: hash,
                    found: None,
                    kept: None,
                });
            }
            continue;
        };
        let found = hash_of(&file, meter).at("read", &path)?;
        verified.count(file.metadata().at("read", &path)?.len());
        if found != hash {
            let kept = store.damaged(&hash, &found).at("keep aside", &path)?;
            verified.damaged.push(Damaged {
                path,
                expected: hash,
                found: Some(found),
                kept: Some(kept),
            });
        }
    }
    for one in wanted {
        verify_place(shared, &tree, one, &mut verified, meter)?;
    }
    Ok(verified)
}

/// Hashes a source in a tree. A link there, which is hashed whenever it is used, stays as it is.
fn verify_place(
    shared: &Shared,
    tree: &Directory,
    wanted: &Wanted,
    verified: &mut Verified,
    meter: &dyn Meter,
) -> Result<(), Error> {
    let path = wanted.path();
    let Ok(file) = tree.file(&path) else {
        return Ok(());
    };
    let found = hash_of(&file, meter).at("read", &path)?;
    verified.count(file.metadata().at("read", &path)?.len());
    let expected = &wanted.source.hash;
    if found == *expected {
        return Ok(());
    }
    let store = &shared.store;
    let kept = store.aside.take(&store.directory, &file, expected, &found);
    let kept = kept.at("keep aside", &path)?;
    tree.remove(&path).at("remove", &path)?;
    verified.damaged.push(Damaged {
        path,
        expected: expected.clone(),
        found: Some(found),
        kept: kept.map(|kept| store.path().join(kept)),
    });
    Ok(())
}

/// Returns the hash of a file.
fn hash_of(file: &File, meter: &dyn Meter) -> io::Result<String> {
    let hash = state::each_block(file, |block| {
        meter.done(block.len() as u64);
        Ok(())
    })?;
    Ok(printable::hex(&hash))
}

/// Removes what has no name of a source. Returns the other names.
fn clear_strangers(shared: &Shared, verified: &mut Verified) -> io::Result<Vec<String>> {
    let directory = shared.store.directory.make_directory(WHOLE.into())?;
    let mut names = Vec::new();
    for entry in directory.entries()? {
        if is_hash(&entry.name) {
            names.push(entry.name);
            continue;
        }
        directory.remove_raw(&entry.raw)?;
        verified.damaged.push(Damaged {
            path: directory.path().join(&entry.name),
            expected: entry.name,
            found: None,
            kept: None,
        });
    }
    Ok(names)
}

impl Verified {
    fn count(&mut self, bytes: u64) {
        self.files += 1;
        self.bytes += bytes;
    }

    /// Returns those that are wanted of what was damaged.
    pub(crate) fn damaged_of(&self, wanted: &[Wanted]) -> Vec<Wanted> {
        let is_damaged = |one: &&Wanted| {
            let mut damaged = self.damaged.iter();
            damaged.any(|damaged| damaged.expected == one.source.hash)
        };
        wanted.iter().filter(is_damaged).cloned().collect()
    }
}
