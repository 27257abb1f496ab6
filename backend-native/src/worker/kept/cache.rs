//! What builds have made, kept for later ones: the files of steps and of unpacked layers, each under
//! a key that says all that they are a function of.
//!
//! It does not know what is in a key. An entry is a directory, made in a build's own and renamed into
//! its place, so that it is there whole or not at all. Whoever uses one holds its lock, shared, and
//! whoever removes one has it alone. Nothing here fails a build: what cannot be kept is made again.
//! The directory may have come with somebody's tree: nothing in it is opened through a link, and what
//! lacks the user's seal is as if it were not there.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::fs::{DirBuilderExt as _, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use backend_api::Seal;
use rustix::fs::{CWD, Mode, OFlags, RenameFlags, Timespec, Timestamps};
use snapshot::{Digest, Place, Tree};

use crate::job::{CacheJob, Message};
use crate::worker::directories::{Directories, FILES};
use crate::worker::kept::digests::of_stacked;
use crate::worker::kept::entry::{FACTS, Facts, Held, KeptEntry, LAYER, Part, Reference, Stacked};
use crate::worker::report::Report;
use crate::worker::threads::lock;

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
pub(crate) struct Cache {
    path: PathBuf,
    tree: Tree,
    seal: Option<Seal>,
    limit: u64,
    directories: Arc<Directories>,
    report: Arc<Report>,
    /// The facts of entries that this build uses, open and locked.
    held: Mutex<BTreeMap<Digest, File>>,
    /// What is not taken for an entry any more.
    refused: Mutex<BTreeSet<Digest>>,
    /// What was read in whole, and whether it was what it has to be.
    read: Mutex<BTreeMap<(Digest, Part), bool>>,
    has_added: AtomicBool,
    /// Whether there was one that nobody kept who may.
    has_unproven: AtomicBool,
}

/// What is to be kept beside files, or instead of them.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Beside<'a> {
    /// The layer, of a step of the image.
    pub(crate) layer: Option<&'a Path>,
    /// What is stacked instead of files of its own.
    pub(crate) stacked: &'a [Reference],
}

