//! What is mounted for a RUN in the file system that is its root: files that tell of a machine, a `/dev`,
//! and what its `--mount`s say.

use std::collections::BTreeMap;
use std::ffi::{CStr, CString};
use std::fs::Permissions;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use containerfile::Script;
use rustix::fs::{CWD, Mode, OFlags};
use sandbox::{Access, Network, Rights, SharedMemory, UserNetwork};
use snapshot::{Owner, Place, Tree};

use crate::job::Failure;
use crate::worker::directories::{Directories, path_in};
use crate::worker::failure::Result;
use crate::worker::files::sources::Sources;
use crate::worker::files::stacks::View;
use crate::worker::run::caches::{Caches, LentFiles, TakenCache};
use crate::worker::run::mounts::{self, Cache, CacheDirectory, Kind, Mount, Sharing, Writing};
use crate::worker::run::stubs::Stubs;

/// What a process finds in `/etc/hosts`.
const HOSTS: &str = "127.0.0.1\tlocalhost buildkitsandbox\n\
                     ::1\tlocalhost ip6-localhost ip6-loopback\n";

/// Files that are mounted for the time of a RUN.
const RESOLVER: &str = "/etc/resolv.conf";
const NAMES: &str = "/etc/hosts";

/// Where programs share memory: what a RUN mounts there takes the place of what is mounted there otherwise.
const MEMORY: &str = "/dev/shm";

/// What is mounted for a process.
pub(crate) struct RunMounts<'a> {
    tree: &'a Tree,
    sources: &'a Sources,
    /// What is mounted from.
    views: Vec<View>,
    caches: &'a Caches,
    /// Those that this RUN has.
    taken: BTreeMap<Cache, TakenCache>,
    /// Mounts that can only be read once all that is in them is mounted.
    closing: Vec<(OwnedFd, Place)>,
    stubs: Stubs,
}

/// What is mounted at a place.
enum Shown {
    /// A file of this process's own.
    File(PathBuf),
    Mount(Mount),
}

impl<'a> RunMounts<'a> {
    /// Begins with nothing in a file system; takes note of what is not there that will be mounted on.
    pub(crate) fn new(
        tree: &'a Tree,
        mounts: &[Mount],
        sources: &'a Sources,
        caches: &'a Caches,
    ) -> Result<Self> {
        let mut stubs = Stubs::default();
        for path in [RESOLVER, NAMES] {
            stubs.note(tree, path.as_bytes())?;
        }
        for mount in mounts {
            refuse_shown(tree, &mount.target)?;
            stubs.note(tree, mount.target.as_bytes())?;
        }
        Ok(Self {
            tree,
            sources,
            views: Vec::new(),
            caches,
            taken: BTreeMap::new(),
            closing: Vec::new(),
            stubs,
        })
    }

    /// Takes down what was mounted. Returns what was made for it.
    pub(crate) fn end(self) -> Stubs {
        self.stubs
    }

    fn bind(&mut self, source: &Path, target: &Place, writing: Writing) -> Result<()> {
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        let opened = rustix::fs::openat(CWD, source, flags, Mode::empty());
        let opened =
            opened.map_err(|error| Failure::io("open", source.display(), &error.into()))?;
        let place = self.tree.resolve(target.as_bytes())?;
        if source.is_dir() {
            self.tree.make_directories(&place, 0o755, None)?;
        } else if self.tree.status(&place)?.is_none() {
            self.tree.make_directories(&place.parent(), 0o755, None)?;
            let flags = OFlags::CREATE | OFlags::WRONLY;
            self.tree
                .open_at(&place, flags, Mode::from_raw_mode(0o755))?;
        }
        let flags = OFlags::PATH | OFlags::NOFOLLOW;
        let onto = self.tree.open_at(&place, flags, Mode::empty())?;
        let access = match writing {
            Writing::Denied => Access::Read,
            Writing::Allowed => Access::Write,
        };
        Ok(sandbox::bind(opened, onto, access, &target.to_string())?)
    }

