//! What a child process finds around it, and hands on to all that it starts: how many processors it may use, what
//! the kernel says its release is, and the mode of new files.

use std::io;

use rustix::fs::Mode;
use rustix::thread::CpuSet;

/// What a child finds around it where that is not as this process has it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// It may use only one processor.
    pub one_processor: bool,
    /// The kernel says that its release begins with 2.6.
    pub old_kernel: bool,
    /// The mode that new files do not get.
    pub umask: Option<u32>,
}

impl Surroundings {
    /// Sets them for a child, between fork and exec.
    #[expect(
        clippy::disallowed_types,
        reason = "it is called by the one place that starts processes"
    )]
    #[expect(
        unsafe_code,
        reason = "nothing else runs between fork and exec, and a program in between would cost an exec"
    )]
    pub(crate) fn set_for(self, command: &mut tokio::process::Command) {
        if self == Self::default() {
            return;
        }
        // SAFETY: it makes system calls, none of which allocates or takes a lock.
        unsafe { command.pre_exec(move || self.set()) };
    }

    fn set(self) -> io::Result<()> {
        if self.one_processor {
            let allowed = rustix::thread::sched_getaffinity(None)?;
            let first = (0..CpuSet::MAX_CPU).find(|&cpu| allowed.is_set(cpu));
            let mut one = CpuSet::new();
            one.set(first.unwrap_or_default());
            rustix::thread::sched_setaffinity(None, &one)?;
        }
        if self.old_kernel {
            old_kernel()?;
        }
        if let Some(umask) = self.umask {
            rustix::process::umask(Mode::from_raw_mode(umask));
        }
        Ok(())
    }
}

#[expect(unsafe_code, reason = "no library has this system call in a safe form")]
fn old_kernel() -> io::Result<()> {
    // SAFETY: it takes numbers only, and changes nothing but what this process is told by uname.
    let done = unsafe { libc::personality(libc::UNAME26 as libc::c_ulong) };
    if done < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}
