//! One thing that was kept: the files that a step left, or where they are, and its layer; and what has to
//! be found in them, which is sealed.
//!
//! It does not know what an entry is kept under, nor what becomes of it.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::AsFd as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use backend_api::Seal;
use hmac::{Hmac, KeyInit as _, Mac as _};
use rustix::fs::{AtFlags, Mode, OFlags};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use snapshot::{Digest, Place, Tree};

use crate::worker::directories::FILES;

/// The file of an entry with what has to be found in it. It is locked by whoever uses the entry, and its
/// time is that of the last use.
pub(crate) const FACTS: &str = "facts";
/// The layer of an entry, for a step of the image.
pub(crate) const LAYER: &str = "layer";

/// How long the facts may be, in bytes.
const LONGEST: u64 = 64 << 10;

/// Something that was kept.
#[derive(Debug, Clone)]
pub(crate) struct KeptEntry {
    pub(crate) key: Digest,
    /// What tells its files from any others.
    pub(crate) digest: Digest,
    path: PathBuf,
    /// Its directory, open.
    directory: Arc<Tree>,
    layer: Option<Digest>,
    /// What its files are instead of its own, from the lowest to the highest.
    pub(crate) stacked: Vec<Stacked>,
}

/// A directory of another entry.
#[derive(Debug, Clone)]
pub(crate) struct Stacked {
    pub(crate) entry: KeptEntry,
    pub(crate) place: Place,
}

/// What is written of an entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Facts {
    /// The digest of the files.
    pub(crate) files: String,
    /// The digest of the layer.
    pub(crate) layer: Option<String>,
    /// How many bytes of the disk it takes.
    pub(crate) bytes: u64,
    /// What its files are instead of its own, from the lowest to the highest.
    pub(crate) stacked: Vec<Reference>,
}

/// Names a directory of another entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Reference {
    pub(crate) key: String,
    /// The digest of the other entry's files: under the same key, they may have been made again.
    pub(crate) files: String,
    pub(crate) place: String,
}

/// A part of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Part {
    Files,
    Layer,
}

impl KeptEntry {
    /// Returns the entry in a directory, as its facts say; nothing where they cannot be.
    pub(crate) fn new(
        key: Digest,
        (path, directory): (PathBuf, Tree),
        facts: &Facts,
        stacked: Vec<Stacked>,
    ) -> Option<Self> {
        let layer = facts.layer.as_deref().map(Digest::parse);
        Some(Self {
            key,
            digest: Digest::parse(&facts.files)?,
            path,
            directory: Arc::new(directory),
            layer: match layer {
                Some(layer) => Some(layer?),
                None => None,
            },
            stacked,
        })
    }

    /// Returns the directory of its own files.
    pub(crate) fn files(&self) -> PathBuf {
        self.path.join(FILES)
    }

    /// Returns the file of its layer.
    pub(crate) fn layer(&self) -> PathBuf {
        self.path.join(LAYER)
    }

    /// Tells whether its layer, or its own files, are what they were when it was kept. All is read.
    pub(crate) fn is_whole(&self, part: Part) -> bool {
        let (name, expected) = match part {
            Part::Files => (FILES, Some(self.digest)),
            Part::Layer => (LAYER, self.layer),
        };
        let found = snapshot::digest(&self.directory, &Place::new(name));
        found.is_ok_and(|found| Some(found.digest) == expected)
    }
}

impl Facts {
    /// Returns them as they are written of the entry under a key.
    pub(crate) fn encode(&self, key: Digest, seal: Option<&Seal>) -> io::Result<Vec<u8>> {
        let mut bytes = serde_json::to_vec(self)?;
        let mac = mac(key, seal, &bytes).finalize().into_bytes();
        bytes.push(b'\n');
        bytes.extend(
            mac.iter()
                .flat_map(|byte| format!("{byte:02x}").into_bytes()),
        );
        Ok(bytes)
    }

