//! Reading the artifact: everything is checked before anything is taken, and each source is hashed while it is
//! copied into the store.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::sync::Arc;

use camino::Utf8Path;
use sha2::{Digest as _, Sha256};

use super::artifact::{self, Blob, INDEX, LARGEST, VERSION};
use super::error::Invalid;
use super::members::{Input, Members};
use crate::error::{Error, IoContext as _};
use crate::meter::{Meter, Metered};
use crate::partial::{Partial, hash_into};
use crate::shared::Shared;
use crate::store::{partial, whole};

/// What was imported.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Imported {
    /// The digest of the artifact's manifest, as 64 hex digits.
    pub digest: String,
    /// How many sources were put into the store.
    pub imported: usize,
    /// How many it had.
    pub present: usize,
    /// How many bytes all have.
    pub bytes: u64,
}

/// Puts the sources of the artifact at `path` into the store.
pub(crate) async fn import(
    shared: &Arc<Shared>,
    path: &Utf8Path,
    input: Input,
    meter: &Arc<dyn Meter>,
) -> Result<Imported, Error> {
    let invalid = |why: Invalid| Error::Seed {
        path: path.to_owned(),
        why: Box::new(why),
    };
    let largest = shared.config.transfer.largest;
    let read = move || {
        let members = Members::read(input)?;
        let (manifest, sources) = check(&members, largest)?;
        Ok((members, manifest, sources))
    };
    let (members, manifest, sources) = blocking(read).await?.map_err(invalid)?;
    let mut imported = Imported {
        digest: manifest.hash,
        ..Imported::default()
    };
    meter.all(sources.iter().map(|source| source.bytes).sum());
    for source in sources {
        let (_, from) = members
            .open(&source.path(), Some(source.bytes))
            .map_err(invalid)?;
        let file = Metered {
            from,
            meter: Arc::clone(meter),
        };
        let was_there = take(shared, &source, file).await?.map_err(invalid)?;
        imported.bytes += source.bytes;
        if was_there {
            imported.present += 1;
        } else {
            imported.imported += 1;
        }
    }
    Ok(imported)
}

/// Checks everything but the contents of the sources. Returns the manifest, and the sources.
fn check(members: &Members, largest: u64) -> Result<(Blob, Vec<Blob>), Invalid> {
    artifact::read_version(&members.document(VERSION, None, LARGEST)?)?;
    let manifest = artifact::read_index(&members.document(INDEX, None, LARGEST)?)?;
    let document = document(members, &manifest)?;
    let (config, sources) = artifact::read_manifest(&manifest.path(), &document, largest)?;
    self::document(members, &config)?;
    let mut named = BTreeSet::from([VERSION.to_owned(), INDEX.to_owned()]);
    for blob in sources.iter().chain([&manifest, &config]) {
        members.open(&blob.path(), Some(blob.bytes))?;
        named.insert(blob.path());
    }
    match members.paths().find(|path| !named.contains(*path)) {
        Some(path) => Err(Invalid::Unnamed(path.to_owned())),
        None => Ok((manifest, sources)),
    }
}

/// Reads a document that is named by its hash.
fn document(members: &Members, blob: &Blob) -> Result<Vec<u8>, Invalid> {
    let contents = members.document(&blob.path(), Some(blob.bytes), LARGEST)?;
    is_right(blob, &Blob::of(&contents))?;
    Ok(contents)
}

fn is_right(expected: &Blob, found: &Blob) -> Result<(), Invalid> {
    let name = expected.path();
    if found.bytes != expected.bytes {
        return Err(Invalid::Size {
            name,
            found: found.bytes,
            expected: expected.bytes,
        });
    }
    if found.hash != expected.hash {
        return Err(Invalid::Hash {
            name,
            found: found.hash.clone(),
        });
    }
    Ok(())
}

/// Takes a source into the store. Tells whether that had it.
async fn take(
    shared: &Arc<Shared>,
    source: &Blob,
    file: Metered<io::Take<File>>,
) -> Result<Result<bool, Invalid>, Error> {
    let lock = shared.lock(&source.hash);
    let _lock = lock.lock().await;
    let (store, hash) = (Arc::clone(&shared.store), source.hash.clone());
    let stored = blocking(move || has(&store, &hash)).await?;
    let path = shared.store.path().join(whole(&source.hash));
    if stored.at("read", &path)? {
        let hashed = blocking(move || hash_of(file)).await?;
        let found = match hashed {
            Ok(found) => found,
            Err(error) => return Ok(Err(Invalid::Read(source.path(), error))),
        };
        return Ok(is_right(source, &found).map(|()| true));
    }
    let (store, hash) = (Arc::clone(&shared.store), source.hash.clone());
    let path = shared.store.path().join(partial(&source.hash));
    let opened = blocking(move || Partial::open(&store, &hash, &|| ())).await?;
    let mut arriving = opened.at("open", &path)?;
    let taken = arriving.take_from(file, source.bytes).await;
    taken.at("write", &path)?;
    let (bytes, hash) = arriving.found().await.at("write", &path)?;
    if let Err(why) = is_right(source, &Blob { hash, bytes }) {
        arriving.discard().at("remove", &path)?;
        return Ok(Err(why));
    }
    arriving.finish().await.at("finish", &path)?;
    Ok(Ok(false))
}

fn hash_of(file: impl io::Read) -> io::Result<Blob> {
    let mut hasher = Sha256::new();
    let bytes = hash_into(&mut hasher, file)?;
    let hash = printable::hex(&hasher.finalize());
    Ok(Blob { hash, bytes })
}

/// Tells whether a store has a source; what is damaged is moved aside.
fn has(store: &crate::store::Store, hash: &str) -> io::Result<bool> {
    let Some(file) = store.file(hash)? else {
        return Ok(false);
    };
    let found = printable::hex(&state::hash(&file)?);
    if found == hash {
        return Ok(true);
    }
    store.damaged(hash, &found)?;
    Ok(false)
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Error> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|_| Error::Ended)
}
