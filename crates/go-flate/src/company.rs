//! Encoders that are at work side by side, and whether together they keep all cores busy.
//!
//! Knows how many there are; knows nothing of what they do.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Encoders that compress a file each, side by side in one `rayon` pool.
///
/// Several cores together do a little more than one alone. So as long as there are enough encoders
/// for all threads of the pool, each of them compresses on one; as soon as there are fewer, those
/// that are left share all threads. What is written is the same.
#[derive(Clone, Debug)]
pub struct Company(Arc<AtomicUsize>);

impl Company {
    /// Returns a company of so many encoders, which are all still to come.
    pub fn of(count: usize) -> Self {
        Self(Arc::new(AtomicUsize::new(count)))
    }

    /// Takes part as one of them, until what is returned is dropped.
    pub(crate) fn join(&self) -> Member {
        Member(self.clone())
    }

    #[cfg(test)]
    pub(crate) fn set(&self, count: usize) {
        self.0.store(count, Ordering::Relaxed);
    }
}

/// A part in a company.
#[derive(Debug)]
pub(crate) struct Member(Company);

impl Member {
    /// Tells whether the others leave it no other core.
    pub(crate) fn has_one_core(&self) -> bool {
        // It decides about time only, so that a count that was just changed does no harm.
        self.0.0.load(Ordering::Relaxed) >= rayon::current_num_threads()
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_of_them_has_all_cores() {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build();
        pool.unwrap().install(|| {
            let company = Company::of(2);
            let one = company.join();
            let other = company.join();
            assert!(one.has_one_core());
            drop(other);
            assert!(!one.has_one_core());
        });
    }
}
