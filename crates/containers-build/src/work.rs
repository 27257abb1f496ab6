//! What a build keeps in its work folder: a store of its own, temporary files, its contexts.
//!
//! The engine's usual store is never touched. What the build puts into its own, images of
//! dependencies, intermediate images, containers of a RUN that failed, disappears with the
//! folder, and builds that run at once cannot take anything away from each other.

use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;

use camino::{Utf8Path, Utf8PathBuf};

use crate::enclosure::Enclosure;
use crate::error::Error;
use crate::tool::Tool;

/// What a RUN finds in `/etc/hosts`: what `BuildKit` gives it. Without a network the engine would
/// give it nothing, and `localhost` would have no address.
const HOSTS: &str = "127.0.0.1\tlocalhost buildkitsandbox\n\
                     ::1\tlocalhost ip6-localhost ip6-loopback\n";

/// The work folder of one build.
#[derive(Debug, Clone)]
pub(crate) struct Work {
    folder: Utf8PathBuf,
}

impl Work {
    /// Takes charge of `folder`.
    pub(crate) fn new(folder: &Utf8Path) -> Self {
        let folder = folder.to_owned();
        Self { folder }
    }

    /// Makes the folders that the engine expects.
    pub(crate) fn make(&self) -> Result<(), Error> {
        for folder in [self.store(), self.temporary(), self.images()] {
            fs::create_dir_all(&folder).map_err(|source| Error::file(&folder, source))?;
        }
        // Whoever else may write to /tmp must not have made it before, nor look into it.
        let state = self.state();
        fs::DirBuilder::new()
            .mode(0o700)
            .create(&state)
            .map_err(|source| Error::file(&state, source))?;
        let hosts = self.hosts();
        fs::write(&hosts, HOSTS).map_err(|source| Error::file(&hosts, source))
    }

    fn store(&self) -> Utf8PathBuf {
        self.folder.join("store")
    }

    /// Returns where the store keeps its state while the engine runs: mount points, locks. Some
    /// versions refuse a path of more than 50 bytes, so it cannot be in the work folder.
    fn state(&self) -> Utf8PathBuf {
        let mut hasher = DefaultHasher::new();
        self.folder.hash(&mut hasher);
        format!("/tmp/stagex-{:016x}", hasher.finish()).into()
    }

    /// Returns the file that a RUN sees as `/etc/hosts`. It lies where no path has a colon, which
    /// ends a path in the argument that names it.
    pub(crate) fn hosts(&self) -> Utf8PathBuf {
        self.state().join("hosts")
    }

    /// Returns the arguments, common to all subcommands, that name the build's own store.
    pub(crate) fn store_arguments(&self) -> [String; 4] {
        [
            "--root".to_owned(),
            self.store().join("root").into_string(),
            "--runroot".to_owned(),
            self.state().into_string(),
        ]
    }

    /// Returns where the engine puts its temporary files.
    pub(crate) fn temporary(&self) -> Utf8PathBuf {
        self.folder.join("temporary")
    }

    /// Returns the folder below which the images of contexts lie.
    pub(crate) fn images(&self) -> Utf8PathBuf {
        self.folder.join("images")
    }

    /// Returns where the folder of a context is copied to, if it has to be.
    pub(crate) fn copy_of_folder(&self, index: usize) -> Utf8PathBuf {
        self.folder.join("folders").join(index.to_string())
    }

    /// Returns the file that the engine writes the image's id into.
    pub(crate) fn image_id(&self) -> Utf8PathBuf {
        self.folder.join("image-id")
    }

    /// Deletes everything that a build has put into the folder. What is gone already is no error.
    pub(crate) async fn remove(&self, tool: &Tool, enclosure: &Enclosure) -> Result<(), Error> {
        if !enclosure.is_root() {
            enclosure.removal(tool, &self.theirs()).run().await?;
        }
        let (folder, state) = (self.folder.clone(), self.state());
        let removed = tokio::task::spawn_blocking(move || {
            remove_contents(&folder)?;
            remove_contents(&state)?;
            match fs::remove_dir(&state) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
                removed => removed,
            }
        })
        .await;
        removed
            .unwrap_or_else(|panicked| Err(io::Error::other(panicked)))
            .map_err(|source| Error::file(&self.folder, source))
    }

    /// Deletes what the engine made in the background, once what was told to end has ended.
    pub(crate) fn remove_unattended(&self, tool: &Tool, enclosure: &Enclosure) {
        enclosure.removal(tool, &self.theirs()).run_unattended();
    }

    /// Returns the folders that the engine writes to as its own users.
    fn theirs(&self) -> [Utf8PathBuf; 3] {
        [self.store(), self.state(), self.temporary()]
    }
}

fn remove_contents(folder: &Utf8Path) -> io::Result<()> {
    let entries = match folder.read_dir_utf8() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        } else {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_has_a_short_path_of_its_own() {
        let state = |folder: &str| Work::new(Utf8Path::new(folder)).state();
        let long = "/a/rather/long/path/".repeat(9);
        assert!(state(&long).as_str().len() <= 50);
        assert_ne!(state(&long), state("/a"));
    }

    #[test]
    fn what_is_gone_is_no_error() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = Utf8Path::from_path(temporary.path()).unwrap().join("w");
        let work = Work::new(&folder);
        remove_contents(&folder).unwrap();
        work.make().unwrap();
        fs::write(work.image_id(), "x").unwrap();
        remove_contents(&folder).unwrap();
        assert_eq!(folder.read_dir_utf8().unwrap().count(), 0);
        remove_contents(&work.state()).unwrap();
        fs::remove_dir(work.state()).unwrap();
    }
}