impl Cache {
    /// Opens the directory, which is made if it is not there. What goes out of it goes into `directories`.
    pub(crate) fn open(
        job: &CacheJob,
        directories: &Arc<Directories>,
        report: &Arc<Report>,
    ) -> io::Result<Self> {
        let path = job.directory.as_std_path();
        // What is set-uid in it is for no other user of the machine.
        match DirBuilder::new().mode(0o700).create(path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        // Whoever made the tree may have put a link there.
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let opened = rustix::fs::openat(CWD, path, flags, Mode::empty())?;
        rustix::fs::fchmod(&opened, Mode::RWXU)?;
        Ok(Self {
            path: path.to_owned(),
            tree: Tree::of(opened),
            seal: job.seal.clone(),
            limit: job.limit,
            directories: Arc::clone(directories),
            report: Arc::clone(report),
            held: Mutex::default(),
            refused: Mutex::default(),
            read: Mutex::default(),
            has_added: AtomicBool::new(false),
            has_unproven: AtomicBool::new(false),
        })
    }

    /// Returns what was kept under a key, to be used as long as this build lasts. Whether it is whole
    /// is not known yet.
    pub(crate) fn find(&self, key: Digest) -> Option<KeptEntry> {
        if lock(&self.refused).contains(&key) {
            return None;
        }
        let name = PathBuf::from(key.to_string());
        let path = self.path.join(&name);
        let Some(held) = Held::open(&self.tree, &name) else {
            let status = |place: &Place| self.tree.status(place).ok().flatten();
            let place = Place::new(key.to_string());
            if status(&place).is_some() && status(&place.join(FACTS.as_bytes())).is_none() {
                self.refuse_unproven(key);
            }
            return None;
        };
        let facts = held.facts(key, self.seal.as_ref());
        let has_files = held.has_files();
        // It says when it was used last. That it cannot is no harm.
        let _ = rustix::fs::futimens(&held.file, &NOW);
        lock(&self.held).insert(key, held.file);
        let facts = facts.filter(|facts| has_files || !facts.stacked.is_empty());
        let Some(facts) = facts else {
            self.refuse_unproven(key);
            return None;
        };
        let stacked = facts.stacked.iter().map(|it| self.find_stacked(it));
        let Some(stacked) = stacked.collect() else {
            // What it is of has gone.
            self.give_up(key);
            return None;
        };
        KeptEntry::new(key, (path, held.directory), &facts, stacked)
    }

    fn find_stacked(&self, reference: &Reference) -> Option<Stacked> {
        let entry = self.find(Digest::parse(&reference.key)?)?;
        let is_it = entry.stacked.is_empty() && entry.digest.to_string() == reference.files;
        is_it.then(|| Stacked {
            entry,
            place: Place::new(&reference.place),
        })
    }

    /// Returns the keys of those entries, among one and what it is stacked of, of which a part is not
    /// what it was. All of it is read, once in a build.
    pub(crate) fn broken(&self, entry: &KeptEntry, part: Part) -> Vec<Digest> {
        let entries = match part {
            Part::Files if !entry.stacked.is_empty() => {
                entry.stacked.iter().map(|part| &part.entry).collect()
            }
            _ => vec![entry],
        };
        let broken = entries
            .into_iter()
            .filter(|entry| !self.is_whole(entry, part));
        broken.map(|entry| entry.key).collect()
    }

    fn is_whole(&self, entry: &KeptEntry, part: Part) -> bool {
        let what = (entry.key, part);
        if let Some(is_whole) = lock(&self.read).get(&what) {
            return *is_whole;
        }
        let is_whole = entry.is_whole(part);
        lock(&self.read).insert(what, is_whole);
        is_whole
    }

    /// Removes an entry that is not what it was.
    pub(crate) fn discard(&self, key: Digest) {
        let path = self.path.join(key.to_string());
        let message = format!("`{}` is damaged, and is built again", path.display());
        self.report.say(Message::Notice { message });
        self.give_up(key);
    }

    /// Refuses an entry that came from somewhere else, with a copy of the tree for example; there are
    /// many then, and it is said of all of them at once.
    fn refuse_unproven(&self, key: Digest) {
        if !self.has_unproven.swap(true, Ordering::Relaxed) {
            let path = self.path.display();
            let message = format!(
                "`{path}` contains results that this user has not kept there; they are built again"
            );
            self.report.say(Message::Notice { message });
        }
        self.give_up(key);
    }

    /// Removes an entry, unless somebody else uses it, and takes it for none in this build.
    pub(crate) fn give_up(&self, key: Digest) {
        lock(&self.refused).insert(key);
        let alone = match lock(&self.held).remove(&key) {
            Some(file) => file.try_lock().is_ok(),
            None => true,
        };
        if alone {
            // Whoever cannot move it makes what is in it again in each build.
            let _ = self.take_out(&key.to_string());
        }
    }

    /// Moves what has a name here out of here.
    fn take_out(&self, name: &str) -> io::Result<()> {
        let to = self.directories.elsewhere();
        Ok(rustix::fs::renameat(&self.tree, name, CWD, to)?)
    }

    /// Keeps what is in `entry`, a directory of this build with the files, unless they are stacked of what is
    /// kept already. The directory's path leads to it all afterwards as well. Returns the digest of the
    /// files, if they were kept.
    pub(crate) fn keep(&self, key: Digest, entry: &Path, beside: Beside<'_>) -> Option<Digest> {
        let kept = self.try_keep(key, entry, beside);
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
        Beside { layer, stacked }: Beside<'_>,
    ) -> io::Result<Option<Digest>> {
        let place = Place::new(key.to_string());
        let is_there = self.tree.status(&place).map_err(io::Error::other)?;
        if is_there.is_some() {
            // Another build was faster, and its files may have other times.
            return Ok(None);
        }
        let tree = Tree::open(entry).map_err(io::Error::other)?;
        let look =
            |name: &str| snapshot::digest(&tree, &Place::new(name)).map_err(io::Error::other);
        let (digest, bytes) = if stacked.is_empty() {
            let files = look(FILES)?;
            (files.digest, files.bytes)
        } else {
            fs::remove_dir(entry.join(FILES))?;
            (of_stacked(stacked), 0)
        };
        let mut facts = Facts {
            files: digest.to_string(),
            layer: None,
            bytes,
            stacked: stacked.to_vec(),
        };
        if let Some(layer) = layer {
            fs::hard_link(layer, entry.join(LAYER))?;
            let found = look(LAYER)?;
            facts.layer = Some(found.digest.to_string());
            facts.bytes += found.bytes;
        }
        let encoded = facts.encode(key, self.seal.as_ref())?;
        fs::write(entry.join(FACTS), encoded)?;
        let parent =
            Tree::open(entry.parent().unwrap_or(Path::new("."))).map_err(io::Error::other)?;
        let name = Path::new(entry.file_name().unwrap_or_default());
        let Some(held) = Held::open(&parent, name) else {
            return Ok(None);
        };
        let (from, to) = (CWD, self.tree.as_fd());
        let name = key.to_string();
        match rustix::fs::renameat_with(from, entry, to, name, RenameFlags::NOREPLACE) {
            Ok(()) => {}
            Err(rustix::io::Errno::EXIST | rustix::io::Errno::NOTEMPTY) => return Ok(None),
            Err(error) => return Err(error.into()),
        }
        self.has_added.store(true, Ordering::Relaxed);
        lock(&self.held).insert(key, held.file);
        symlink(self.path.join(key.to_string()), entry)?;
        Ok(Some(digest))
    }

    /// Removes what was not used for the longest time, into directories of this build, which has no more
    /// use for any of it, until the rest takes no more than it may.
    pub(crate) fn shrink(&self) {
        lock(&self.held).clear();
        if !self.has_added.load(Ordering::Relaxed) {
            return;
        }
        let mut entries = Vec::new();
        for name in self.tree.names(&Place::root()).unwrap_or_default() {
            let Ok(name) = String::from_utf8(name) else {
                continue;
            };
            // What cannot be understood goes first.
            let known = self.use_of(&name).unwrap_or_default();
            entries.push((known, name));
        }
        entries.sort_unstable();
        let bytes = entries.iter().map(|((_, bytes), _)| *bytes);
        let mut total = bytes.fold(0, u64::saturating_add);
        let limit = self.limit.min(self.room(total));
        for ((_, bytes), name) in entries {
            if total <= limit {
                break;
            }
            let held = Held::open(&self.tree, Path::new(&name));
            let is_free = held.is_some_and(|held| held.file.try_lock().is_ok());
            if is_free && self.take_out(&name).is_ok() {
                total = total.saturating_sub(bytes);
            }
        }
    }

    /// Returns when the entry of a name was used last, and how many bytes of the disk it takes.
    fn use_of(&self, name: &str) -> Option<((i64, u64), u64)> {
        let facts = Place::new(name).join(FACTS.as_bytes());
        let status = self.tree.status(&facts).ok()??;
        let held = Held::open(&self.tree, Path::new(name))?;
        let facts = held.facts(Digest::parse(name)?, self.seal.as_ref())?;
        Some(((status.st_mtime, status.st_mtime_nsec), facts.bytes))
    }

    /// Returns how much there may be so that as much of the disk stays free.
    fn room(&self, total: u64) -> u64 {
        match rustix::fs::fstatvfs(&self.tree) {
            Ok(disk) => disk.f_bavail.saturating_mul(disk.f_frsize).midpoint(total),
            Err(_) => u64::MAX,
        }
    }
}

#[cfg(test)]
mod tests;
