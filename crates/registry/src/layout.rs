//! An OCI layout that is being written. It appears in its place when it is whole, or not at all.
//!
//! It does not know where the bytes come from, and verifies none.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::AsFd as _;
use std::sync::{Mutex, PoisonError};

use beneath::Directory;
use camino::{Utf8Path, Utf8PathBuf};
use oci_image::Digest;
use serde::Serialize;
use tokio::task::{JoinHandle, spawn_blocking};

use crate::error::{Error, io};

/// The files of a layout, and what one of them says.
const LAYOUT_FILE: &str = "oci-layout";
const LAYOUT: &[u8] = br#"{"imageLayoutVersion":"1.0.0"}"#;
const INDEX_FILE: &str = "index.json";
const ALL_BLOBS: &str = "blobs";
const BLOBS: &str = "blobs/sha256";

/// A layout that is being written.
pub(crate) struct Unfinished {
    parent: Directory,
    name: Utf8PathBuf,
    temporary: Utf8PathBuf,
    blobs: Directory,
    /// What was written, and is perhaps not on the disk.
    documents: Mutex<Vec<Digest>>,
    is_done: bool,
}

/// The top of an image: what a layout's index lists.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Top {
    pub(crate) media_type: &'static str,
    pub(crate) digest: Digest,
    pub(crate) size: usize,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Index<'a> {
    schema_version: u32,
    manifests: [&'a Top; 1],
}

impl Unfinished {
    /// Begins a layout that is to be `name` in `parent`.
    pub(crate) fn begin(parent: &Directory, name: &Utf8Path) -> Result<Self, Error> {
        let place = parent.path().join(name);
        let begun = || {
            let parent = parent.directory(Utf8Path::new(""))?;
            let is_there = parent.metadata(name)?.is_some();
            let (directory, temporary) = parent.new_unfinished(name.as_str())?;
            let blobs = directory.make_directory(BLOBS.into());
            let unfinished = |blobs| Self {
                parent,
                name: name.to_owned(),
                temporary,
                blobs,
                documents: Mutex::default(),
                is_done: false,
            };
            Ok((blobs.map(unfinished)?, is_there))
        };
        let (unfinished, is_there) = begun().map_err(io("create", place.as_path()))?;
        if is_there {
            return Err(Error::Exists(place));
        }
        Ok(unfinished)
    }

    /// Returns the path of a blob, for messages.
    pub(crate) fn path(&self, digest: &Digest) -> Utf8PathBuf {
        self.blobs.path().join(digest.hex())
    }

    /// Makes the file of a blob. Whoever writes it has to see to it that it reaches the disk.
    pub(crate) fn blob(&self, digest: &Digest) -> Result<File, Error> {
        let file = self.blobs.new_file(digest.hex().as_str().into());
        file.map_err(io("write", self.path(digest)))
    }

    /// Writes a document, or a config. It reaches the disk when the layout is finished.
    pub(crate) fn write(&self, digest: &Digest, bytes: &[u8]) -> Result<(), Error> {
        let mut file = self.blob(digest)?;
        let written = file.write_all(bytes);
        written.map_err(io("write", self.path(digest)))?;
        let mut documents = self
            .documents
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        documents.push(*digest);
        Ok(())
    }

    /// Puts the layout into its place, once all of it is on the disk: it is whole there also after a power failure.
    /// Returns the place.
    pub(crate) async fn finish(mut self, top: &Top) -> Result<Utf8PathBuf, Error> {
        let place = self.parent.path().join(&self.name);
        let on_disk = match self.begin_syncing(top) {
            Ok(syncing) => syncing.await.map_err(io::Error::other).flatten(),
            Err(error) => Err(error),
        };
        match on_disk.and_then(|()| self.parent.rename(&self.temporary, &self.name)) {
            Ok(()) => {
                self.is_done = true;
                Ok(place)
            }
            Err(error) => Err(match error.kind() {
                io::ErrorKind::DirectoryNotEmpty
                | io::ErrorKind::AlreadyExists
                | io::ErrorKind::NotADirectory => Error::Exists(place),
                _ => io("write", place)(error),
            }),
        }
    }
}

impl Unfinished {
    /// Writes what leads to the image, and begins to wait until everything is on the disk. That goes on where nobody waits
    /// for it any more, and changes nothing.
    fn begin_syncing(&self, top: &Top) -> io::Result<JoinHandle<io::Result<()>>> {
        let index = Index {
            schema_version: 2,
            manifests: [top],
        };
        let directory = self.parent.directory(&self.temporary)?;
        let index = serde_json::to_vec(&index)?;
        for (name, bytes) in [(LAYOUT_FILE, LAYOUT), (INDEX_FILE, &index)] {
            directory.write(name.into(), bytes)?;
        }
        let blobs = directory.directory(BLOBS.into())?;
        let documents = self.documents.lock();
        let documents = std::mem::take(&mut *documents.unwrap_or_else(PoisonError::into_inner));
        Ok(spawn_blocking(move || {
            for digest in documents {
                blobs.file(digest.hex().as_str().into())?.sync_all()?;
            }
            for name in [LAYOUT_FILE, INDEX_FILE] {
                directory.file(name.into())?.sync_all()?;
            }
            sync(&blobs)?;
            sync(&directory.directory(ALL_BLOBS.into())?)?;
            sync(&directory)
        }))
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if !self.is_done {
            // Whatever is left is hidden, and goes with the directory that it is in.
            let _ = self.parent.remove(&self.temporary);
        }
    }
}

/// Waits until the names in a directory are on the disk.
fn sync(directory: &Directory) -> io::Result<()> {
    File::from(directory.as_fd().try_clone_to_owned()?).sync_all()
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use tokio::runtime::Builder;

    use super::*;

    #[test]
    fn what_is_given_up_while_it_reaches_the_disk_leaves_nothing() {
        let temporary = tempfile::tempdir().unwrap();
        let parent = Directory::open(temporary.path().try_into().unwrap()).unwrap();
        let mut runtime = Builder::new_current_thread();
        let runtime = runtime.max_blocking_threads(1).build().unwrap();
        // The only thread that may wait for the disk is held.
        let (release, held) = mpsc::channel::<()>();
        runtime.spawn_blocking(move || held.recv());
        let layout = Unfinished::begin(&parent, "x".into()).unwrap();
        let digest = Digest::of(b"{}");
        layout.write(&digest, b"{}").unwrap();
        let top = Top {
            media_type: "x",
            digest,
            size: 2,
        };
        runtime.block_on(async {
            tokio::select! {
                biased;
                finished = layout.finish(&top) => panic!("{finished:?}"),
                () = std::future::ready(()) => {}
            }
        });
        let left = std::fs::read_dir(temporary.path()).unwrap().count();
        assert_eq!(left, 0);
        drop(release);
    }
}
