//! The results that this build uses of those that were kept, and those that it keeps: where the files of
//! each lie, so that others can be stacked of them.
//!
//! It does not know what is in a key.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use snapshot::{Digest, Place};

use crate::job::Failure;
use crate::worker::directories::{Directories, Snapshot, hand_on, path_in};
use crate::worker::failure::Result;
use crate::worker::kept::cache::{Beside, Cache};
use crate::worker::kept::digests::of_stacked;
use crate::worker::kept::entry::{KeptEntry, Part, Reference};
use crate::worker::threads::lock;

/// What is kept, and where in this build it is.
#[derive(Debug)]
pub(crate) struct Results {
    cache: Option<Cache>,
    directories: Arc<Directories>,
    /// Where what is in a directory was kept.
    kept_at: Mutex<BTreeMap<PathBuf, Reference>>,
}

impl Results {
    /// Keeps everything in a cache; nothing without one.
    pub(crate) fn new(cache: Option<Cache>, directories: Arc<Directories>) -> Self {
        Self {
            cache,
            directories,
            kept_at: Mutex::default(),
        }
    }

    /// Returns where everything is kept, if anything is.
    pub(crate) fn cache(&self) -> Option<&Cache> {
        self.cache.as_ref()
    }

    /// Takes note of where what is in a directory was kept.
    fn note(&self, directory: PathBuf, key: Digest, files: Digest, place: &Place) {
        // A path that is not UTF-8 is not written down, and so is copied.
        let Ok(place) = String::from_utf8(place.as_bytes().to_vec()) else {
            return;
        };
        let reference = Reference {
            key: key.to_string(),
            files: files.to_string(),
            place,
        };
        lock(&self.kept_at).insert(directory, reference);
    }

    /// Returns where what is in a directory was kept; nothing where it was not.
    pub(crate) fn kept_at(&self, directory: &Path) -> Option<Reference> {
        lock(&self.kept_at).get(directory).cloned()
    }

    /// Takes note that `directory` is what is at a place of `part`, and returns where that was kept; nothing
    /// where it was not.
    pub(crate) fn note_part(
        &self,
        directory: &Path,
        part: &Path,
        place: &Place,
    ) -> Option<Reference> {
        let kept = lock(&self.kept_at).get(part).cloned()?;
        let place = Place::new(format!("{}/{}", kept.place, place));
        let place = String::from_utf8(place.as_bytes().to_vec()).ok()?;
        let reference = Reference { place, ..kept };
        lock(&self.kept_at).insert(directory.to_owned(), reference.clone());
        Some(reference)
    }

    /// Returns the directories of the files of an entry, from the lowest to the highest.
    pub(crate) fn directories(&self, entry: &KeptEntry) -> Result<Vec<PathBuf>> {
        if entry.stacked.is_empty() {
            let directory = self.directories.link(&entry.files())?;
            self.note(directory.clone(), entry.key, entry.digest, &Place::root());
            return Ok(vec![directory]);
        }
        let parts = entry.stacked.iter().map(|part| {
            let directory = path_in(&part.entry.files(), &part.place);
            let directory = self.directories.link(&directory)?;
            let of = &part.entry;
            self.note(directory.clone(), of.key, of.digest, &part.place);
            Ok(directory)
        });
        parts.collect()
    }

    /// Returns the directory of an unpacked layer that was kept, if it is whole.
    pub(crate) fn layer(&self, key: Digest) -> Result<Option<PathBuf>> {
        let Some(cache) = &self.cache else {
            return Ok(None);
        };
        match cache.find(key) {
            Some(entry) if cache.broken(&entry, Part::Files).is_empty() => {
                let directory = self.directories.link(&entry.files())?;
                self.note(directory.clone(), key, entry.digest, &Place::root());
                Ok(Some(directory))
            }
            Some(_) => {
                cache.discard(key);
                Ok(None)
            }
            None => Ok(None),
        }
    }

    /// Keeps a layer that was unpacked into `files`, in `entry`. Returns where its files are from now on.
    pub(crate) fn keep_layer(&self, key: Digest, entry: &Path, files: PathBuf) -> Result<PathBuf> {
        let Some(cache) = &self.cache else {
            return Ok(files);
        };
        match cache.keep(key, entry, Beside::default()) {
            Some(digest) => {
                self.note(files.clone(), key, digest, &Place::root());
                Ok(files)
            }
            // Another build was faster, and what stands on this layer is to be of its files.
            None => Ok(self.layer(key)?.unwrap_or(files)),
        }
    }

    /// Keeps what a step has made: its files, and its layer if it has one. Returns where the files are from
    /// now on, and their digest if they were kept.
    pub(crate) fn keep_step(
        &self,
        key: Option<Digest>,
        snapshot: Snapshot,
        layer: Option<&Path>,
    ) -> Result<(Vec<PathBuf>, Option<Digest>)> {
        let own = vec![snapshot.upper.clone()];
        let (Some(cache), Some(key)) = (&self.cache, key) else {
            return Ok((own, None));
        };
        let beside = Beside {
            layer,
            ..Beside::default()
        };
        if let Some(digest) = cache.keep(key, &snapshot.entry, beside) {
            self.note(snapshot.upper, key, digest, &Place::root());
            return Ok((own, Some(digest)));
        }
        // Another build was faster: its result is as good, and has been kept.
        let parts = [Part::Files, Part::Layer];
        let parts = &parts[..if layer.is_some() { 2 } else { 1 }];
        let theirs = cache.find(key);
        let theirs = theirs.filter(|entry| {
            let mut parts = parts.iter();
            parts.all(|part| cache.broken(entry, *part).is_empty())
        });
        let Some(entry) = theirs else {
            return Ok((own, None));
        };
        if let Some(layer) = layer {
            std::fs::remove_file(layer)
                .map_err(|error| Failure::io("replace", layer.display(), &error))?;
            hand_on(&entry.layer(), layer)?;
        }
        Ok((self.directories(&entry)?, Some(entry.digest)))
    }

    /// Keeps what a step has stacked instead of a copy. Returns the digest of its files if they were kept.
    pub(crate) fn keep_stacked(
        &self,
        key: Option<Digest>,
        stacked: &[Reference],
        layer: Option<&Path>,
    ) -> Result<Option<Digest>> {
        let (Some(cache), Some(key)) = (&self.cache, key) else {
            return Ok(None);
        };
        let (entry, _) = self.directories.entry()?;
        // Another build that was faster has stacked the same, unless it could not.
        let digest = of_stacked(stacked);
        let theirs = || Some(cache.find(key)?.digest);
        let found = cache
            .keep(key, &entry, Beside { layer, stacked })
            .or_else(theirs);
        Ok(found.filter(|found| *found == digest))
    }
}
