//! The directory in which one build works, and what that build may put into its engine's store,
//! written down before the engine is started: so that whoever comes after a build that was killed
//! can have both removed.
//!
//! A claim names nothing but the directory that it is in, and counts only if this user wrote it. Knows nothing
//! of what is in the store; only a backend of the same runtime does.

use std::ffi::OsStr;
use std::fs::File;

use backend_api::BuiltImage;
use beneath::{Directory, Kind};
use camino::{Utf8Component, Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

use crate::error::Error;
use state::IoContext as _;
use state::{Access, Directories, LOCKED_MODE};
use state::{Proof, Purpose};

/// The claim's file in a build's work directory.
const CLAIM: &str = "claim.json";
/// The file in a work directory that is locked as long as its build lives.
const LIFE: &str = "life";
/// How many random bytes are in the name of a work directory.
const UNIQUE: usize = 6;

/// A build that has begun and may not have ended.
///
/// It is none of the crate `documents`: it holds what the backend is handed again, as the trait of backends has
/// it, and nobody but `stagex` can read it or has a use for it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CleanupRecord {
    /// The runtime that builds.
    pub runtime: String,
    /// What it makes, as it is named to that runtime's backend. In the file, its work directory is a path in the
    /// directory that the claim is in.
    pub image: BuiltImage,
}

/// The work directory of a build that lives.
#[derive(Debug)]
pub struct Work {
    parent: Directory,
    name: String,
    directory: Utf8PathBuf,
    proof: Proof,
    _life: File,
}

impl Work {
    /// Makes a directory for a build of `name`, below the work directory of the tree.
    pub fn begin(directories: &Directories, name: &str) -> Result<Self, Error> {
        let path = directories.absolute_work()?;
        let absent = || std::io::Error::from(std::io::ErrorKind::NotFound);
        let parent = directories.open_work()?.ok_or_else(absent);
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
        let directory = camino::absolute_utf8(path.join(&name)).at("find", &path)?;
        let life = made.new_file_of_mode(LIFE.into(), LOCKED_MODE);
        let life = life.at("write", &directory.join(LIFE))?;
        life.lock().at("lock", &directory.join(LIFE))?;
        let proof = directories.proof();
        Ok(Self {
            parent,
            name,
            directory,
            proof,
            _life: life,
        })
    }

    /// Returns the directory.
    pub fn directory(&self) -> &Utf8Path {
        &self.directory
    }

    /// Returns its name, which no other build has.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Moves what is called `name` in `directory` into the directory, as the one of this number. Returns its name.
    pub fn take(
        &self,
        directory: &Directory,
        name: &OsStr,
        number: usize,
    ) -> std::io::Result<String> {
        let new = format!("{number}");
        let own = self.parent.directory(Utf8Path::new(&self.name))?;
        rustix::fs::renameat(directory, name, &own, &new)?;
        Ok(new)
    }

    /// Writes down what the build may store; gone again with the own.
    pub fn claim(&self, claim: &CleanupRecord) -> Result<(), Error> {
        let mut claim = claim.clone();
        if let Ok(work) = claim.image.work.strip_prefix(&self.directory) {
            claim.image.work = work.to_owned();
        }
        let text = serde_json::to_string(&claim).expect("a claim is plain data");
        let text = self.proof.seal(Purpose::Claim, &self.name, &(text + "\n"));
        let path = Utf8Path::new(&self.name).join(CLAIM);
        let written = self.parent.write(&path, text.as_bytes());
        Ok(written.at("write", &self.directory.join(CLAIM))?)
    }

    /// Removes the directory. With `keep_claim` its claim stays, as if the build had been killed: the
    /// next one looks once more.
    pub fn end(self, keep_claim: bool) -> Result<(), Error> {
        let name = Utf8Path::new(&self.name);
        let claim = if keep_claim {
            let directory = self.parent.directory(name).at("open", &self.directory)?;
            read(&directory, &self.name, &self.directory, &self.proof)
        } else {
            None
        };
        self.parent.remove(name).at("remove", &self.directory)?;
        claim.map_or(Ok(()), |claim| self.claim(&claim))
    }
}

/// The directory of a build that was killed.
#[derive(Debug)]
pub struct Abandoned {
    /// The directory that it is in.
    pub work: Utf8PathBuf,
    /// Its name there.
    pub name: String,
    /// What the build may have stored, if it came so far.
    pub claim: Option<CleanupRecord>,
    /// Keeps others from clearing it up as well.
    _life: Option<File>,
}

