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

    /// Reads it. One that is not there or cannot be understood is none.
    pub(crate) fn read(work: &Utf8Path) -> Option<Self> {
        serde_json::from_slice(&fs::read(work.join(FILE)).ok()?).ok()
    }
}

/// Removes what builds that were killed or interrupted have left, in the engine's store and in the
/// work folder, and returns what that was: a daemon may not have noticed yet that nobody wants an
/// image any more, and so it is worth another look when some time has passed.
///
/// What another runtime has left stays until it is that one's turn: only its backend knows how
/// to remove it.
pub(crate) async fn remove_abandoned(
    folders: &Folders,
    backend: &dyn Backend,
) -> Result<Vec<BuiltImage>, Error> {
    let work = folders.work();
    let mut removed = Vec::new();
    for entry in work.read_dir_utf8().at("read", &work)? {
        let folder = entry.at("read", &work)?.into_path();
        match Claim::read(&folder) {
            Some(claim) if claim.runtime != backend.id() => continue,
            Some(claim) => {
                backend.remove(claim.image.clone()).await?;
                removed.push(claim.image);
            }
            None => {}
        }
        spawn_blocking(move || remove_folder(&folder).at("clear", &folder))
            .await
            .expect("removing a folder does not panic")?;
    }
    Ok(removed)
}
