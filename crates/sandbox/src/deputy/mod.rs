//! What the kernel does not do for an ordinary user, done for its builds: device files, and owners
//! beyond the ranges that are set aside for the user.
//!
//! The filter of system calls holds such a call up until the builder has answered it. What stands in
//! for a file, and for which, is for a [`Deputy`] to say. Here is who asks, what a path leads to for
//! him, and what he would be told by a kernel that does such things: by all calls that could tell what
//! stands in from what it stands for. What cannot be answered as that kernel would ends the process
//! instead ([`Verdict`]).

#![expect(
    unsafe_code,
    reason = "calls that are held up are answered by calls that no library offers"
)]

mod acting;
mod answer;
mod caller;
mod change;
mod link;
mod look;
mod mode;
pub(crate) mod set_id;

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;

use rustix::event::{PollFd, PollFlags};
use rustix::fs::{FileType, Stat};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::held::{self, Watch};
use crate::seccomp;
use acting::Ground;
use answer::{Answer, Stop};
use caller::Caller;
use set_id::SetIds;

/// Says what stands in for what the kernel does not make.
pub trait Deputy: std::fmt::Debug + Send + Sync {
    /// Has an empty file, just made, stand for a device.
    fn stand_for(&self, file: BorrowedFd<'_>, kind: FileType, number: u64) -> io::Result<()>;

    /// Gives a file, of which the descriptor says no more than where it is, to a user, a group or both.
    /// It is an error, [`InvalidInput`](io::ErrorKind::InvalidInput), if nobody can be told of it later.
    fn give(&self, file: BorrowedFd<'_>, user: Option<u32>, group: Option<u32>) -> io::Result<()>;

    /// Returns the status of what a file stands for; nothing if it is what it seems to be. It is an error,
    /// [`InvalidData`](io::ErrorKind::InvalidData), if that cannot be told.
    fn status(&self, file: BorrowedFd<'_>) -> io::Result<Option<Stat>>;

    /// Tells whether an attribute says of a file what it stands for.
    fn is_mark(&self, attribute: &[u8]) -> bool;
}

/// What is held up of a process, and who answers.
#[derive(Debug, Clone)]
pub struct Held {
    /// The first user, and the first group, that is not given a file without asking.
    pub beyond: u32,
    /// Which calls are held up.
    pub watch: Watch,
    /// Who answers.
    pub deputy: Arc<dyn Deputy>,
    /// The regular files that have the set-user-ID or the set-group-ID bit already. Of each the descriptor says
    /// no more than where it is.
    pub set_ids: Vec<Arc<OwnedFd>>,
    /// The directory that takes what is changed below the process's root, if there is one.
    pub changes: Option<Arc<OwnedFd>>,
}

/// What the answers to a process's calls have come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It was told what it should be told.
    Right,
    /// It was ended, since something would come to stand in that it could see: it has to begin again, and
    /// [everything](Watch::Everything) has to be held up.
    Again,
    /// It was ended, for this reason: it cannot be told what it should be told.
    Refused(String),
    /// This file, by its path, has lost the set-user-ID or the set-group-ID bit, which it would not have lost to
    /// the system's root, since it was written to.
    ModeLost(String),
}

/// Answers the calls of one process and of all that it starts.
pub(crate) struct Supervisor {
    listener: OwnedFd,
    held: Held,
    /// What the calls are, by architecture and number.
    calls: BTreeMap<(u32, u32), held::Call>,
    set_ids: SetIds,
    /// The process itself, which ends all others of its name space with it.
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
            calls: seccomp::held_up(held.watch),
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
        // The number may have become another process's before it was opened by it; from now on it has not.
        if !self.is_waiting(call.id) {
            return Err(Errno::SRCH.into());
        }
        let asked = Asked {
            supervisor: self,
            caller,
            held,
            call,
        };
        asked.answer()
    }

    /// Tells whether a call waits still.
    fn is_waiting(&self, id: u64) -> bool {
        // SAFETY: the argument is the call's number.
        let asked = unsafe {
            libc::ioctl(
                self.listener.as_raw_fd(),
                libc::SECCOMP_IOCTL_NOTIF_ID_VALID,
                &raw const id,
            )
        };
        asked == 0
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

/// A call that is held up, and who made it.
struct Asked<'a> {
    supervisor: &'a Supervisor,
    caller: Caller<'a>,
    held: held::Call,
    call: &'a libc::seccomp_notif,
}

impl Asked<'_> {
    fn deputy(&self) -> &dyn Deputy {
        self.supervisor.held.deputy.as_ref()
    }

    fn is_watched(&self) -> bool {
        self.supervisor.held.watch == Watch::Everything
    }

    fn answer(&self) -> Result<Answer, Stop> {
        use crate::held::Kind;

        match self.held.kind {
            Kind::Device(mode) => self.device(mode),
            Kind::Owner(user) => self.owner(user),
            Kind::Identity(_) => Err(Stop::refused(
                "it becomes a user or a group beyond the ranges that are set aside for this user",
            )),
            Kind::Groups => self.groups(),
            Kind::SetAttribute(name) => self.set_attribute(name),
            Kind::RemoveAttribute(name) => self.remove_attribute(name),
            Kind::Status(buffer) => self.status(buffer),
            Kind::ExtendedStatus(mask) => self.extended_status(mask),
            Kind::Mode(mode) => self.mode(mode),
            Kind::Link => self.link(),
            Kind::Write => {
                self.supervisor.set_ids.doubt();
                Ok(Answer::Kernel)
            }
            Kind::Open(_) | Kind::Create | Kind::OpenHow(_) => self.open(),
            Kind::Execute => self.use_device(Errno::ACCESS),
            Kind::Truncate => self.use_device(Errno::INVAL),
            Kind::ReadAttribute(name) => self.read_attribute(name),
            Kind::ListAttributes(buffer) => self.list_attributes(buffer),
            Kind::List => self.list(),
            Kind::OldList => self.list_in_an_old_form(),
        }
    }

    /// Returns an argument that is a number of 32 bits: whatever else stands in the register is not meant.
    fn argument(&self, place: usize) -> u32 {
        u32::try_from(self.call.data.args[place] & 0xffff_ffff).unwrap_or(0)
    }

    fn address(&self, place: usize) -> u64 {
        self.call.data.args[place]
    }

    /// The caller's architecture has addresses of 32 bits.
    fn is_of_32_bits(&self) -> bool {
        const OF_64_BITS: u32 = 0x8000_0000;
        self.call.data.arch & OF_64_BITS == 0
    }
}

/// Returns a path by which an open file, of which no more than its place may be known, can be named.
fn by_number(file: impl AsFd) -> String {
    format!("/proc/self/fd/{}", file.as_fd().as_raw_fd())
}
