//! The folder in which one build works, and what that build may put into its engine's store,
//! written down before the engine is started: so that whoever comes after a build that was killed
//! can have both removed.
//!
//! Knows nothing of what is in the store; only a backend of the same runtime does.

use std::fs::{self, File};
use std::io;

use backend_api::BuiltImage;
use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

use crate::error::{Error, IoContext, not_text};
use crate::folders::{Access, Folders, remove_folder, write_whole};

/// The claim's file in a build's work folder.
const CLAIM: &str = "claim.json";
/// The file in a work folder that is locked as long as its build lives.
const LIFE: &str = "life";

/// A build that has begun and may not have ended.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Claim {
    /// The runtime that builds.
    pub runtime: String,
    /// What it makes, as it is named to that runtime's backend.
    pub image: BuiltImage,
}

/// The work folder of a build that lives.
#[derive(Debug)]
pub(crate) struct Work {
    folder: Utf8PathBuf,
    _life: File,
}

impl Work {
    /// Makes a folder for a build of `name`, below the work folder of the tree.
    pub(crate) fn begin(folders: &Folders, name: &str) -> Result<Self, Error> {
        let parent = folders.work();
        let folder = tempfile::Builder::new()
            .prefix(&format!("{name}-"))
            .rand_bytes(8)
            .tempdir_in(&parent)
            .at("make folder in", &parent)?
            .keep();
        let folder = Utf8PathBuf::from_path_buf(folder).map_err(|path| not_text(&path))?;
        let path = folder.join(LIFE);
        let life = File::create(&path).at("write", &path)?;
        life.lock().at("lock", &path)?;
        Ok(Self {
            folder,
            _life: life,
        })
    }

    /// Returns the folder.
    pub(crate) fn folder(&self) -> &Utf8Path {
        &self.folder
    }

    /// Writes down what the build may store; gone again with the folder.
    pub(crate) fn claim(&self, claim: &Claim) -> Result<(), Error> {
        let path = self.folder.join(CLAIM);
        let bytes = serde_json::to_vec(claim).expect("a claim is plain data");
        write_whole(&path, &bytes).at("write", &path)
    }

    /// Removes the folder. With `keep_claim` its claim stays, as if the build had been killed: the
    /// next one looks once more.
    pub(crate) fn end(self, keep_claim: bool) -> Result<(), Error> {
        let claim = if keep_claim { read(&self.folder) } else { None };
        remove_folder(&self.folder).at("remove", &self.folder)?;
        claim.map_or(Ok(()), |claim| self.claim(&claim))
    }
}

/// The folder of a build that was killed.
pub(crate) struct Abandoned {
    pub folder: Utf8PathBuf,
    /// What the build may have stored, if it came so far.
    pub claim: Option<Claim>,
    /// Keeps others from clearing it up as well.
    _life: Option<File>,
}

/// Lists the work folders whose builds do not live any more.
pub(crate) fn abandoned(folders: &Folders, access: Access) -> Result<Vec<Abandoned>, Error> {
    let work = folders.work();
    let mut abandoned = Vec::new();
    for entry in work.read_dir_utf8().at("read", &work)? {
        let folder = entry.at("read", &work)?.into_path();
        let life = match File::open(folder.join(LIFE)) {
            Ok(life) if life.try_lock().is_ok() => Some(life),
            Ok(_) => continue,
            // It was killed before that, or is its claim only; or it has just begun.
            Err(_) if access == Access::Alone || folder.join(CLAIM).exists() => None,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error).at("open", &folder),
        };
        let claim = read(&folder);
        abandoned.push(Abandoned {
            folder,
            claim,
            _life: life,
        });
    }
    Ok(abandoned)
}

/// Reads a claim. One that is not there or cannot be understood is none.
fn read(folder: &Utf8Path) -> Option<Claim> {
    serde_json::from_slice(&fs::read(folder.join(CLAIM)).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folders(root: &tempfile::TempDir) -> Folders {
        let folders = Folders::of_tree(Utf8Path::from_path(root.path()).unwrap());
        fs::create_dir_all(folders.work()).unwrap();
        folders
    }

    fn claim() -> Claim {
        Claim {
            runtime: "docker".to_owned(),
            image: BuiltImage {
                key: backend_api::BuildKey::new("core-a"),
                reference: "localhost/stagex/core-a".to_owned(),
                also_made: Vec::new(),
                steps: Vec::new(),
                base_layers: 0,
                work: "/nowhere".into(),
            },
        }
    }

    #[test]
    fn a_build_that_lives_is_nobodys_to_clear_up_and_a_dead_one_is() {
        let root = tempfile::tempdir().unwrap();
        let folders = folders(&root);
        let work = Work::begin(&folders, "core-a").unwrap();
        work.claim(&claim()).unwrap();
        assert_eq!(abandoned(&folders, Access::Beside).unwrap().len(), 0);

        // As if it had been killed: its folder stays, and nobody holds the lock.
        let folder = work.folder().to_owned();
        drop(work);
        let found = abandoned(&folders, Access::Beside).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].folder, folder);
        assert_eq!(found[0].claim.as_ref().unwrap().runtime, "docker");
        let by_another = abandoned(&folders, Access::Beside).unwrap();
        assert_eq!(by_another.len(), 0, "one of two clears it up");
    }

    #[test]
    fn a_build_that_was_interrupted_leaves_its_claim() {
        let root = tempfile::tempdir().unwrap();
        let folders = folders(&root);
        for keep_claim in [false, true] {
            let work = Work::begin(&folders, "core-a").unwrap();
            work.claim(&claim()).unwrap();
            work.end(keep_claim).unwrap();
            let found = abandoned(&folders, Access::Beside).unwrap();
            assert_eq!(found.len(), usize::from(keep_claim));
        }
    }

    #[test]
    fn a_folder_that_may_have_just_begun_is_left_to_whoever_is_alone() {
        let root = tempfile::tempdir().unwrap();
        let folders = folders(&root);
        fs::create_dir(folders.work().join("core-a-1")).unwrap();
        assert_eq!(abandoned(&folders, Access::Beside).unwrap().len(), 0);
        assert_eq!(abandoned(&folders, Access::Alone).unwrap().len(), 1);
    }
}
