//! What builds have made, kept for later ones: the files of steps and of unpacked layers, each under
//! a key that says all that they are a function of.
//!
//! It does not know what is in a key. An entry is a folder, made in a build's own and renamed into
//! its place, so that it is there whole or not at all. Whoever uses one holds its lock, shared, and
//! whoever removes one has it alone. Nothing here fails a build: what cannot be kept is made again.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use rustix::fs::{CWD, RenameFlags, Timespec, Timestamps};
use serde::{Deserialize, Serialize};
use snapshot::{Digest, Place, Tree};

use super::builder::lock;
use super::folders::{FILES, Folders};
use super::report::Report;
use crate::job::{CacheJob, Message};

/// The file of an entry with what has to be found in it. It is locked by who uses the entry, and its
/// time is that of the last use.
const FACTS: &str = "facts";
/// The layer of an entry, for a step of the image.
const LAYER: &str = "layer";

/// The present, as the kernel takes it for the times of a file.
const NOW: Timestamps = {
    let now = Timespec {
        tv_sec: 0,
        tv_nsec: rustix::fs::UTIME_NOW,
    };
    Timestamps {
        last_access: now,
        last_modification: now,
    }
};

/// What was kept by builds of one tree.
#[derive(Debug)]
pub(super) struct Cache {
    folder: PathBuf,
    limit: u64,
    folders: Arc<Folders>,
    report: Arc<Report>,
    /// The facts of entries that this build uses, open and locked.
    held: Mutex<BTreeMap<Digest, File>>,
    /// What is not taken for an entry any more.
    refused: Mutex<BTreeSet<Digest>>,
    has_added: AtomicBool,
}

/// Something that was kept.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) key: Digest,
    /// What is said to be the digest of its files.
    pub(super) digest: Digest,
    path: PathBuf,
    facts: Facts,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Facts {
    /// The digest of the files.
    files: String,
    /// The digest of the layer.
    layer: Option<String>,
    /// How many bytes of the disk it takes.
    bytes: u64,
}

/// A part of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Files,
    Layer,
}

impl Entry {
    /// Returns the folder of its files.
    pub(super) fn files(&self) -> PathBuf {
        self.path.join(FILES)
    }

    /// Returns the file of its layer.
    pub(super) fn layer(&self) -> PathBuf {
        self.path.join(LAYER)
    }

    /// Tells whether a part is what it was when it was kept. All of it is read.
    pub(super) fn is_whole(&self, part: Part) -> bool {
        let (name, expected) = match part {
            Part::Files => (FILES, Some(&self.facts.files)),
            Part::Layer => (LAYER, self.facts.layer.as_ref()),
        };
        let tree = Tree::open(&self.path);
        let found = tree.and_then(|tree| snapshot::digest(&tree, &Place::new(name)));
        found.is_ok_and(|found| Some(&found.digest.to_string()) == expected)
    }
}

impl Cache {
    /// Opens the folder, which is made if it is not there. What goes out of it goes into `folders`.
    pub(super) fn open(
        job: &CacheJob,
        folders: &Arc<Folders>,
        report: &Arc<Report>,
    ) -> io::Result<Self> {
        // What is set-uid in it is for no other user of the machine.
        let mut options = fs::DirBuilder::new();
        options.recursive(true).mode(0o700).create(&job.folder)?;
        Ok(Self {
            folder: job.folder.clone().into(),
            limit: job.limit,
            folders: Arc::clone(folders),
            report: Arc::clone(report),
            held: Mutex::default(),
            refused: Mutex::default(),
            has_added: AtomicBool::new(false),
        })
    }

    /// Returns what was kept under a key, to be used as long as this build lasts. Whether it is whole
    /// is not known yet.
    pub(super) fn find(&self, key: Digest) -> Option<Entry> {
        if lock(&self.refused).contains(&key) {
            return None;
        }
        let path = self.folder.join(key.to_string());
        let Some(file) = hold(&path) else {
            if path.exists() && !path.join(FACTS).exists() {
                self.discard(key);
            }
            return None;
        };
        let facts: Option<Facts> = serde_json::from_reader(&file).ok();
        // It says when it was used last. That it cannot is no harm.
        let _ = rustix::fs::futimens(&file, &NOW);
        lock(&self.held).insert(key, file);
        let digest = facts.as_ref().and_then(|facts| Digest::parse(&facts.files));
        let (Some(facts), Some(digest)) = (facts, digest) else {
            self.discard(key);
            return None;
        };
        Some(Entry {
            key,
            digest,
            path,
            facts,
        })
    }

