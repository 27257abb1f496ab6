//! What a server has done for one command, and what was moved for that.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// What a server has done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    /// How many images its workers have built.
    pub built: u64,
    /// How many images it had already.
    pub cached: u64,
    /// How many bytes were sent to it.
    pub sent: u64,
    /// How many bytes were received from it.
    pub received: u64,
    /// How often something was lost, and done again.
    pub again: u64,
    /// How long its workers have built, all together, as it says.
    pub busy: Duration,
}

/// A summary that several builds add to.
#[derive(Debug, Default)]
pub(crate) struct Counts(Mutex<Summary>);

impl Counts {
    pub(crate) fn add(&self, to: impl FnOnce(&mut Summary)) {
        to(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    pub(crate) fn get(&self) -> Summary {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
