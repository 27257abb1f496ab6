//! The supervisor of a process's system calls (`seccomp_unotify(2)`): what the kernel does not do for an ordinary
//! user, done for its builds: device files, and owners beyond the ranges that are set aside for the user.
//!
//! The filter of system calls holds such a call up until the supervisor has answered it. What stands in
//! for a file, and for which, is for [`StandIns`] to say. Here is who asks, what a path leads to for
//! him, and what he would be told by a kernel that does such things: by all calls that could tell what
//! stands in from what it stands for. What cannot be answered as that kernel would ends the process
//! instead ([`Verdict`]).

#![expect(
    unsafe_code,
    reason = "calls that are held up are answered by calls that no library offers"
)]

mod acting;
mod answer;
mod asked;
mod caller;
mod change;
mod link;
mod look;
mod mode;
mod place;
mod set_id;
mod stand_ins;

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::sync::mpsc;
use std::thread::JoinHandle;

use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::held::{self, Kind};
use acting::Ground;
use answer::{Answer, Stop};
use asked::Asked;
use caller::Caller;

pub use answer::Verdict;
pub(crate) use set_id::SetIds;
pub use stand_ins::{Held, StandIns};

/// Answers the calls of one process and of all that it starts.
pub(crate) struct Supervisor {
    listener: OwnedFd,
    held: Held,
    /// What the calls are, by architecture and number.
    calls: BTreeMap<(u32, u32), held::Call>,
    set_ids: SetIds,
    /// The process itself, which ends all others of its namespace with it.
    process: OwnedFd,
}

impl Supervisor {
    /// Begins to answer the calls of a process, on a thread of its own.
    pub(crate) fn start(
        process: Pid,
        listener: OwnedFd,
        held: Held,
        set_ids: SetIds,
    ) -> io::Result<JoinHandle<Verdict>> {
        let supervisor = Self {
            process: pidfd_open(process, PidfdFlags::empty())?,
            listener,
            calls: held::by_number(held.watch),
            held,
            set_ids,
        };
        std::thread::Builder::new().spawn(|| supervisor.answer())
    }

    /// Answers calls until nobody is left who could make any. It takes a thread of its own, of which it
    /// changes the root, the user and the umask.
    fn answer(self) -> Verdict {
        let ground = match Ground::of_this_thread() {
            Ok(ground) => ground,
            Err(errno) => return self.end(refused(errno)),
        };
        self.wake_at_once();
        let (taken, calls) = mpsc::channel();
        let supervisor = &self;
        std::thread::scope(|scope| {
            let take = move || supervisor.take_all(&taken);
            if let Err(error) = std::thread::Builder::new().spawn_scoped(scope, take) {
                let errno = Errno::from_io_error(&error).unwrap_or(Errno::AGAIN);
                return self.end(refused(errno));
            }
            let mut verdict = Verdict::Right;
            for call in calls {
                match self.carry_out(&ground, &call) {
                    Err(Stop::Verdict(stop)) if verdict == Verdict::Right => {
                        verdict = self.end(stop);
                    }
                    // Whoever asks is being ended.
                    Err(Stop::Verdict(_)) => {}
                    Err(Stop::Errno(errno)) => self.send(call.id, &Err(errno)),
                    Ok(answer) => self.send(call.id, &Ok(answer)),
                }
            }
            if verdict == Verdict::Right {
                verdict = self.set_ids.verdict();
            }
            verdict
        })
    }