    fn temporary(&mut self, target: &Place, size: Option<u64>, writing: Writing) -> Result<()> {
        let place = self.tree.resolve(target.as_bytes())?;
        // A directory that is there lends its mode.
        let mode = self.tree.status(&place)?;
        let mode = mode.map(|status| (c"mode", format!("{:o}", status.st_mode & 0o7777)));
        let size = size.map(|size| (c"size", size.to_string()));
        let options = mode.into_iter().chain(size);
        let options = options.filter_map(|(name, value)| Some((name, CString::new(value).ok()?)));
        let options: Vec<(&CStr, CString)> = options.collect();
        let options = options
            .iter()
            .map(|(name, value)| (*name, value.as_c_str()));
        let options: Vec<_> = options.collect();
        self.tree.make_directories(&place, 0o755, None)?;
        let directory = self.tree.directory(&place)?;
        let mounted = sandbox::temporary(directory, &options, &target.to_string())?;
        if writing == Writing::Denied {
            self.closing.push((mounted, target.clone()));
        }
        Ok(())
    }

    /// Mounts what the process finds.
    pub(crate) fn mount(
        &mut self,
        mounts: Vec<Mount>,
        network: Network,
        rights: Rights,
    ) -> Result<()> {
        for path in ["/proc", "/sys", "/dev"] {
            refuse_link(self.tree, path)?;
            make_directory(self.tree, path.as_bytes(), None)?;
        }
        let device = self.tree.resolve(b"/dev")?;
        let is_taken = mounts
            .iter()
            .any(|mount| mount.target == Place::new(MEMORY));
        let memory = if is_taken {
            SharedMemory::None
        } else {
            SharedMemory::Usual
        };
        sandbox::devices(self.tree.directory(&device)?, memory, rights)?;
        let resolver = match network {
            Network::None => Vec::new(),
            Network::User(kind) => resolver_of(kind),
            Network::Machine => machines_resolver(),
        };
        self.take_caches(&mounts)?;
        let mut shown = Vec::new();
        for (path, contents) in [(NAMES, HOSTS.as_bytes()), (RESOLVER, &resolver)] {
            let file = self.directories().unused();
            let written = std::fs::write(&file, contents);
            written.map_err(|error| Failure::io("write", file.display(), &error))?;
            mounts::put(&mut shown, Place::new(path), Shown::File(file));
        }
        for mount in mounts {
            mounts::put(&mut shown, mount.target.clone(), Shown::Mount(mount));
        }
        for (target, shown) in shown {
            match shown {
                Shown::File(file) => self.bind(&file, &target, Writing::Denied)?,
                Shown::Mount(mount) => self.mount_one(&mount)?,
            }
        }
        self.close()
    }

    fn mount_one(&mut self, mount: &Mount) -> Result<()> {
        let (target, writing) = (&mount.target, mount.writing);
        match &mount.kind {
            Kind::Temporary(size) if mount.source.is_root() => {
                self.temporary(target, *size, writing)
            }
            // There is nothing in it.
            Kind::Temporary(_) => Err(not_found(&mount.source)),
            Kind::Cache(cache) => {
                let directory = self.cache(mount, cache)?;
                self.bind(&directory, target, writing)
            }
            Kind::Script(script) => {
                let directory = self.script(script)?;
                self.bind(&directory, target, writing)
            }
            Kind::Bind => {
                let (root, place) = self.origin_of(mount)?;
                let source = match writing {
                    Writing::Denied => path_in(&root, &place),
                    Writing::Allowed => self.throwaway(&root, &place)?,
                };
                self.bind(&source, target, writing)
            }
        }
    }

    /// Returns the directory of a cache that was taken.
    fn cache(&self, mount: &Mount, cache: &Cache) -> Result<PathBuf> {
        let source = match cache.made {
            Some(_) => Place::new(CacheDirectory::PATH),
            None => mount.source.clone(),
        };
        let Some(TakenCache { path, .. }) = self.taken.get(cache) else {
            return Err(not_found(&source));
        };
        Ok(path_in(path, &found(&Tree::open(path)?, &source)?))
    }

    /// Takes all caches before anything is mounted, in an order that all RUNs have, and when all stages that are mounted from
    /// are built: no two wait for each other.
    fn take_caches(&mut self, mounts: &[Mount]) -> Result<()> {
        let mut wanted: BTreeMap<&Cache, Sharing> = BTreeMap::new();
        for mount in mounts {
            if let Kind::Cache(cache) = &mount.kind {
                let sharing = wanted.entry(cache).or_default();
                *sharing = mount.sharing.max(*sharing);
            }
        }
        if wanted.is_empty() {
            return Ok(());
        }
        for mount in mounts {
            self.sources.stack(mount.from.as_deref())?;
        }
        for (cache, sharing) in wanted {
            let taken = match &cache.from {
                None => self.caches.take(cache, sharing)?,
                Some(from) => {
                    let lend = || self.lend(from);
                    self.caches.take_lent(cache, sharing, lend)?
                }
            };
            self.taken.insert(cache.clone(), taken);
        }
        Ok(())
    }

