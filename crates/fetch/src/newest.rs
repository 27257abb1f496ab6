//! What a mirror has now, whatever it should have: hashed while it arrives, and kept nowhere.

use std::io;

use async_trait::async_trait;
use beneath::Directory;
use bytes::Bytes;
use camino::Utf8Path;
use sha2::{Digest as _, Sha256};
use transfer::{Begin, Held, Sink};

use crate::mirror::{Mirror, allowed};
use crate::partial::hash_into;
use crate::report::Why;
use crate::shared::Shared;
use crate::wanted::Wanted;

/// The most bytes of a `package.toml` that is searched for a line.
const LARGEST_MANIFEST: u64 = 1 << 20;

/// What a mirror has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Newest {
    /// The hash.
    pub hash: String,
    /// How many bytes it has.
    pub bytes: u64,
}

/// Hashes what arrives, and keeps nothing.
#[derive(Default)]
struct Hashing {
    hasher: Sha256,
    bytes: u64,
}

#[async_trait]
impl Sink for Hashing {
    async fn held(&mut self) -> io::Result<Option<Held>> {
        Ok(None)
    }

    async fn begin(&mut self, _: Begin) -> io::Result<()> {
        *self = Self::default();
        Ok(())
    }

    async fn take(&mut self, bytes: Bytes) -> io::Result<()> {
        self.hasher.update(&bytes);
        self.bytes += bytes.len() as u64;
        Ok(())
    }
}

/// Finds out what a mirror has.
pub(crate) async fn newest(shared: &Shared, mirror: &str) -> Result<Newest, Why> {
    let config = &shared.config;
    let file = match Mirror::parse(mirror)? {
        Mirror::Address(_) if config.offline => return Err(Why::Offline),
        Mirror::Address(address) => {
            let mut sink = Hashing::default();
            shared.client.download(&address, &mut sink, &|_| ()).await?;
            return Ok(Newest {
                hash: printable::hex(&sink.hasher.finalize()),
                bytes: sink.bytes,
            });
        }
        Mirror::InTree(path) => Directory::open(&config.tree).and_then(|tree| tree.file(&path)),
        Mirror::Elsewhere(path) => {
            let (directory, path) = allowed(&config.directories, &path).ok_or(Why::NotAllowed)?;
            Directory::open(directory).and_then(|directory| directory.file(path))
        }
    };
    let hash = |file| {
        let mut hasher = Sha256::new();
        let bytes = hash_into(&mut hasher, file)?;
        let hash = printable::hex(&hasher.finalize());
        Ok(Newest { hash, bytes })
    };
    let hashing = tokio::task::spawn_blocking(move || file.and_then(hash));
    hashing
        .await
        .map_err(io::Error::other)
        .flatten()
        .map_err(Why::File)
}

/// Returns the line of the `hash` of a source in its `package.toml`: `packages/core/musl/package.toml:13`. It is that
/// of the source itself where the file is written in another way.
pub(crate) fn line(tree: &Utf8Path, wanted: &Wanted) -> String {
    let (path, _) = wanted.declared.rsplit_once(':').unwrap_or_default();
    let text = Directory::open(tree)
        .and_then(|tree| tree.read_text(Utf8Path::new(path), LARGEST_MANIFEST))
        .unwrap_or_default();
    let lines = (1..)
        .zip(text.lines())
        .skip(wanted.source.line.saturating_sub(1));
    let is_hash = |text: &str| {
        let rest = text.trim_start().strip_prefix("hash");
        rest.is_some_and(|rest| rest.trim_start().starts_with('='))
            && text.contains(&wanted.source.hash)
    };
    let found = lines.into_iter().find(|(_, text)| is_hash(text));
    found.map_or_else(
        || wanted.declared.clone(),
        |(line, _)| format!("{path}:{line}"),
    )
}
