//! The process group of a child, which ends with whoever waits for it: politely first, so that
//! an engine can unmount and delete what it made, and then for good.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{
    Pid, Signal, WaitOptions, kill_process_group, test_kill_process_group, waitpid,
};

/// How long a group has to end by itself after SIGTERM.
const GRACE: Duration = Duration::from_secs(10);
/// How often a group that was told to end is looked at.
const INTERVAL: Duration = Duration::from_millis(20);

/// How many groups were told to end and have not ended yet.
static ENDING: Mutex<usize> = Mutex::new(0);
static ENDED: Condvar = Condvar::new();

fn ending() -> MutexGuard<'static, usize> {
    // A count cannot be left half-changed, so a poisoned lock is as good as a whole one.
    ENDING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A running process group. Dropping it ends every process in it.
#[derive(Debug)]
pub(crate) struct Group {
    leader: Option<Pid>,
}

impl Group {
    /// Takes charge of the group that the child `leader` leads.
    pub(crate) fn new(leader: Option<u32>) -> Self {
        let leader = leader
            .and_then(|pid| i32::try_from(pid).ok())
            .and_then(Pid::from_raw);
        Self { leader }
    }
}

impl Drop for Group {
    /// Ends what is left of the group. When the leader has ended well there is usually nothing
    /// left, and this costs one system call.
    fn drop(&mut self) {
        let Some(leader) = self.leader.take() else {
            return;
        };
        if kill_process_group(leader, Signal::TERM).is_err() {
            return;
        }
        *ending() += 1;
        std::thread::spawn(move || {
            end(leader);
            *ending() -= 1;
            ENDED.notify_all();
        });
    }
}

fn end(leader: Pid) {
    let start = Instant::now();
    while test_kill_process_group(leader).is_ok() {
        // The runtime that would reap the leader may be gone already, and a zombie keeps its
        // group. Whoever reaps it first is right, so the result does not matter.
        let _ = waitpid(Some(leader), WaitOptions::NOHANG);
        if start.elapsed() > GRACE {
            // The error says that it has ended meanwhile, which is what is wanted.
            let _ = kill_process_group(leader, Signal::KILL);
            return;
        }
        std::thread::sleep(INTERVAL);
    }
}

/// Waits until every process group that was told to end has ended, for at most `limit`.
///
/// Returns whether all have. Call it before the program exits, since what a group does between
/// SIGTERM and its end is to clean up.
pub fn wait_for_ended_groups(limit: Duration) -> bool {
    let (count, _) = ENDED
        .wait_timeout_while(ending(), limit, |count| *count > 0)
        .unwrap_or_else(PoisonError::into_inner);
    *count == 0
}
