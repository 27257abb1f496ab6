//! What a fetcher is told once.

use std::sync::Arc;

use camino::Utf8PathBuf;
use state::Hashes;

use crate::mirror::Template;

/// How many bytes the store may have where nobody says.
pub const DEFAULT_LIMIT: u64 = 64 << 30;

/// What a fetcher is told once.
#[derive(Debug, Clone)]
pub struct Config {
    /// The tree.
    pub tree: Utf8PathBuf,
    /// The directory of the store.
    pub store: Utf8PathBuf,
    /// How many bytes the store may have.
    pub limit: u64,
    /// Addresses that have any source.
    pub by_hash: Vec<Template>,
    /// Whether they are asked before a package's own mirrors.
    pub by_hash_first: bool,
    /// The directories whose files a mirror may name, beside the tree.
    pub directories: Vec<Utf8PathBuf>,
    /// Whether nothing reaches the network.
    pub offline: bool,
    /// How files are downloaded.
    pub transfer: transfer::Config,
    /// What is known of the tree's files.
    pub hashes: Arc<Hashes>,
}
