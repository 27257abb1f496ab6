//! What `--mount=type=cache` keeps from one RUN to the next: of a build, and without a `from` for later builds of the same tree.
//!
//! It is no part of any key, as with BuildKit. Where builds keep their results somebody's tree may have brought something along:
//! only a directory that this user's `stagex` has made is a cache, which a proof beside it says. It does not know where a cache
//! is mounted.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};

use backend_api::Seal;
use hmac::{Hmac, KeyInit as _, Mac as _};
use rustix::fs::{AtFlags, CWD, Mode, OFlags};
use rustix::io::Errno;
use sha2::Sha256;
use snapshot::{Digester, Tree};

use crate::job::{CacheJob, Failure, Message};
use crate::worker::directories::Directories;
use crate::worker::failure::Result;
use crate::worker::files::stacks::View;
use crate::worker::report::Report;
use crate::worker::run::mounts::{Cache, CacheDirectory, Sharing};
use crate::worker::threads::lock;

/// The directory with the caches, beside kept results and in the directory of a build.
const CACHES: &str = "mounts";

/// The caches that a build finds and leaves.
#[derive(Debug)]
pub(crate) struct Caches {
    /// Where those of this build alone are, and those that later builds find. They are made when a RUN needs one.
    directories: Arc<Directories>,
    kept: Option<(PathBuf, Option<Seal>)>,
    opened: OnceLock<OpenCaches>,
    /// Those that were used in this build already.
    known: Mutex<BTreeSet<PathBuf>>,
    /// The changed views of what stages and images lend, by the names of the caches.
    lent: Mutex<BTreeMap<String, LentFiles>>,
    report: Arc<Report>,
}

#[derive(Debug)]
struct OpenCaches {
    own: CacheStore,
    kept: Option<CacheStore>,
}

/// Where caches are.
#[derive(Debug)]
struct CacheStore {
    path: PathBuf,
    directory: OwnedFd,
    seal: Option<Seal>,
}

/// What a stage or an image lends to a cache.
#[derive(Debug)]
pub(crate) struct LentFiles {
    /// Where it can be written to.
    pub(crate) path: PathBuf,
    /// What shows it there.
    pub(crate) _views: [View; 2],
}

/// A cache that a RUN has.
#[derive(Debug)]
pub(crate) struct TakenCache {
    pub(crate) path: PathBuf,
    /// Whoever may not have it at the same time waits for this.
    _lock: File,
}

impl Caches {
    /// Begins with what earlier builds have left, if `job` says where that is, and with nothing otherwise.
    pub(crate) fn new(
        directories: &Arc<Directories>,
        job: Option<&CacheJob>,
        report: &Arc<Report>,
    ) -> Self {
        Self {
            directories: Arc::clone(directories),
            kept: job.map(|job| (job.directory.clone().into(), job.seal.clone())),
            opened: OnceLock::new(),
            known: Mutex::default(),
            lent: Mutex::default(),
            report: Arc::clone(report),
        }
    }

    fn opened(&self) -> Result<&OpenCaches> {
        if let Some(opened) = self.opened.get() {
            return Ok(opened);
        }
        let own = self.directories.absolute(&self.directories.directory()?);
        let failed = |error: io::Error| Failure::io("make", own.display(), &error);
        let own = CacheStore::open(&own, None).map_err(failed)?;
        let kept = self.kept.as_ref().and_then(|(path, seal)| {
            let failed = |error| {
                let path = path.display();
                let message = format!("no cache of a RUN is kept in `{path}`: {error}");
                self.report.say(Message::Notice { message });
            };
            CacheStore::open(path, seal.clone()).map_err(failed).ok()
        });
        Ok(self.opened.get_or_init(|| OpenCaches { own, kept }))
    }

    /// Takes a cache for a RUN. One that is not there is made.
    pub(crate) fn take(&self, cache: &Cache, sharing: Sharing) -> Result<TakenCache> {
        let OpenCaches { own, kept } = self.opened()?;
        let place = kept.as_ref().unwrap_or(own);
        let failed = |error: io::Error| Failure::io("use", place.path.display(), &error);
        let (name, lock) = place.lock(cache, sharing).map_err(failed)?;
        let path = place.path.join(&name);
        // One at a time is made.
        let making = place.file("lock").map_err(failed)?;
        making.lock().map_err(failed)?;
        let is_first = self::lock(&self.known).insert(path.clone());
        if !place.is_ours(&name) {
            place.make(&name).map_err(failed)?;
            make_directory(&path, cache)?;
            place.prove(&name).map_err(failed)?;
        } else if is_first && !is_empty(&path) {
            let message = format!("the cache {cache} has what earlier builds have left in it");
            self.report.say(Message::Notice { message });
        }
        Ok(TakenCache { path, _lock: lock })
    }

    /// Takes a cache that begins with what a stage or an image lends, which is another thing in another build. It lasts as
    /// long as this one.
    pub(crate) fn take_lent(
        &self,
        cache: &Cache,
        sharing: Sharing,
        lend: impl FnOnce() -> Result<LentFiles>,
    ) -> Result<TakenCache> {
        let own = &self.opened()?.own;
        let failed = |error: io::Error| Failure::io("use", own.path.display(), &error);
        let (name, lock) = own.lock(cache, sharing).map_err(failed)?;
        let known = |all: &BTreeMap<String, LentFiles>| Some(all.get(&name)?.path.clone());
        let path = known(&self::lock(&self.lent));
        let path = if let Some(path) = path {
            path
        } else {
            let lent = lend()?;
            make_directory(&lent.path, cache)?;
            // Another RUN may have been faster.
            let mut all = self::lock(&self.lent);
            all.entry(name).or_insert(lent).path.clone()
        };
        Ok(TakenCache { path, _lock: lock })
    }
}