    /// Reads what [`encode`](Self::encode) writes; nothing where it is of another key or seal.
    pub(crate) fn decode(bytes: &[u8], key: Digest, seal: Option<&Seal>) -> Option<Self> {
        let (facts, sum) = bytes.split_at_checked(bytes.len().checked_sub(65)?)?;
        let sum = Digest::parse(str::from_utf8(sum.strip_prefix(b"\n")?).ok()?)?;
        // Compared in a time that does not tell how much of it is right.
        mac(key, seal, facts).verify_slice(sum.as_bytes()).ok()?;
        serde_json::from_slice(facts).ok()
    }
}

fn mac(key: Digest, seal: Option<&Seal>, facts: &[u8]) -> Hmac<Sha256> {
    let seal = seal.map_or(&[][..], Seal::bytes);
    let mac = Hmac::<Sha256>::new_from_slice(seal).expect("a key may have any length");
    mac.chain_update(b"stagex native entry\0")
        .chain_update(key.as_bytes())
        .chain_update(facts)
}

/// The facts of an entry, open, with its lock held.
pub(crate) struct Held {
    pub(crate) file: File,
    pub(crate) directory: Tree,
}

impl Held {
    /// Opens the facts of the entry in the directory `name` of a tree and takes their lock, shared, unless it
    /// is about to go. Nothing is opened through a link.
    pub(crate) fn open(tree: &Tree, name: &Path) -> Option<Self> {
        let place = Place::new(name.as_os_str().as_encoded_bytes());
        let directory = Tree::of(tree.directory(&place).ok()?);
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&directory, FACTS, flags, Mode::empty()).ok()?;
        let file = File::from(file);
        let ours = file.metadata().ok().filter(std::fs::Metadata::is_file)?;
        file.try_lock_shared().ok()?;
        // Between the two it may have been taken out, and another put in its place.
        let there = tree.status(&place.join(FACTS.as_bytes())).ok()??;
        ((ours.dev(), ours.ino()) == (there.st_dev, there.st_ino))
            .then_some(Self { file, directory })
    }

    /// Reads the facts, if they are sealed.
    pub(crate) fn facts(&self, key: Digest, seal: Option<&Seal>) -> Option<Facts> {
        let mut bytes = Vec::new();
        (&self.file)
            .take(LONGEST + 1)
            .read_to_end(&mut bytes)
            .ok()?;
        let is_short = bytes.len() as u64 <= LONGEST;
        is_short.then(|| Facts::decode(&bytes, key, seal))?
    }

    /// Tells whether its own files are in a directory, and not somewhere else.
    pub(crate) fn has_files(&self) -> bool {
        let status = rustix::fs::statat(self.directory.as_fd(), FILES, AtFlags::SYMLINK_NOFOLLOW);
        status.is_ok_and(|status| {
            rustix::fs::FileType::from_raw_mode(status.st_mode) == rustix::fs::FileType::Directory
        })
    }
}

#[cfg(test)]
mod tests {
    use snapshot::Digester;

    use super::*;

    #[test]
    fn what_is_sealed_is_of_one_key_one_user_and_unchanged() {
        let facts = Facts {
            files: "f".to_owned(),
            layer: None,
            bytes: 1,
            stacked: Vec::new(),
        };
        let [key, other] = ["a", "b"].map(|name| Digester::default().part(name).finish());
        let [seal, theirs] = [1, 2].map(|byte| Seal::from([byte; 32]));
        let bytes = facts.encode(key, Some(&seal)).unwrap();
        assert_eq!(Facts::decode(&bytes, key, Some(&seal)), Some(facts));
        assert_eq!(Facts::decode(&bytes, other, Some(&seal)), None);
        assert_eq!(Facts::decode(&bytes, key, Some(&theirs)), None);
        assert_eq!(Facts::decode(&bytes, key, None), None);
        for place in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[place] ^= 1;
            assert_eq!(Facts::decode(&changed, key, Some(&seal)), None, "{place}");
            assert_eq!(Facts::decode(&bytes[..place], key, Some(&seal)), None);
        }
    }
}
