//! Sources that are not in a tree's `fetch/`, and what whoever should bring them says.
//!
//! It does not know how they are downloaded.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use camino::{Utf8Path, Utf8PathBuf};
use documents::ErrorKind;
use package_tree::{PlannedPackage, Source};

/// A source that is not in `fetch/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingSource {
    /// Its key in `package.toml`.
    pub key: String,
    /// Where it should be.
    pub path: Utf8PathBuf,
    /// The sha256 that it must have, in hex.
    pub hash: String,
    /// Where it can be downloaded.
    pub mirrors: Vec<String>,
}

impl MissingSource {
    /// Returns those of the directory `from` under whose names there is nothing.
    pub(crate) fn of(sources: &[Source], from: &Utf8Path) -> impl Iterator<Item = Self> {
        sources.iter().filter_map(move |source| {
            let path = from.join(&source.file);
            (!path.exists()).then(|| Self {
                key: source.key.clone(),
                path,
                hash: source.hash.clone(),
                mirrors: source.mirrors.clone(),
            })
        })
    }
}

/// Returns the sources of packages of the tree in `root` that are not in its `fetch/`, each once. What is there
/// is not read.
pub fn missing_sources<'a>(
    root: &Utf8Path,
    packages: impl IntoIterator<Item = &'a PlannedPackage>,
) -> Vec<MissingSource> {
    let mut missing: Vec<MissingSource> = Vec::new();
    let mut seen = BTreeSet::new();
    for package in packages {
        let from = package.fetch();
        // The packages that one Containerfile makes share their sources.
        if seen.insert(from.clone()) {
            missing.extend(MissingSource::of(&package.sources, &root.join(from)));
        }
    }
    missing
}

/// Why sources could not be brought, as whoever brings them says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchProblem {
    /// What kind of problem it is.
    pub kind: ErrorKind,
    /// What failed, with what and why.
    pub message: String,
    /// What the user can do about it.
    pub hint: Option<String>,
}

/// How many missing sources a message names.
const NAMED: usize = 20;

/// Says which sources are missing.
pub(crate) fn message(sources: &[MissingSource]) -> String {
    if let [one] = sources {
        let MissingSource {
            key, path, hash, ..
        } = one;
        return format!("the source `{key}` (sha256 {hash}) is missing: {path}");
    }
    let mut text = format!("{} sources are missing:", sources.len());
    for source in &sources[..sources.len().min(NAMED)] {
        let _ = write!(text, "\n  {} (sha256 {})", source.path, source.hash);
    }
    if let Some(more @ 1..) = sources.len().checked_sub(NAMED) {
        let _ = write!(text, "\n  and {more} more");
    }
    text
}
