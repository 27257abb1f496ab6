//! Where a build keeps what it makes: short paths, relative to the worker's own directory, since the
//! kernel takes the whole of a stack in one page.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use camino::Utf8Path;
use sandbox::Rights;
use snapshot::{Place, Tree};

use crate::job::{Failure, FailureKind, layers};
use crate::worker::failure::Result;
use crate::worker::threads::lock;

/// The files themselves, in the directory of what can be kept.
pub(crate) const FILES: &str = "u";

/// How much a disk has left that is full: less than the smallest program writes at once.
const LEFT: u64 = 64 << 10;

/// The directories of a build.
#[derive(Debug)]
pub(crate) struct Directories {
    root: PathBuf,
    next: AtomicUsize,
    /// The short paths of directories that are elsewhere.
    links: Mutex<BTreeMap<PathBuf, PathBuf>>,
}

/// The directories of one snapshot.
#[derive(Debug)]
pub(crate) struct Snapshot {
    /// What can be kept of it when it is finished.
    pub(crate) entry: PathBuf,
    /// What takes the changes.
    pub(crate) upper: PathBuf,
    /// What the kernel works in.
    pub(crate) work: PathBuf,
    /// Where the whole is mounted.
    pub(crate) merged: PathBuf,
}

impl Directories {
    /// Makes the directories in `work`, and makes that this process's own directory.
    pub(crate) fn enter(work: &Utf8Path) -> Result<Self> {
        let root = work.join("state");
        let made = fs::DirBuilder::new().mode(0o700).create(&root);
        let failed = |error: io::Error| Failure::io("make", &root, &error);
        made.map_err(failed)?;
        // Whoever the tree is shared with has no say in who owns what is built.
        snapshot::shut_off(&Tree::open(root.as_std_path())?).map_err(failed)?;
        let made = std::env::set_current_dir(&root)
            .and_then(|()| make_directory(Self::empty(), 0o755))
            .and_then(|()| make_directory(layers(work).as_std_path(), 0o700));
        made.map_err(failed)?;
        let directories = Self::at(root.clone().into());
        directories.refuse_what_is_unfit(work)?;
        Ok(directories)
    }

    /// Refuses a file system that would take what a build makes for something else, or lose a part of it.
    fn refuse_what_is_unfit(&self, work: &Utf8Path) -> Result<()> {
        let trial = self.directory()?;
        let tree = Tree::open(&trial)?;
        let lacks = snapshot::lacks(&tree);
        let cleared = snapshot::clear(&trial);
        let lacks = lacks.and_then(|lacks| cleared.map(|()| lacks));
        let lacks = lacks.map_err(|error| Failure::io("try out", work, &error))?;
        if lacks.is_empty() {
            return Ok(());
        }
        let lacks = lacks.join(", ");
        let message = format!(
            "the file system of `{work}` does not hold {lacks}: an image that is built there would be \
             another one"
        );
        let hint = "name a directory with --out, or put the tree, on a local file system (ext4, XFS, Btrfs, \
                    tmpfs as from Linux 6.6) that is mounted without options that change owners or modes; \
                    or use --runtime docker, podman or buildah";
        Err(Failure::new(FailureKind::Storage, message).with_hint(hint))
    }

    /// Names the directories in `root`, which is there.
    pub(crate) fn at(root: PathBuf) -> Self {
        Self {
            root,
            next: AtomicUsize::new(0),
            links: Mutex::default(),
        }
    }

    /// Returns a directory that is always empty.
    pub(crate) fn empty() -> &'static Path {
        Path::new("empty")
    }

    /// Returns a path that nothing has yet.
    pub(crate) fn unused(&self) -> PathBuf {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        PathBuf::from(number.to_string())
    }

    /// Returns a path that nothing has yet, as others see it.
    pub(crate) fn elsewhere(&self) -> PathBuf {
        self.absolute(&self.unused())
    }

    /// Makes a directory for a purpose of its own.
    pub(crate) fn directory(&self) -> Result<PathBuf> {
        let path = self.unused();
        self.make(&path)?;
        Ok(path)
    }

    /// Makes the directories of a new snapshot.
    pub(crate) fn snapshot(&self) -> Result<Snapshot> {
        let path = self.directory()?;
        let entry = path.join("e");
        let snapshot = Snapshot {
            upper: entry.join(FILES),
            work: path.join("w"),
            merged: path.join("m"),
            entry,
        };
        let Snapshot {
            entry,
            upper,
            work,
            merged,
        } = &snapshot;
        for directory in [entry, upper, work, merged] {
            self.make(directory)?;
        }
        Ok(snapshot)
    }

    /// Tells whether the disk has no room any more for this process.
    pub(crate) fn disk_is_full(&self, rights: Rights) -> bool {
        rustix::fs::statvfs(&self.root).is_ok_and(|disk| {
            let blocks = match rights {
                // What is set aside is set aside for it.
                Rights::Root => disk.f_bfree,
                Rights::User => disk.f_bavail,
            };
            let left = blocks.saturating_mul(disk.f_frsize);
            left < LEFT || (disk.f_files > 0 && disk.f_ffree == 0)
        })
    }

    /// Makes a directory for files that can be kept, and the directory that these go into.
    pub(crate) fn entry(&self) -> Result<(PathBuf, PathBuf)> {
        let entry = self.directory()?.join("e");
        let files = entry.join(FILES);
        self.make(&entry)?;
        self.make(&files)?;
        Ok((entry, files))
    }

    fn make(&self, directory: &Path) -> Result<()> {
        make_directory(directory, 0o755)
            .map_err(|error| Failure::io("make", self.absolute(directory).display(), &error))
    }

    /// Returns a short path of a directory that is elsewhere: of the same one always the same, since the
    /// kernel stacks no directory twice.
    pub(crate) fn link(&self, directory: &Path) -> Result<PathBuf> {
        let mut links = lock(&self.links);
        if let Some(path) = links.get(directory) {
            return Ok(path.clone());
        }
        let path = self.unused();
        let linked = std::os::unix::fs::symlink(directory, &path);
        linked.map_err(|error| Failure::io("link", directory.display(), &error))?;
        links.insert(directory.to_owned(), path.clone());
        Ok(path)
    }

    /// Returns a path as others see it.
    pub(crate) fn absolute(&self, path: &Path) -> PathBuf {
        self.root.join(path)
    }
}

fn make_directory(path: &Path, mode: u32) -> io::Result<()> {
    fs::DirBuilder::new().mode(mode).create(path)
}

/// Gives a file another name, or its copy where that cannot be.
pub(crate) fn hand_on(from: &Path, to: &Path) -> Result<()> {
    fs::hard_link(from, to)
        .or_else(|_| fs::copy(from, to).map(|_| ()))
        .map_err(|error| Failure::io("hand on", from.display(), &error))
}

/// Removes all that is in a directory. What is gone already is no error.
pub(crate) fn clear(work: &Utf8Path) -> Result<()> {
    match snapshot::clear(work.as_std_path()) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(Failure::io("remove what is in", work, &error))
        }
        _ => Ok(()),
    }
}

/// Returns the path of a place in a tree that is at `root`.
pub(crate) fn path_in(root: &Path, place: &Place) -> PathBuf {
    if place.is_root() {
        return root.to_owned();
    }
    root.join(OsStr::from_bytes(place.relative()))
}
