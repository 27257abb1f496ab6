//! What a build may put into its engine's store, written down before the engine is started: so
//! that whoever comes after a build that was killed can have it removed.
//!
//! Knows nothing of what it is; only a backend of the same runtime does.

use std::fs;

use backend_api::{Backend, BuiltImage};
use camino::Utf8Path;
use serde::{Deserialize, Serialize};
use tokio::task::spawn_blocking;

use crate::error::{Error, IoContext};
use crate::folders::{Folders, remove_folder, write_whole};

/// The claim's file in a build's work folder.
const FILE: &str = "claim.json";

/// A build that has begun and may not have ended.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Claim {
    /// The runtime that builds.
    pub runtime: String,
    /// What it makes, as it is named to that runtime's backend.
    pub image: BuiltImage,
}

impl Claim {
    /// Writes it into the build's work folder, with which it is gone again.
    pub(crate) fn write(&self, work: &Utf8Path) -> Result<(), Error> {
        let path = work.join(FILE);
        let bytes = serde_json::to_vec(self).expect("a claim is plain data");
        write_whole(&path, &bytes).at("write", &path)
    }

    fn read(work: &Utf8Path) -> Option<Self> {
        serde_json::from_slice(&fs::read(work.join(FILE)).ok()?).ok()
    }
}

/// Removes what killed builds have left, in the engine's store and in the work folder.
///
/// What another runtime has left stays until it is that one's turn: only its backend knows how
/// to remove it.
pub(crate) async fn remove_abandoned(
    folders: &Folders,
    backend: &dyn Backend,
) -> Result<(), Error> {
    let work = folders.work();
    for entry in work.read_dir_utf8().at("read", &work)? {
        let folder = entry.at("read", &work)?.into_path();
        match Claim::read(&folder) {
            Some(claim) if claim.runtime != backend.id() => continue,
            Some(claim) => backend.remove(claim.image).await?,
            None => {}
        }
        spawn_blocking(move || remove_folder(&folder).at("clear", &folder))
            .await
            .expect("removing a folder does not panic")?;
    }
    Ok(())
}
