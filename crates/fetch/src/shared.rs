//! What the copies of a fetcher, and the jobs that they have begun, share.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use transfer::Client;

use crate::config::Config;
use crate::error::Error;
use crate::report::{How, Unfetched};
use crate::store::Store;

/// How much work with files is done at once.
const AT_ONCE: usize = 8;

/// How many partial files are open at once: a process may not have many more files than these.
const OPEN: usize = 128;

/// What came of the sources with one hash.
pub(crate) type Came = Result<How, Unfetched>;

/// What is shared.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) client: Client,
    pub(crate) store: Arc<Store>,
    /// Limits how much work with files is done at once.
    pub(crate) work: tokio::sync::Semaphore,
    /// Limits how many partial files are open at once.
    pub(crate) open: tokio::sync::Semaphore,
    /// Of each hash that was wanted, who gets it now.
    locks: Mutex<BTreeMap<String, Arc<tokio::sync::Mutex<()>>>>,
}

impl Shared {
    pub(crate) fn new(config: Config, store: Store) -> Result<Self, Error> {
        Ok(Self {
            client: Client::new(config.transfer.clone())?,
            store: Arc::new(store),
            work: tokio::sync::Semaphore::new(AT_ONCE),
            open: tokio::sync::Semaphore::new(OPEN),
            locks: Mutex::default(),
            config,
        })
    }

    /// Returns the lock of a hash: whoever has it gets the sources with that hash.
    pub(crate) fn lock(&self, hash: &str) -> Arc<tokio::sync::Mutex<()>> {
        let mut locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(locks.entry(hash.to_owned()).or_default())
    }
}
