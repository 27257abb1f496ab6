//! What a RUN had too much of: processes, memory, the disk.
//!
//! A script may go on where a program of it was denied something or ended, and what it has made then
//! depends on the machine. So a limit that was met fails the step, whatever its script says.
//!
//! Control groups count what they deny. Nobody counts how often a disk was full: that is looked at
//! whenever the RUN prints something, fifty times a second meanwhile, and when it has ended. A disk that was full
//! for less than that is not noticed, and neither is a program that wanted more at once than there was.

use std::fmt;

use rustix::event::{PollFd, PollFlags, Timespec};
use sandbox::{Exceeded, Inside, Met};

use crate::job::{Failure, FailureKind};
use crate::worker::directories::Directories;

/// How long nobody looks at the disk.
const PAUSE: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 20_000_000,
};

/// Looks at what a RUN uses up.
pub(crate) struct Watch<'a> {
    directories: &'a Directories,
    inside: &'a Inside,
    before: Met,
    disk_was_full: bool,
}

/// What a RUN had too much of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Limit {
    Disk,
    Group(Exceeded),
}

impl<'a> Watch<'a> {
    pub(crate) fn begin(directories: &'a Directories, inside: &'a Inside) -> Self {
        Self {
            directories,
            inside,
            before: inside.bounds.met(),
            disk_was_full: false,
        }
    }

    /// Looks at the disk until there is something to read.
    pub(crate) fn wait_for(&mut self, output: &impl std::os::fd::AsFd) {
        loop {
            self.look();
            let mut ready = [PollFd::new(output, PollFlags::IN)];
            // What is wrong is seen by whoever reads.
            if rustix::event::poll(&mut ready, Some(&PAUSE)) != Ok(0) {
                break;
            }
        }
    }

    fn look(&mut self) {
        self.disk_was_full |= self.directories.disk_is_full(self.inside.rights);
    }

    /// Returns what was met by a RUN that has ended.
    pub(crate) fn end(mut self) -> Option<Limit> {
        self.look();
        if self.disk_was_full {
            return Some(Limit::Disk);
        }
        self.inside.bounds.exceeded(self.before).map(Limit::Group)
    }
}

impl Limit {
    /// Tells whether it is the build's own that was met.
    pub(crate) fn is_certain(self) -> bool {
        self != Self::Group(Exceeded::MachineMemory)
    }

    /// Says of a RUN what it may have failed for, or would have, had it looked at what it was told.
    pub(crate) fn explain(self, what: &str, work: impl fmt::Display) -> Failure {
        let message = format!("{what}: {self}");
        match self {
            Self::Disk => Failure::new(FailureKind::Storage, message)
                .with_hint(format!("free some space on the file system of `{work}`")),
            Self::Group(Exceeded::Processes(_)) => Failure::build(message).with_hint(
                "let it start fewer at once, such as by `make -j4`; half of what the machine \
                 can have is a build's: sysctl kernel.pid_max, kernel.threads-max",
            ),
            Self::Group(Exceeded::Memory(_)) => Failure::build(message).with_hint(
                "let it do less at the same time, for example `make -j4`, or build it on a machine with more memory",
            ),
            Self::Group(Exceeded::MachineMemory) => Failure::build(message).with_hint(
                "build fewer packages at once: --jobs 1, or [build] memory in package.toml",
            ),
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disk => write!(formatter, "the disk is or was full"),
            Self::Group(Exceeded::Processes(most)) => {
                write!(
                    formatter,
                    "a build may have {most} processes, and it reached that limit"
                )
            }
            Self::Group(Exceeded::Memory(most)) => write!(
                formatter,
                "a build may have {} of memory, and a process was killed because it needed more",
                mebibytes(*most)
            ),
            Self::Group(Exceeded::MachineMemory) => write!(
                formatter,
                "meanwhile the kernel killed a process on this machine for lack of memory"
            ),
        }
    }
}

/// Says how much memory that is.
pub(crate) fn mebibytes(bytes: u64) -> String {
    format!("{} MiB", bytes >> 20)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_done_about_a_limit_is_said() {
        for limit in [
            Limit::Disk,
            Limit::Group(Exceeded::Processes(200)),
            Limit::Group(Exceeded::Memory(1 << 30)),
            Limit::Group(Exceeded::MachineMemory),
        ] {
            let failure = limit.explain("`make`", "/work");
            assert!(failure.hint.is_some(), "{}", failure.message);
        }
    }
}