/// Lists the work directories whose builds do not live any more. Whoever is alone finds what is no work directory
/// as well.
pub fn abandoned(directories: &Directories, access: Access) -> Result<Vec<Abandoned>, Error> {
    let path = directories.absolute_work()?;
    let Some(work) = directories.open_work()? else {
        return Ok(Vec::new());
    };
    let proof = directories.proof();
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
        let Ok(directory) = work.directory(Utf8Path::new(&entry.name)) else {
            continue;
        };
        let claim = read(&directory, &entry.name, &path.join(&entry.name), &proof);
        let life = match directory.file(LIFE.into()) {
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

/// Reads the claim in the directory `name`, which is at `path`. One that is not there, cannot be understood, or
/// was not written here by this user is none.
fn read(
    directory: &Directory,
    name: &str,
    path: &Utf8Path,
    proof: &Proof,
) -> Option<CleanupRecord> {
    let text = directory.read_text(CLAIM.into(), beneath::DOCUMENT).ok()?;
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

    fn directories(root: &tempfile::TempDir) -> Directories {
        let directories = Directories::of_tree(Utf8Path::from_path(root.path()).unwrap());
        let nobody = &mut |_| panic!("nobody else holds the lock");
        directories.open(Access::Alone, nobody).unwrap();
        directories
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
                work: work.directory().join("engine"),
            },
        }
    }

    #[test]
    fn a_build_that_lives_is_nobodys_to_clear_up_and_a_dead_one_is() {
        let root = tempfile::tempdir().unwrap();
        let directories = directories(&root);
        let work = Work::begin(&directories, "core-a").unwrap();
        work.claim(&claim(&work)).unwrap();
        assert_eq!(abandoned(&directories, Access::Beside).unwrap().len(), 0);

        // As if it had been killed: its directory stays, and nobody holds the lock.
        let directory = work.directory().to_owned();
        drop(work);
        let found = abandoned(&directories, Access::Beside).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].work.join(&found[0].name), directory);
        let claim = found[0].claim.as_ref().unwrap();
        assert_eq!(claim.runtime, "docker");
        assert_eq!(claim.image.work, directory.join("engine"));
        let by_another = abandoned(&directories, Access::Beside).unwrap();
        assert_eq!(by_another.len(), 0, "one of two clears it up");
    }

    #[test]
    fn a_build_that_was_interrupted_leaves_its_claim() {
        let root = tempfile::tempdir().unwrap();
        let directories = directories(&root);
        for keep_claim in [false, true] {
            let work = Work::begin(&directories, "core-a").unwrap();
            work.claim(&claim(&work)).unwrap();
            work.end(keep_claim).unwrap();
            let found = abandoned(&directories, Access::Beside).unwrap();
            assert_eq!(found.len(), usize::from(keep_claim));
        }
    }

    #[test]
    fn a_directory_that_may_have_just_begun_is_left_to_whoever_is_alone() {
        let root = tempfile::tempdir().unwrap();
        let directories = directories(&root);
        fs::create_dir(directories.work().join("core-a-1")).unwrap();
        assert_eq!(abandoned(&directories, Access::Beside).unwrap().len(), 0);
        assert_eq!(abandoned(&directories, Access::Alone).unwrap().len(), 1);
    }

    #[test]
    fn a_claim_that_somebody_else_wrote_is_none() {
        let root = tempfile::tempdir().unwrap();
        let directories = directories(&root);
        let work = Work::begin(&directories, "core-a").unwrap();
        work.claim(&claim(&work)).unwrap();
        let (directory, text) = (
            work.directory().to_owned(),
            fs::read_to_string(work.directory().join(CLAIM)).unwrap(),
        );
        drop(work);
        let believed = || {
            let found = abandoned(&directories, Access::Alone).unwrap();
            found.iter().filter(|left| left.claim.is_some()).count()
        };
        assert_eq!(believed(), 1);
        // What was written of another directory, in other words, or of anything outside.
        let other = directories.work().join("core-b-1");
        fs::create_dir(&other).unwrap();
        fs::write(other.join(CLAIM), &text).unwrap();
        assert_eq!(believed(), 1, "a claim that was copied");
        for changed in [
            text.replace("engine", "../../../../.."),
            text.replace("docker", "podman"),
            text.lines().next().unwrap().to_owned() + "\n",
        ] {
            assert_ne!(changed, text);
            fs::write(directory.join(CLAIM), changed).unwrap();
            assert_eq!(believed(), 0);
        }
    }

    #[test]
    fn links_in_the_work_directory_lead_nowhere() {
        let root = tempfile::tempdir().unwrap();
        let directories = directories(&root);
        symlink("/", directories.work().join("core-a-1")).unwrap();
        assert_eq!(abandoned(&directories, Access::Beside).unwrap().len(), 0);
        assert_eq!(abandoned(&directories, Access::Alone).unwrap().len(), 1);
    }
}
