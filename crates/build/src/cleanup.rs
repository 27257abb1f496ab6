//! The folder in which one build works, and what that build may put into its engine's store,
//! written down before the engine is started: so that whoever comes after a build that was killed
//! can have both removed.
//!
//! A claim names nothing but the folder that it is in, and counts only if this user wrote it. Knows nothing
//! of what is in the store; only a backend of the same runtime does.

use std::ffi::OsStr;
use std::fs::File;

use backend_api::BuiltImage;
use beneath::{Directory, Kind};
use camino::{Utf8Component, Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

use crate::error::Error;
use state::IoContext as _;
use state::{Access, Folders, LOCKED_MODE};
use state::{Proof, Purpose};

/// The claim's file in a build's work folder.
const CLAIM: &str = "claim.json";
/// The file in a work folder that is locked as long as its build lives.
const LIFE: &str = "life";
/// How many random bytes are in the name of a work folder.
const UNIQUE: usize = 6;

/// A build that has begun and may not have ended.
///
/// It is none of the crate `documents`: it holds what the backend is handed again, as the trait of backends has
/// it, and nobody but `stagex` can read it or has a use for it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CleanupRecord {
    /// The runtime that builds.
    pub runtime: String,
    /// What it makes, as it is named to that runtime's backend. In the file, its work folder is a path in the
    /// folder that the claim is in.
    pub image: BuiltImage,
}

/// The work folder of a build that lives.
#[derive(Debug)]
pub struct Work {
    parent: Directory,
    name: String,
    folder: Utf8PathBuf,
    proof: Proof,
    _life: File,
}

impl Work {
    /// Makes a folder for a build of `name`, below the work folder of the tree.
    pub fn begin(folders: &Folders, name: &str) -> Result<Self, Error> {
        let path = folders.absolute_work()?;
        let absent = || std::io::Error::from(std::io::ErrorKind::NotFound);
        let parent = folders.open_work()?.ok_or_else(absent);
        let parent = parent.at("open", &path)?;
        let (name, made) = loop {
            let unique = printable::hex(&state::random()[..UNIQUE]);
            let name = format!("{name}-{unique}");
            match parent.new_directory(name.as_str().into()) {
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                made => break (name, made.at("create a directory in", &path)?),
            }
        };
        // Engines are told of it, and are started elsewhere.
        let folder = camino::absolute_utf8(path.join(&name)).at("find", &path)?;
        let life = made.new_file_of_mode(LIFE.into(), LOCKED_MODE);
        let life = life.at("write", &folder.join(LIFE))?;
        life.lock().at("lock", &folder.join(LIFE))?;
        let proof = folders.proof();
        Ok(Self {
            parent,
            name,
            folder,
            proof,
            _life: life,
        })
    }

    /// Returns the folder.
    pub fn folder(&self) -> &Utf8Path {
        &self.folder
    }

    /// Returns its name, which no other build has.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Moves what is called `name` in `directory` into the folder, as the one of this number. Returns its name.
    pub fn take(
        &self,
        directory: &Directory,
        name: &OsStr,
        number: usize,
    ) -> std::io::Result<String> {
        let new = format!("{number}");
        let folder = self.parent.directory(Utf8Path::new(&self.name))?;
        rustix::fs::renameat(directory, name, &folder, &new)?;
        Ok(new)
    }

    /// Writes down what the build may store; gone again with the folder.
    pub fn claim(&self, claim: &CleanupRecord) -> Result<(), Error> {
        let mut claim = claim.clone();
        if let Ok(work) = claim.image.work.strip_prefix(&self.folder) {
            claim.image.work = work.to_owned();
        }
        let text = serde_json::to_string(&claim).expect("a claim is plain data");
        let text = self.proof.seal(Purpose::Claim, &self.name, &(text + "\n"));
        let path = Utf8Path::new(&self.name).join(CLAIM);
        let written = self.parent.write(&path, text.as_bytes());
        Ok(written.at("write", &self.folder.join(CLAIM))?)
    }

    /// Removes the folder. With `keep_claim` its claim stays, as if the build had been killed: the
    /// next one looks once more.
    pub fn end(self, keep_claim: bool) -> Result<(), Error> {
        let name = Utf8Path::new(&self.name);
        let claim = if keep_claim {
            let folder = self.parent.directory(name).at("open", &self.folder)?;
            read(&folder, &self.name, &self.folder, &self.proof)
        } else {
            None
        };
        self.parent.remove(name).at("remove", &self.folder)?;
        claim.map_or(Ok(()), |claim| self.claim(&claim))
    }
}

/// The folder of a build that was killed.
#[derive(Debug)]
pub struct Abandoned {
    /// The folder that it is in.
    pub work: Utf8PathBuf,
    /// Its name there.
    pub name: String,
    /// What the build may have stored, if it came so far.
    pub claim: Option<CleanupRecord>,
    /// Keeps others from clearing it up as well.
    _life: Option<File>,
}

