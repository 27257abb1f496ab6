//! What the threads of a build have in common: how much room each has, and how they lock.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// How much room on its stack a thread has that walks down a tree: for directories as deep as a path can name
/// them, which a build may make. What is not used is none of the machine's memory.
const STACK: usize = 64 << 20;

/// Returns a thread that may walk down a tree.
pub(crate) fn thread() -> std::thread::Builder {
    std::thread::Builder::new().stack_size(STACK)
}

/// What is behind the lock is whole whenever it is released, so a poisoned one is as good.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
