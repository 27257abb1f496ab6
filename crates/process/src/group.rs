//! The process group of a child, which ends with whoever waits for it: politely first, so that
//! an engine can unmount and delete what it made, and then for good.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{
    Pid, Signal, WaitOptions, kill_process_group, test_kill_process_group, waitpid,
};

/// How long a group has to end by itself after SIGTERM.
const GRACE: Duration = Duration::from_secs(10);
/// How often a group that was told to end is looked at.
const INTERVAL: Duration = Duration::from_millis(20);

/// What goes on although nobody waits for it.
struct Pending {
    /// Groups that were told to end and have not ended yet.
    groups: usize,
    /// Clean-ups that have not ended yet.
    clean_ups: usize,
}

static PENDING: Mutex<Pending> = Mutex::new(Pending {
    groups: 0,
    clean_ups: 0,
});
/// Notified whenever something pending has ended.
static ENDED: Condvar = Condvar::new();

fn pending() -> MutexGuard<'static, Pending> {
    // Counts cannot be left half-changed, so a poisoned lock is as good as a whole one.
    PENDING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits until `more` says no, for at most `limit`. Returns whether it did.
fn wait_while(limit: Duration, more: impl Fn(&Pending) -> bool) -> bool {
    let (pending, _) = ENDED
        .wait_timeout_while(pending(), limit, |pending| more(pending))
        .unwrap_or_else(PoisonError::into_inner);
    !more(&pending)
}

/// Does `work` on a thread of its own, once every group that was told to end has ended: what
/// they leave behind is then there to be cleaned up.
pub(crate) fn after_groups(work: impl FnOnce() + Send + 'static) {
    pending().clean_ups += 1;
    let work = Arc::new(Mutex::new(Some(work)));
    let clean_up = {
        let work = Arc::clone(&work);
        move || {
            // A group that outlives even SIGKILL must not keep the clean-up from being tried.
            wait_while(2 * GRACE, |pending| pending.groups > 0);
            let work = work.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(work) = work {
                work();
            }
            pending().clean_ups -= 1;
            ENDED.notify_all();
        }
    };
    // Where there may be no further thread, this one does it.
    if std::thread::Builder::new().spawn(clean_up.clone()).is_err() {
        clean_up();
    }
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
        pending().groups += 1;
        let ending = move || {
            end(leader);
            pending().groups -= 1;
            ENDED.notify_all();
        };
        // Where there may be no further thread, this one does it.
        if std::thread::Builder::new().spawn(ending).is_err() {
            ending();
        }
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

/// Waits until every process group that was told to end has ended, and every
/// [clean-up](crate::Invocation::run_unattended) with them, for at most `limit`.
///
/// Returns whether all have. Call it before the program exits, since what a group does between
/// SIGTERM and its end is to clean up.
pub fn wait_for_ended_groups(limit: Duration) -> bool {
    wait_while(limit, |pending| pending.groups + pending.clean_ups > 0)
}