/// Lists the work folders whose builds do not live any more. Whoever is alone finds what is no work folder
/// as well.
pub fn abandoned(folders: &Folders, access: Access) -> Result<Vec<Abandoned>, Error> {
    let path = folders.absolute_work()?;
    let Some(work) = folders.open_work()? else {
        return Ok(Vec::new());
    };
    let proof = folders.proof();
    let mut abandoned = Vec::new();
    for entry in work.entries().at("read", &path)? {
        let left = |claim, life| Abandoned {
            work: path.clone(),
            name: entry.name.clone(),
            claim,
            _life: life,
        };
        if entry.kind != Kind::Directory {
            if access == Access::Alone {
                abandoned.push(left(None, None));
            }
            continue;
        }
        let Ok(folder) = work.directory(Utf8Path::new(&entry.name)) else {
            continue;
        };
        let claim = read(&folder, &entry.name, &path.join(&entry.name), &proof);
        let life = match folder.file(LIFE.into()) {
            Ok(life) => {
                if life.try_lock().is_err() {
                    continue;
                }
                Some(life)
            }
            // It was killed before that, or is its claim only; or it has just begun.
            Err(_) if access == Access::Alone || claim.is_some() => None,
            Err(_) => continue,
        };
        abandoned.push(left(claim, life));
    }
    Ok(abandoned)
}

/// Reads the claim in the folder `name`, which is at `path`. One that is not there, cannot be understood, or
/// was not written here by this user is none.
fn read(folder: &Directory, name: &str, path: &Utf8Path, proof: &Proof) -> Option<CleanupRecord> {
    let text = folder.read_text(CLAIM.into(), beneath::DOCUMENT).ok()?;
    let text = proof.open(Purpose::Claim, name, &text)?;
    let mut claim: CleanupRecord = serde_json::from_str(text).ok()?;
    let is_within = |component| matches!(component, Utf8Component::Normal(_));
    if !claim.image.work.components().all(is_within) {
        return None;
    }
    claim.image.work = path.join(claim.image.work);
    Some(claim)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    fn folders(root: &tempfile::TempDir) -> Folders {
        let folders = Folders::of_tree(Utf8Path::from_path(root.path()).unwrap());
        let nobody = &mut |_| panic!("nobody else holds the lock");
        folders.open(Access::Alone, nobody).unwrap();
        folders
    }

    fn claim(work: &Work) -> CleanupRecord {
        CleanupRecord {
            runtime: "docker".to_owned(),
            image: BuiltImage {
                key: backend_api::BuildKey::new("core-a"),
                reference: "localhost/stagex/core-a".to_owned(),
                also_made: Vec::new(),
                steps: Vec::new(),
                base_layers: 0,
                work: work.folder().join("engine"),
            },
        }
    }

    #[test]
    fn a_build_that_lives_is_nobodys_to_clear_up_and_a_dead_one_is() {
        let root = tempfile::tempdir().unwrap();
        let folders = folders(&root);
        let work = Work::begin(&folders, "core-a").unwrap();
        work.claim(&claim(&work)).unwrap();
        assert_eq!(abandoned(&folders, Access::Beside).unwrap().len(), 0);

        // As if it had been killed: its folder stays, and nobody holds the lock.
        let folder = work.folder().to_owned();
        drop(work);
        let found = abandoned(&folders, Access::Beside).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].work.join(&found[0].name), folder);
        let claim = found[0].claim.as_ref().unwrap();
        assert_eq!(claim.runtime, "docker");
        assert_eq!(claim.image.work, folder.join("engine"));
        let by_another = abandoned(&folders, Access::Beside).unwrap();
        assert_eq!(by_another.len(), 0, "one of two clears it up");
    }

    #[test]
    fn a_build_that_was_interrupted_leaves_its_claim() {
        let root = tempfile::tempdir().unwrap();
        let folders = folders(&root);
        for keep_claim in [false, true] {
            let work = Work::begin(&folders, "core-a").unwrap();
            work.claim(&claim(&work)).unwrap();
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

    #[test]
    fn a_claim_that_somebody_else_wrote_is_none() {
        let root = tempfile::tempdir().unwrap();
        let folders = folders(&root);
        let work = Work::begin(&folders, "core-a").unwrap();
        work.claim(&claim(&work)).unwrap();
        let (folder, text) = (
            work.folder().to_owned(),
            fs::read_to_string(work.folder().join(CLAIM)).unwrap(),
        );
        drop(work);
        let believed = || {
            let found = abandoned(&folders, Access::Alone).unwrap();
            found.iter().filter(|left| left.claim.is_some()).count()
        };
        assert_eq!(believed(), 1);
        // What was written of another folder, in other words, or of anything outside.
        let other = folders.work().join("core-b-1");
        fs::create_dir(&other).unwrap();
        fs::write(other.join(CLAIM), &text).unwrap();
        assert_eq!(believed(), 1, "a claim that was copied");
        for changed in [
            text.replace("engine", "../../../../.."),
            text.replace("docker", "podman"),
            text.lines().next().unwrap().to_owned() + "\n",
        ] {
            assert_ne!(changed, text);
            fs::write(folder.join(CLAIM), changed).unwrap();
            assert_eq!(believed(), 0);
        }
    }

    #[test]
    fn links_in_the_work_folder_lead_nowhere() {
        let root = tempfile::tempdir().unwrap();
        let folders = folders(&root);
        symlink("/", folders.work().join("core-a-1")).unwrap();
        assert_eq!(abandoned(&folders, Access::Beside).unwrap().len(), 0);
        assert_eq!(abandoned(&folders, Access::Alone).unwrap().len(), 1);
    }
}