    /// Removes an entry that is not what it was.
    pub(super) fn discard(&self, key: Digest) {
        let path = self.folder.join(key.to_string());
        let message = format!("`{}` is broken, and is made again", path.display());
        self.report.say(Message::Notice { message });
        lock(&self.refused).insert(key);
        let alone = match lock(&self.held).remove(&key) {
            Some(file) => file.try_lock().is_ok(),
            None => true,
        };
        if alone {
            // Whoever cannot move it makes what is in it again in each build.
            let _ = fs::rename(path, self.folders.elsewhere());
        }
    }

    /// Keeps what is in `entry`, a folder of this build with the files, and with the layer if there
    /// is one. The folder's path leads to it all afterwards as well. Returns the digest of the files,
    /// if they were kept.
    pub(super) fn keep(&self, key: Digest, entry: &Path, layer: Option<&Path>) -> Option<Digest> {
        let kept = self.try_keep(key, entry, layer);
        match kept {
            Ok(digest) => digest,
            Err(error) => {
                let message = format!("a result was not kept for later builds: {error}");
                self.report.say(Message::Notice { message });
                None
            }
        }
    }

    fn try_keep(
        &self,
        key: Digest,
        entry: &Path,
        layer: Option<&Path>,
    ) -> io::Result<Option<Digest>> {
        let path = self.folder.join(key.to_string());
        if path.exists() {
            // Another build was faster, and its files may have other times.
            return Ok(None);
        }
        let tree = Tree::open(entry).map_err(io::Error::other)?;
        let look =
            |name: &str| snapshot::digest(&tree, &Place::new(name)).map_err(io::Error::other);
        let files = look(FILES)?;
        let mut facts = Facts {
            files: files.digest.to_string(),
            layer: None,
            bytes: files.bytes,
        };
        if let Some(layer) = layer {
            fs::hard_link(layer, entry.join(LAYER))?;
            let found = look(LAYER)?;
            facts.layer = Some(found.digest.to_string());
            facts.bytes += found.bytes;
        }
        fs::write(entry.join(FACTS), serde_json::to_vec(&facts)?)?;
        let Some(held) = hold(entry) else {
            return Ok(None);
        };
        match rustix::fs::renameat_with(CWD, entry, CWD, &path, RenameFlags::NOREPLACE) {
            Ok(()) => {}
            Err(rustix::io::Errno::EXIST | rustix::io::Errno::NOTEMPTY) => return Ok(None),
            Err(error) => return Err(error.into()),
        }
        self.has_added.store(true, Ordering::Relaxed);
        lock(&self.held).insert(key, held);
        symlink(&path, entry)?;
        Ok(Some(files.digest))
    }

    /// Removes what was not used for the longest time, into folders of this build, which has no more
    /// use for any of it, until the rest takes no more than it may.
    pub(super) fn shrink(&self) {
        lock(&self.held).clear();
        if !self.has_added.load(Ordering::Relaxed) {
            return;
        }
        let mut entries = Vec::new();
        for entry in fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            let path = entry.path();
            let used =
                fs::metadata(path.join(FACTS)).map(|facts| (facts.mtime(), facts.mtime_nsec()));
            let facts = fs::read(path.join(FACTS)).unwrap_or_default();
            let facts = serde_json::from_slice::<Facts>(&facts);
            // What cannot be understood goes first.
            let bytes = facts.map_or(0, |facts| facts.bytes);
            entries.push((used.unwrap_or_default(), bytes, path));
        }
        entries.sort_unstable();
        let mut total: u64 = entries.iter().map(|(_, bytes, _)| bytes).sum();
        let limit = self.limit.min(self.room(total));
        for (_, bytes, path) in entries {
            if total <= limit {
                break;
            }
            let is_free = hold(&path).is_some_and(|file| file.try_lock().is_ok());
            if is_free && fs::rename(&path, self.folders.elsewhere()).is_ok() {
                total -= bytes;
            }
        }
    }

    /// Returns how much there may be so that as much of the disk stays free.
    fn room(&self, total: u64) -> u64 {
        match rustix::fs::statvfs(&self.folder) {
            Ok(disk) => disk.f_bavail.saturating_mul(disk.f_frsize).midpoint(total),
            Err(_) => u64::MAX,
        }
    }
}