    /// Takes calls up until nobody is left who could make any. Until then a signal may end the wait for an
    /// answer, which the calls of a kernel are not ended by; so that is not left until others are answered.
    fn take_all(&self, taken: &mpsc::Sender<libc::seccomp_notif>) {
        loop {
            let watched = [Some(&self.listener), self.set_ids.events()];
            let watched = watched.into_iter().flatten();
            let mut ready: Vec<_> = watched
                .map(|file| PollFd::new(file, PollFlags::IN))
                .collect();
            match rustix::event::poll(&mut ready, None) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(errno) => {
                    self.end(refused(errno));
                    return;
                }
            }
            let events = ready[0].revents();
            let has_more = ready.get(1).is_some_and(|file| !file.revents().is_empty());
            if has_more {
                self.set_ids.note();
            }
            if events.contains(PollFlags::IN) {
                if let Some(call) = self.receive() {
                    // It is listened to as long as this.
                    let _ = taken.send(call);
                }
            } else if events.intersects(PollFlags::HUP | PollFlags::ERR) {
                return;
            }
        }
    }

    /// Takes up a call; nothing if whoever made it has ended.
    fn receive(&self) -> Option<libc::seccomp_notif> {
        // SAFETY: of zeroes the kernel makes what it has to say.
        let mut call: libc::seccomp_notif = unsafe { std::mem::zeroed() };
        // SAFETY: the descriptor is the filter's, and the argument is what the call wants.
        let received = unsafe {
            libc::ioctl(
                self.listener.as_raw_fd(),
                libc::SECCOMP_IOCTL_NOTIF_RECV,
                &raw mut call,
            )
        };
        (received == 0).then_some(call)
    }

    fn carry_out(&self, ground: &Ground, call: &libc::seccomp_notif) -> Result<Answer, Stop> {
        let number = call.data.nr.cast_unsigned();
        let held = self.calls.get(&(call.data.arch, number));
        let held = *held.ok_or(Errno::NOSYS)?;
        let caller = Caller::of(ground, call.pid)?;
        let asked = Asked {
            listener: &self.listener,
            rules: &self.held,
            set_ids: &self.set_ids,
            caller,
            held,
            call,
        };
        // The number may have become another process's before it was opened by it; from now on it has not.
        if !asked.is_waiting() {
            return Err(Errno::SRCH.into());
        }
        answer(&asked)
    }

    fn send(&self, id: u64, answer: &Result<Answer, Errno>) {
        let mut response = libc::seccomp_notif_resp {
            id,
            val: 0,
            error: 0,
            flags: 0,
        };
        match answer {
            Ok(Answer::Value(value)) => response.val = *value,
            Ok(Answer::Kernel) => response.flags = CONTINUE,
            Err(errno) => response.error = -errno.raw_os_error(),
        }
        // SAFETY: as for the others. That nobody waits for the answer any more is no failure: then the
        // process was killed.
        unsafe {
            libc::ioctl(
                self.listener.as_raw_fd(),
                libc::SECCOMP_IOCTL_NOTIF_SEND,
                &raw const response,
            )
        };
    }

    /// Has the process woken on the processor of the one who answers, where the kernel knows that (from
    /// Linux 6.6 on): it is faster, and nothing else.
    fn wake_at_once(&self) {
        const SYNC_WAKE_UP: u64 = 1;
        // SAFETY: the argument is a number. A kernel that does not know it goes on as before.
        unsafe {
            libc::ioctl(
                self.listener.as_raw_fd(),
                libc::SECCOMP_IOCTL_NOTIF_SET_FLAGS,
                SYNC_WAKE_UP,
            )
        };
    }

    /// Ends the process.
    fn end(&self, verdict: Verdict) -> Verdict {
        // It may have ended by itself.
        let _ = pidfd_send_signal(&self.process, Signal::KILL);
        verdict
    }
}

/// `SECCOMP_USER_NOTIF_FLAG_CONTINUE`.
const CONTINUE: u32 = 1;

fn refused(error: Errno) -> Verdict {
    Verdict::Refused(format!("its system calls cannot be answered: {error}"))
}

fn answer(asked: &Asked<'_>) -> Result<Answer, Stop> {
    match asked.held.kind {
        Kind::Device(mode) => change::device(asked, mode),
        Kind::Owner(user) => change::owner(asked, user),
        Kind::Identity(_) => Err(Stop::refused(
            "it becomes a user or a group beyond the ranges that are set aside for this user",
        )),
        Kind::Groups => change::groups(asked),
        Kind::SetAttribute(name) => change::set_attribute(asked, name),
        Kind::RemoveAttribute(name) => change::remove_attribute(asked, name),
        Kind::Status(buffer) => look::status(asked, buffer),
        Kind::ExtendedStatus(mask) => look::extended_status(asked, mask),
        Kind::Mode(mode) => mode::mode(asked, mode),
        Kind::Link => link::link(asked),
        Kind::Write => {
            asked.set_ids.doubt();
            Ok(Answer::Kernel)
        }
        Kind::Open(_) | Kind::Create | Kind::OpenHow(_) => look::open(asked),
        Kind::Execute => look::use_device(asked, Errno::ACCESS),
        Kind::Truncate => look::use_device(asked, Errno::INVAL),
        Kind::ReadAttribute(name) => look::read_attribute(asked, name),
        Kind::ListAttributes(buffer) => look::list_attributes(asked, buffer),
        Kind::List => look::list(asked),
        Kind::OldList => look::list_in_an_old_form(asked),
    }
}
