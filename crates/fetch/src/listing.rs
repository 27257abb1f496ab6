//! What is there and what is missing, without the network.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt as _;

use beneath::{Directory, Problem};
use camino::Utf8Path;
use state::{Hashes, Identity};

use crate::error::{Error, IoContext as _};
use crate::partial::read_note;
use crate::store::{Store, partial};
use crate::wanted::Wanted;

/// A source, and what is there of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The source.
    pub wanted: Wanted,
    /// What is there of it.
    pub state: State,
    /// How many bytes it has, if that is known.
    pub bytes: Option<u64>,
}

/// What is there of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// It is where it belongs.
    Present,
    /// The store has it. What the store has is hashed when it is taken.
    Stored,
    /// It is missing.
    Missing {
        /// How many bytes of it have arrived.
        arrived: u64,
        /// What is in its place: the hash of that, or why it cannot be read.
        instead: Option<String>,
    },
}

impl State {
    /// Tells whether nothing need be fetched.
    pub fn is_here(&self) -> bool {
        !matches!(self, Self::Missing { .. })
    }
}

/// What is in the place of a source.
#[derive(Debug)]
pub(crate) enum There {
    /// Nothing.
    Nothing,
    /// The source, with so many bytes.
    Right(u64),
    /// A file with another hash.
    Wrong(String),
    /// Something that is no file, or cannot be read.
    Unreadable(io::Error),
}

/// Looks at the place of a source. A file that has not changed since it was hashed is not hashed again.
pub(crate) fn look(
    tree: &Utf8Path,
    hashes: &Hashes,
    wanted: &Wanted,
    largest: u64,
) -> Result<There, Error> {
    let path = wanted.path();
    let found = hash_there(tree, hashes, &path, largest);
    Ok(match found {
        Ok(Some((bytes, hash))) if hash == wanted.source.hash => There::Right(bytes),
        Ok(Some((_, hash))) => There::Wrong(hash),
        Ok(None) => There::Nothing,
        Err(error) => match error.kind() {
            // What is in the way of the directory is found when it is made.
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => There::Nothing,
            io::ErrorKind::PermissionDenied => return Err(error).at("read", &path),
            _ => There::Unreadable(error),
        },
    })
}

fn hash_there(
    tree: &Utf8Path,
    hashes: &Hashes,
    path: &Utf8Path,
    largest: u64,
) -> io::Result<Option<(u64, String)>> {
    let root = Directory::open(tree)?;
    let in_tree = root.metadata(path);
    let is_link = match &in_tree {
        Ok(Some(found)) => found.is_symlink(),
        Ok(None) => return Ok(None),
        Err(error) => matches!(beneath::problem(error), Some(Problem::Link(_))),
    };
    if is_link {
        // A user may keep archives elsewhere, as builds allow it too: it is hashed each time.
        let file = beneath::open(tree.join(path))?;
        return Ok(Some((
            small(&file.metadata()?, largest)?,
            printable::hex(&state::hash(&file)?),
        )));
    }
    let Some(found) = in_tree? else {
        return Ok(None);
    };
    if !found.is_file() {
        // It says what it is.
        return root.file(path).map(|_: File| None);
    }
    let bytes = small(&found, largest)?;
    let hash = hashes.sha256(path, Identity::of(&found))?;
    Ok(Some((bytes, hash)))
}

/// Refuses a file that is too large to be read: one of a tree may say that it has many terabytes.
fn small(found: &std::fs::Metadata, largest: u64) -> io::Result<u64> {
    if found.len() > largest {
        return Err(Problem::TooLarge(largest).into());
    }
    Ok(found.size())
}

/// Says what is there of a source.
pub(crate) fn list(
    tree: &Utf8Path,
    hashes: &Hashes,
    store: &Store,
    wanted: &Wanted,
    largest: u64,
) -> Result<Listed, Error> {
    let hash = &wanted.source.hash;
    let listed = |state, bytes| Listed {
        wanted: wanted.clone(),
        state,
        bytes,
    };
    let instead = match look(tree, hashes, wanted, largest)? {
        There::Right(bytes) => return Ok(listed(State::Present, Some(bytes))),
        There::Nothing => None,
        There::Wrong(found) => Some(format!("its sha256 is {found}")),
        There::Unreadable(error) => Some(error.to_string()),
    };
    if let Some(bytes) = store.size(hash).at("read", store.path())? {
        return Ok(listed(State::Stored, Some(bytes)));
    }
    let found = store.directory.metadata(&partial(hash));
    let found = found.at("read", &store.path().join(partial(hash)))?;
    let arrived = found
        .filter(std::fs::Metadata::is_file)
        .map_or(0, |found| found.len());
    let length = read_note(store, hash).and_then(|note| note.length);
    Ok(listed(State::Missing { arrived, instead }, length))
}