/// Opens the facts of the entry at `path` and takes its lock, shared, unless it is about to go.
fn hold(path: &Path) -> Option<File> {
    let facts = path.join(FACTS);
    let file = File::open(&facts).ok()?;
    file.try_lock_shared().ok()?;
    // Between the two it may have been taken out, and another put in its place.
    let (ours, there) = (file.metadata().ok()?, fs::metadata(&facts).ok()?);
    ((ours.dev(), ours.ino()) == (there.dev(), there.ino())).then_some(file)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;
    use std::time::{Duration, UNIX_EPOCH};

    use snapshot::Digester;

    use super::*;

    /// A cache, and the folder of a build that uses it.
    struct Scene {
        temporary: tempfile::TempDir,
        limit: u64,
    }

    fn key(name: &str) -> Digest {
        Digester::default().part(name).finish()
    }

    impl Scene {
        fn new(limit: u64) -> Self {
            let temporary = tempfile::tempdir().unwrap();
            fs::create_dir(temporary.path().join("state")).unwrap();
            Self { temporary, limit }
        }

        fn path(&self, name: &str) -> PathBuf {
            self.temporary.path().join(name)
        }

        /// Returns the cache as another build has it.
        fn cache(&self) -> Cache {
            let folder = self.path("cache").try_into().unwrap();
            let limit = self.limit;
            let folders = Arc::new(Folders::at(self.path("state")));
            Cache::open(
                &CacheJob { folder, limit },
                &folders,
                &Arc::new(Report::new()),
            )
            .unwrap()
        }

        /// Keeps a file of 10,000 bytes and a layer.
        fn keep(&self, cache: &Cache, name: &str) -> Option<Digest> {
            let entry = self.path(name);
            fs::create_dir_all(entry.join(FILES)).unwrap();
            fs::write(entry.join(FILES).join("file"), vec![b'x'; 10_000]).unwrap();
            let layer = self.path("layer");
            fs::write(&layer, name).unwrap();
            let kept = cache.keep(key(name), &entry, Some(&layer));
            if kept.is_some() {
                assert!(
                    entry.join(FILES).join("file").exists(),
                    "it is found as before"
                );
            }
            kept
        }

        fn kept(&self, name: &str) -> PathBuf {
            self.path("cache").join(key(name).to_string())
        }

        /// Says that something was used last in this second.
        fn used(&self, name: &str, second: u64) {
            let facts = File::open(self.kept(name).join(FACTS)).unwrap();
            let time = UNIX_EPOCH + Duration::from_secs(second);
            facts.set_modified(time).unwrap();
        }
    }

    #[test]
    fn what_was_kept_is_found_and_whole() {
        let scene = Scene::new(u64::MAX);
        let cache = scene.cache();
        let digest = scene.keep(&cache, "a").unwrap();
        let entry = scene.cache().find(key("a")).unwrap();
        assert_eq!(entry.digest, digest);
        assert!(entry.is_whole(Part::Files) && entry.is_whole(Part::Layer));
        assert_eq!(fs::read(entry.layer()).unwrap(), b"a");
        assert!(scene.cache().find(key("b")).is_none());
        let mode = fs::metadata(scene.path("cache")).unwrap().permissions();
        assert_eq!(mode.mode() & 0o777, 0o700);
    }

    #[test]
    fn who_is_second_keeps_nothing() {
        let scene = Scene::new(u64::MAX);
        let (one, other) = (scene.cache(), scene.cache());
        assert!(scene.keep(&one, "a").is_some());
        fs::remove_file(scene.path("a")).unwrap();
        assert!(scene.keep(&other, "a").is_none());
        assert!(scene.path("a").join(FILES).join("file").exists());
    }

    #[test]
    fn what_was_used_last_stays_and_the_rest_goes() {
        let scene = Scene::new(45_000);
        let cache = scene.cache();
        for (second, name) in (1..).zip(["a", "b", "c", "d"]) {
            scene.keep(&cache, name).unwrap();
            scene.used(name, second);
        }
        scene.cache().shrink();
        assert!(scene.kept("a").exists(), "who has added nothing leaves all");
        scene.used("a", 9);
        cache.shrink();
        let left = ["a", "b", "c", "d"].map(|name| scene.kept(name).exists());
        assert_eq!(left, [true, false, false, true]);
        assert!(cache.find(key("b")).is_none());
    }

    #[test]
    fn what_others_use_stays() {
        let scene = Scene::new(0);
        let (cache, other) = (scene.cache(), scene.cache());
        for name in ["a", "b"] {
            scene.keep(&cache, name).unwrap();
        }
        assert!(other.find(key("a")).is_some());
        cache.shrink();
        let left = ["a", "b"].map(|name| scene.kept(name).exists());
        assert_eq!(left, [true, false]);
        drop(other);
        scene.keep(&cache, "c").unwrap();
        cache.shrink();
        assert!(!scene.kept("a").exists());
    }

    #[test]
    fn what_cannot_be_understood_is_made_again() {
        for broken in ["facts", "no facts"] {
            let scene = Scene::new(u64::MAX);
            let cache = scene.cache();
            scene.keep(&cache, "a").unwrap();
            drop(cache);
            let facts = scene.kept("a").join(FACTS);
            match broken {
                "facts" => fs::write(facts, "{\"files\":1").unwrap(),
                _ => fs::remove_file(facts).unwrap(),
            }
            assert!(scene.cache().find(key("a")).is_none());
            assert!(!scene.kept("a").exists());
        }
    }
}
