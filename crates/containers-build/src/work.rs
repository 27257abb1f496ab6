//! What a build keeps in its work directory: a store of its own, temporary files, its contexts.
//!
//! The engine's usual store is never touched. What the build puts into its own, images of
//! dependencies, intermediate images, containers of a RUN that failed, disappears with the
//! directory, and builds that run at once cannot take anything away from each other.

use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, symlink};

use camino::{Utf8Path, Utf8PathBuf};
use process::Environment;
use rustix::fs::statfs;

use crate::engine_namespaces::EngineNamespaces;
use crate::error::Error;
use crate::sandbox::Sandbox;
use crate::tool::Tool;

/// What a RUN finds in `/etc/hosts`: what `BuildKit` gives it. Without a network the engine would
/// give it nothing, and `localhost` would have no address.
const HOSTS: &str = "127.0.0.1\tlocalhost buildkitsandbox\n\
                     ::1\tlocalhost ip6-localhost ip6-loopback\n";

/// Where files can be that are to stay in memory.
const MEMORY: &str = "/dev/shm";
/// How the kernel names a file system in memory.
const TMPFS: u64 = 0x0102_1994;
/// How many bytes must be free there: the records of a large layer take some ten million.
const ROOM_IN_MEMORY: u64 = 1 << 30;

/// The variable that names the kind of an engine's store.
const DRIVER: &str = "STORAGE_DRIVER";

/// The directories of a store in which the engine keeps its records of layers, images and containers,
/// for each kind of store, and of itself.
const RECORDS: [&str; 7] = [
    "libpod",
    "overlay-containers",
    "overlay-images",
    "overlay-layers",
    "vfs-containers",
    "vfs-images",
    "vfs-layers",
];

/// The work directory of one build.
#[derive(Debug, Clone)]
pub(crate) struct Work {
    directory: Utf8PathBuf,
}

impl Work {
    /// Takes charge of `directory`.
    pub(crate) fn new(directory: &Utf8Path) -> Self {
        let directory = directory.to_owned();
        Self { directory }
    }

    /// Makes the directories that the engine expects, for a build in `sandbox`.
    pub(crate) fn make(&self, sandbox: Sandbox) -> Result<(), Error> {
        for directory in [self.store(), self.temporary(), self.images()] {
            fs::create_dir_all(&directory).map_err(|source| Error::file(&directory, source))?;
        }
        make_private(&self.state())?;
        let hosts = self.hosts();
        fs::write(&hosts, HOSTS).map_err(|source| Error::file(&hosts, source))?;
        let ignored = self.ignored();
        fs::write(&ignored, "# nothing\n").map_err(|source| Error::file(&ignored, source))?;
        if sandbox.hides_memory() && has_room(MEMORY.into()) {
            self.keep_records_in_memory()?;
        }
        Ok(())
    }

    /// Has the engine keep its records in memory: it writes them anew after each instruction and
    /// waits each time until the disk has them, which is for nothing in a store that is thrown away.
    fn keep_records_in_memory(&self) -> Result<(), Error> {
        let (root, records) = (self.root(), self.records());
        make_private(&root)?;
        make_private(&records)?;
        for name in RECORDS {
            let directory = records.join(name);
            make_private(&directory)?;
            symlink(&directory, root.join(name)).map_err(|source| Error::file(&root, source))?;
        }
        Ok(())
    }

    fn store(&self) -> Utf8PathBuf {
        self.directory.join("store")
    }

    /// Returns where the store keeps its state while the engine runs: mount points, locks. Some
    /// versions refuse a path of more than 50 bytes, so it cannot be in the work directory.
    fn state(&self) -> Utf8PathBuf {
        Utf8Path::new("/tmp").join(self.name())
    }

    /// Returns where the store keeps its records, if they are in memory.
    fn records(&self) -> Utf8PathBuf {
        Utf8Path::new(MEMORY).join(self.name())
    }

    /// Returns a short name that no other build has.
    fn name(&self) -> String {
        let mut hasher = DefaultHasher::new();
        self.directory.hash(&mut hasher);
        format!("stagex-{:016x}", hasher.finish())
    }

    fn root(&self) -> Utf8PathBuf {
        self.store().join("root")
    }

    /// Returns the file that a RUN sees as `/etc/hosts`. It lies where no path has a colon, which
    /// ends a path in the argument that names it.
    pub(crate) fn hosts(&self) -> Utf8PathBuf {
        self.state().join("hosts")
    }

    /// Returns the list of what is left out of the context: nothing, whatever lists are in it.
    pub(crate) fn ignored(&self) -> Utf8PathBuf {
        self.state().join("ignored")
    }

    /// Returns the arguments, common to all subcommands, that name the build's own store. It is one of overlayfs,
    /// whatever the engine is configured to use for others: `vfs` finds changes by sizes and times, and is what
    /// some versions take for an ordinary user. Whoever sets `STORAGE_DRIVER` decides; a trial has the last word.
    pub(crate) fn store_arguments(&self) -> Vec<String> {
        let mut arguments = vec![
            "--root".to_owned(),
            self.root().into_string(),
            "--runroot".to_owned(),
            self.state().into_string(),
        ];
        let environment = Environment::pinned();
        if !environment.iter().any(|(name, _)| name == DRIVER) {
            arguments.extend(["--storage-driver".to_owned(), "overlay".to_owned()]);
        }
        arguments
    }