impl CacheStore {
    /// Opens the directory in `parent`. Both are made if they are not there, and neither is a link.
    fn open(parent: &Path, seal: Option<Seal>) -> io::Result<Self> {
        let open = |directory: BorrowedFd<'_>, path: &Path| {
            match rustix::fs::mkdirat(directory, path, Mode::RWXU) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(error) => return Err(error),
            }
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let opened = rustix::fs::openat(directory, path, flags, Mode::empty())?;
            rustix::fs::fchmod(&opened, Mode::RWXU)?;
            Ok(opened)
        };
        let directory = open(CWD, parent)?;
        Ok(Self {
            path: parent.join(CACHES),
            directory: open(directory.as_fd(), Path::new(CACHES))?,
            seal,
        })
    }

    /// Waits for a cache, or finds one that nobody has. Returns its name.
    fn lock(&self, cache: &Cache, sharing: Sharing) -> io::Result<(String, File)> {
        let mut number = 0;
        loop {
            let parts = Digester::default().part(format!("{cache:?}"));
            let name = parts.part(format!("{number}")).finish().to_string();
            let file = self.file(&format!("{name}.lock"))?;
            match sharing {
                Sharing::Shared => file.lock_shared()?,
                Sharing::Locked => file.lock()?,
                Sharing::Private => match file.try_lock() {
                    Ok(()) => {}
                    Err(TryLockError::WouldBlock) => {
                        number += 1;
                        continue;
                    }
                    Err(TryLockError::Error(error)) => return Err(error),
                },
            }
            return Ok((name, file));
        }
    }

    /// Opens a file, which is made if it is not there. What is none is replaced.
    fn file(&self, name: &str) -> io::Result<File> {
        let open = || {
            let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let flags = flags | OFlags::NONBLOCK;
            let opened = rustix::fs::openat(&self.directory, name, flags, Mode::RUSR | Mode::WUSR)?;
            Ok::<_, io::Error>(File::from(opened))
        };
        match open() {
            Ok(file) if file.metadata()?.is_file() => Ok(file),
            _ => {
                self.remove(name)?;
                open()
            }
        }
    }

    /// Tells whether this user's `stagex` has made a cache.
    fn is_ours(&self, name: &str) -> bool {
        let read = || {
            let mut proof = Vec::new();
            let file = self.file(&format!("{name}.proof"))?;
            file.take(64).read_to_end(&mut proof)?;
            Ok::<_, io::Error>(proof)
        };
        match (read(), self.mac(name)) {
            (Ok(proof), Some(mac)) => mac.verify_slice(&proof).is_ok(),
            _ => false,
        }
    }

    /// Says that the directory of a cache is whole, and which one it is.
    fn prove(&self, name: &str) -> io::Result<()> {
        let mac = self.mac(name).ok_or(io::ErrorKind::NotADirectory)?;
        let mut file = self.file(&format!("{name}.proof"))?;
        file.set_len(0)?;
        file.write_all(&mac.finalize().into_bytes())
    }

    /// Returns what a proof is made of, if there is a directory.
    fn mac(&self, name: &str) -> Option<Hmac<Sha256>> {
        let found = fs::symlink_metadata(self.path.join(name)).ok()?;
        let seal = self.seal.as_ref().map_or(&[][..], Seal::bytes);
        let mac = Hmac::<Sha256>::new_from_slice(seal).expect("a key may have any length");
        found.is_dir().then(|| {
            mac.chain_update(b"stagex native cache\0")
                .chain_update(name)
                .chain_update(found.dev().to_le_bytes())
                .chain_update(found.ino().to_le_bytes())
        })
    }

    /// Makes the directory of a cache in the place of whatever is there.
    fn make(&self, name: &str) -> io::Result<()> {
        self.remove(format!("{name}.proof"))?;
        self.remove(name)?;
        DirBuilder::new().mode(0o755).create(self.path.join(name))?;
        // Whatever the mask is.
        let directory = File::open(self.path.join(name))?;
        Ok(rustix::fs::fchmod(
            directory.as_fd(),
            Mode::from_raw_mode(0o755),
        )?)
    }

    /// Removes what has a name, whatever it is.
    fn remove(&self, name: impl AsRef<OsStr>) -> io::Result<()> {
        let path = self.path.join(name.as_ref());
        let is_directory = match fs::symlink_metadata(&path) {
            Ok(found) => found.is_dir(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        let flags = if is_directory {
            snapshot::clear(&path)?;
            AtFlags::REMOVEDIR
        } else {
            AtFlags::empty()
        };
        Ok(rustix::fs::unlinkat(&self.directory, name.as_ref(), flags)?)
    }
}

/// Makes the directory in a cache that is mounted, if it has an owner or a mode of its own.
fn make_directory(path: &Path, cache: &Cache) -> Result<()> {
    if let Some(made) = cache.made {
        let tree = Tree::open(path)?;
        let place = tree.resolve(CacheDirectory::PATH.as_bytes())?;
        tree.make_directories(&place, made.mode, Some(made.owner()))?;
    }
    Ok(())
}

fn is_empty(path: &Path) -> bool {
    fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none())
}
