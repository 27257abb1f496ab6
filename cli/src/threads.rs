//! Whether this process may start the threads that it needs. The libraries that start them panic, or wait for
//! ever, where the system refuses one: so that is found out before.
//!
//! It does not know what they are for.

use std::io;
use std::thread::{self, Builder, JoinHandle};

use crate::exit::ErrorKind;
use crate::failure::Failure;

/// Beside those that compute, and those that wait for others: for what blocks, and for programs.
const FURTHER: usize = 4;
/// They do nothing.
const STACK: usize = 16 << 10;

/// Refuses a system that lets this process start fewer threads than it needs.
pub(crate) fn require() -> Result<(), Failure> {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    start_at_once(2 * cores + FURTHER).map_err(|error| {
        let message = format!("cannot start enough threads: {error}");
        let hint = "this user, or the control group of this process, has reached its limit of processes: raise \
                    `ulimit -u` or the group's pids.max";
        Failure::of(ErrorKind::Environment, [(message, Some(hint.to_owned()))])
    })
}

/// Starts so many threads, all of which are there at the same time, and ends them again.
fn start_at_once(count: usize) -> io::Result<()> {
    let start = |_| Builder::new().stack_size(STACK).spawn(thread::park);
    let mut threads: Vec<JoinHandle<()>> = Vec::with_capacity(count);
    let started = (0..count).try_for_each(|number| {
        threads.push(start(number)?);
        Ok(())
    });
    for thread in &threads {
        thread.thread().unpark();
    }
    for thread in threads {
        // It does nothing that could fail.
        let _ = thread.join();
    }
    started
}
