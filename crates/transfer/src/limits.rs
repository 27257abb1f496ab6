//! How many downloads run at once: in total, and from one host.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How many downloads run at once, and which hosts could not be reached.
#[derive(Debug)]
pub(crate) struct Limits {
    total: Arc<Semaphore>,
    per_host: usize,
    hosts: Mutex<BTreeMap<String, Arc<Semaphore>>>,
    unreachable: Mutex<BTreeSet<String>>,
}

/// The right to have a connection, while it lives.
#[derive(Debug)]
pub(crate) struct Permit {
    _host: OwnedSemaphorePermit,
    _total: OwnedSemaphorePermit,
}

impl Limits {
    pub(crate) fn new(total: usize, per_host: usize) -> Self {
        Self {
            total: Arc::new(Semaphore::new(total)),
            per_host,
            hosts: Mutex::default(),
            unreachable: Mutex::default(),
        }
    }

    /// Waits for its turn. Whoever waits for a host keeps nobody from another.
    pub(crate) async fn enter(&self, host: &str) -> Permit {
        let semaphore = {
            let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
            let new = || Arc::new(Semaphore::new(self.per_host));
            Arc::clone(hosts.entry(host.to_owned()).or_insert_with(new))
        };
        let host = semaphore.acquire_owned().await;
        let total = Arc::clone(&self.total).acquire_owned().await;
        Permit {
            _host: host.expect("it is never closed"),
            _total: total.expect("it is never closed"),
        }
    }

    /// Remembers whether a host could be reached.
    pub(crate) fn note(&self, host: &str, is_reachable: bool) {
        let mut unreachable = self
            .unreachable
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if is_reachable {
            unreachable.remove(host);
        } else {
            unreachable.insert(host.to_owned());
        }
    }

    /// Tells whether a host could not be reached the last time, so that it is not waited for again.
    pub(crate) fn is_unreachable(&self, host: &str) -> bool {
        let unreachable = self
            .unreachable
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        unreachable.contains(host)
    }
}
