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
use rustix::fs::FlockOperation;
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
        let _beginning = hold(&parent, FlockOperation::LockShared).at("lock", &path)?;
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
        let _beginning =
            hold(&self.parent, FlockOperation::LockShared).at("lock", &self.directory)?;
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
    // Where somebody is just beginning, what has no lock yet may be theirs.
    let nobody_begins = hold(&work, FlockOperation::NonBlockingLockExclusive).ok();
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
            Err(_) if access == Access::Alone || claim.is_some() || nobody_begins.is_some() => None,
            Err(_) => continue,
        };
        abandoned.push(left(claim, life));
    }
    Ok(abandoned)
}

/// Locks the work directory until what is returned is dropped: shared while a directory in it has no lock of its own.
fn hold(work: &Directory, how: FlockOperation) -> std::io::Result<Directory> {
    let held = work.directory(Utf8Path::new(""))?;
    rustix::fs::flock(&held, how)?;
    Ok(held)
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
mod tests;