    /// Returns where the engine puts its temporary files.
    pub(crate) fn temporary(&self) -> Utf8PathBuf {
        self.directory.join("temporary")
    }

    /// Returns the directory below which the images of contexts lie.
    pub(crate) fn images(&self) -> Utf8PathBuf {
        self.directory.join("images")
    }

    /// Returns where the directory of a context is copied to, if it has to be.
    pub(crate) fn copy_of_directory(&self, index: usize) -> Utf8PathBuf {
        self.directory.join("directories").join(index.to_string())
    }

    /// Returns the file that the engine writes the image's id into.
    pub(crate) fn image_id(&self) -> Utf8PathBuf {
        self.directory.join("image-id")
    }

    /// Deletes everything that a build has put into the directory. What is gone already is no error.
    pub(crate) async fn remove(
        &self,
        tool: &Tool,
        namespaces: &EngineNamespaces,
    ) -> Result<(), Error> {
        if !namespaces.is_root() {
            namespaces.removal(tool, &self.theirs()).run().await?;
        }
        let this = self.clone();
        let removed = tokio::task::spawn_blocking(move || this.remove_files()).await;
        removed
            .unwrap_or_else(|panicked| Err(io::Error::other(panicked)))
            .map_err(|source| Error::file(&self.directory, source))
    }

    fn remove_files(&self) -> io::Result<()> {
        remove_contents(&self.directory)?;
        for directory in [self.state(), self.records()] {
            remove_contents(&directory)?;
            is_gone(fs::remove_dir(&directory))?;
        }
        Ok(())
    }

    /// Deletes what the engine made in the background, once what was told to end has ended.
    pub(crate) fn remove_unattended(&self, tool: &Tool, namespaces: &EngineNamespaces) {
        namespaces.removal(tool, &self.theirs()).run_unattended();
    }

    /// Returns the directories that the engine writes to as its own users.
    fn theirs(&self) -> [Utf8PathBuf; 4] {
        [self.store(), self.state(), self.records(), self.temporary()]
    }
}

/// Makes a directory in a place that others may write to as well: it must not have been there, and
/// nobody else may look into it.
fn make_private(directory: &Utf8Path) -> Result<(), Error> {
    let made = fs::DirBuilder::new().mode(0o700).create(directory);
    made.map_err(|source| Error::file(directory, source))
}

/// Tells whether `directory` is in memory, and has room for the records of any build.
fn has_room(directory: &Utf8Path) -> bool {
    statfs(directory.as_std_path()).is_ok_and(|found| {
        let free = found.f_bavail.saturating_mul(found.f_bsize.unsigned_abs());
        found.f_type.unsigned_abs() == TMPFS && free >= ROOM_IN_MEMORY
    })
}

fn remove_contents(directory: &Utf8Path) -> io::Result<()> {
    let entries = match directory.read_dir_utf8() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let removed = match entry.file_type() {
            Ok(kind) if kind.is_dir() => fs::remove_dir_all(entry.path()),
            Ok(_) => fs::remove_file(entry.path()),
            Err(error) => Err(error),
        };
        is_gone(removed)?;
    }
    Ok(())
}

/// Takes it for no error that something is gone already: after an interruption others remove it too.
fn is_gone(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_has_a_short_path_of_its_own() {
        let state = |directory: &str| Work::new(Utf8Path::new(directory)).state();
        let long = "/a/rather/long/path/".repeat(9);
        assert!(state(&long).as_str().len() <= 50);
        assert_ne!(state(&long), state("/a"));
    }

    #[test]
    fn what_is_gone_is_no_error() {
        let temporary = tempfile::tempdir().unwrap();
        let directory = Utf8Path::from_path(temporary.path()).unwrap().join("w");
        let work = Work::new(&directory);
        work.remove_files().unwrap();
        work.make(Sandbox::Chroot).unwrap();
        fs::write(work.image_id(), "x").unwrap();
        work.remove_files().unwrap();
        assert_eq!(directory.read_dir_utf8().unwrap().count(), 0);
        assert!(!work.state().exists());
    }

    #[test]
    fn two_may_remove_the_same() {
        let temporary = tempfile::tempdir().unwrap();
        let directory = Utf8Path::from_path(temporary.path()).unwrap();
        for _ in 0..20 {
            for place in 0..50 {
                let below = directory.join(format!("{place}/a/b"));
                fs::create_dir_all(&below).unwrap();
                fs::write(directory.join(format!("{place}.file")), "").unwrap();
            }
            std::thread::scope(|scope| {
                let other = scope.spawn(|| remove_contents(directory));
                remove_contents(directory).unwrap();
                other.join().unwrap().unwrap();
            });
        }
    }

    #[test]
    fn records_in_memory_go_with_the_rest() {
        let temporary = tempfile::tempdir().unwrap();
        let work = Work::new(Utf8Path::from_path(temporary.path()).unwrap());
        work.make(Sandbox::Chroot).unwrap();
        assert!(!work.records().exists(), "a RUN in a chroot would see them");
        work.keep_records_in_memory().unwrap();
        fs::write(work.root().join("overlay-layers/layers.json"), "[]").unwrap();
        assert!(work.records().join("overlay-layers/layers.json").exists());
        work.remove_files().unwrap();
        assert!(!work.records().exists());
    }

    #[test]
    fn a_disk_is_not_taken_for_memory() {
        assert!(!has_room("/proc".into()));
        assert!(!has_room("/nowhere".into()));
    }
}