    fn lend(&self, from: &str) -> Result<LentFiles> {
        let (lent, _) = self.sources.view(Some(from))?;
        let stacks = &self.sources.stacks;
        let (path, changed) = stacks.throwaway(lent.path(), &Place::root())?;
        Ok(LentFiles {
            path,
            _views: [changed, lent],
        })
    }

    /// Writes a script into a directory of its own.
    fn script(&self, script: &Script) -> Result<PathBuf> {
        let directory = self.directories().directory()?;
        let path = directory.join(&script.name);
        let written = std::fs::write(&path, &script.contents)
            .and_then(|()| std::fs::set_permissions(&path, Permissions::from_mode(0o755)));
        written.map_err(|error| Failure::io("write", path.display(), &error))?;
        Ok(directory)
    }

    /// Returns where what a mount shows is: a tree's path, and the place in it.
    fn origin_of(&mut self, mount: &Mount) -> Result<(PathBuf, Place)> {
        let (view, _) = self.sources.view(mount.from.as_deref())?;
        let place = found(&view.tree()?, &mount.source)?;
        let root = view.path().to_owned();
        self.views.push(view);
        Ok((root, place))
    }

    /// Returns the path of a file or directory that looks like one in a tree, and takes what is written
    /// to it.
    fn throwaway(&mut self, root: &Path, place: &Place) -> Result<PathBuf> {
        let (path, view) = self.sources.stacks.throwaway(root, place)?;
        self.views.push(view);
        Ok(path)
    }

    fn directories(&self) -> &Directories {
        &self.sources.stacks.directories
    }

    /// Denies writing where it could not be denied before.
    fn close(&mut self) -> Result<()> {
        for (mount, target) in self.closing.drain(..) {
            sandbox::deny_writing(mount, &target.to_string())?;
        }
        Ok(())
    }
}

/// Returns the place that a path leads to, where there must be something.
fn found(tree: &Tree, path: &Place) -> Result<Place> {
    let found = tree.resolve(path.as_bytes())?;
    match tree.status(&found)? {
        Some(_) => Ok(found),
        None => Err(not_found(path)),
    }
}

fn not_found(path: &Place) -> Failure {
    snapshot::Error::NotFound(path.to_string()).into()
}

/// Returns what the machine asks for names, and how.
fn machines_resolver() -> Vec<u8> {
    std::fs::read(RESOLVER).unwrap_or_default()
}

/// Returns the same where the machine is asked itself, which only a program outside can reach.
fn resolver_of(kind: UserNetwork) -> Vec<u8> {
    let machines = machines_resolver();
    let lines = machines.split_inclusive(|byte| *byte == b'\n');
    let others = lines.filter(|line| !line.trim_ascii_start().starts_with(b"nameserver"));
    let own = format!("nameserver {}\n", kind.resolver());
    [own.as_bytes()]
        .into_iter()
        .chain(others)
        .collect::<Vec<_>>()
        .concat()
}

/// Refuses a mount on a directory that shows the machine, or in it: it would hide what hides the machine.
fn refuse_shown(tree: &Tree, target: &Place) -> Result<()> {
    let place = tree.resolve(target.as_bytes())?;
    if matches!(place.names().next(), Some(b"proc" | b"sys")) {
        let message = format!("nothing can be mounted at `{target}`: it is in /proc or /sys");
        return Err(Failure::build(message));
    }
    Ok(())
}

/// Refuses a link where something is mounted that shows the machine: it could come to lie where what is
/// not to be seen of it is not hidden. Engines refuse it as well.
fn refuse_link(tree: &Tree, path: &str) -> Result<()> {
    if tree.resolve(path.as_bytes())? == Place::new(path) {
        return Ok(());
    }
    let message = format!("`{path}` is a symbolic link: no process can be run there");
    Err(Failure::build(message))
}

/// Makes a directory where a path leads to, unless there is one.
pub(crate) fn make_directory(tree: &Tree, path: &[u8], owner: Option<Owner>) -> Result<()> {
    let place = tree.resolve(path)?;
    tree.make_directories(&place, 0o755, owner)?;
    Ok(())
}
