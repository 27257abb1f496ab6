//! The name spaces of a builder: of users where it is not root, of mounts and of processes.
//!
//! What it mounts is seen by nobody else, and all that it starts ends with it. It is entered by a
//! process with a single thread, which becomes two: one stays outside and waits.

use std::io::{self, Read as _, Write as _};
use std::process::ExitCode;

use rustix::mount::{MountFlags, MountPropagationFlags};
use rustix::process::{Pid, Signal, WaitOptions};
use rustix::thread::UnshareFlags;

use crate::error::{Error, Result};

/// Whose rights a builder has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rights {
    /// Those of the system's root.
    Root,
    /// Those of a root who is one in a name space of its own, and an ordinary user outside.
    User,
}

impl Rights {
    /// Returns what this process can have.
    pub fn of_this_process() -> Self {
        if rustix::process::geteuid().is_root() {
            Self::Root
        } else {
            Self::User
        }
    }
}

/// Which of the two processes goes on.
pub(crate) enum Side {
    /// The one within, which is process 1 there.
    Within,
    /// The one outside, after the other has ended.
    Outside(ExitCode),
}

/// Enters name spaces, and does `work` in them as process 1. Returns how that ended, to the
/// process outside only.
///
/// # Errors
///
/// Within, `work` is given the error; outside it does not show.
pub fn enter(work: impl FnOnce(Result<Rights>) -> ExitCode) -> ExitCode {
    match split() {
        Ok((Side::Outside(code), _)) => code,
        Ok((Side::Within, rights)) => {
            let code = work(prepare(rights).map(|()| rights));
            leave(code)
        }
        Err(error) => work(Err(error)),
    }
}

/// Ends the process within. It must not return into the code of the process that it was made of.
fn leave(code: ExitCode) -> ! {
    let failed = code != ExitCode::SUCCESS;
    #[expect(clippy::exit, reason = "a forked process has nothing to return to")]
    std::process::exit(i32::from(failed));
}

fn split() -> Result<(Side, Rights)> {
    let rights = Rights::of_this_process();
    let flags = UnshareFlags::NEWNS | UnshareFlags::NEWPID;
    match rights {
        Rights::Root => unshare(flags, "make name spaces")?,
        Rights::User => {
            let mapper = Mapper::start()?;
            unshare(flags | UnshareFlags::NEWUSER, "make a name space of users")?;
            mapper.map()?;
        }
    }
    let outside = rustix::process::getpid();
    Ok((fork(outside)?, rights))
}

#[expect(
    unsafe_code,
    reason = "new name spaces are made by a call that rustix marks so"
)]
fn unshare(flags: UnshareFlags, action: &'static str) -> Result<()> {
    // SAFETY: the flags do not take away the table of descriptors, on which others may rely.
    let done = unsafe { rustix::thread::unshare_unsafe(flags) };
    done.map_err(|errno| Error::Namespaces {
        action,
        source: errno.into(),
    })
}

/// Becomes two processes, the second of which is process 1 of the new name space and ends with
/// the first.
fn fork(outside: Pid) -> Result<Side> {
    let (mut ready, begin) = io::pipe().map_err(|source| Error::Namespaces {
        action: "make a pipe",
        source,
    })?;
    #[expect(unsafe_code, reason = "there is no safe way to become two processes")]
    // SAFETY: this process has a single thread, so the copy is whole.
    let child = unsafe { libc::fork() };
    let Some(child) = Pid::from_raw(child.max(0)) else {
        if child < 0 {
            return Err(last_error("make a process"));
        }
        drop(begin);
        let signal = rustix::process::set_parent_process_death_signal(Some(Signal::KILL));
        signal.map_err(|errno| Error::Namespaces {
            action: "end with the process outside",
            source: errno.into(),
        })?;
        // Whoever was killed before that sends no signal any more, and closes the pipe unwritten.
        let mut byte = [0];
        if ready.read_exact(&mut byte).is_err() {
            leave(ExitCode::FAILURE);
        }
        return Ok(Side::Within);
    };
    drop(ready);
    let mut begin = begin;
    let begun = begin.write_all(&[1]);
    debug_assert!(rustix::process::getpid() == outside);
    begun.map_err(|source| Error::Namespaces {
        action: "begin",
        source,
    })?;
    let status = loop {
        match rustix::process::waitpid(Some(child), WaitOptions::empty()) {
            Ok(Some((_, status))) => break status,
            Ok(None) | Err(rustix::io::Errno::INTR) => {}
            Err(_) => return Ok(Side::Outside(ExitCode::FAILURE)),
        }
    };
    let code = status
        .exit_status()
        .and_then(|code| u8::try_from(code).ok());
    Ok(Side::Outside(
        code.map_or(ExitCode::FAILURE, ExitCode::from),
    ))
}

fn last_error(action: &'static str) -> Error {
    Error::Namespaces {
        action,
        source: io::Error::last_os_error(),
    }
}

/// A process that stays outside to say which users there are within: only there may one.
struct Mapper {
    begin: io::PipeWriter,
    done: io::PipeReader,
}

/// The programs that may give a user the ranges of `/etc/subuid` and `/etc/subgid`.
const PROGRAMS: [(&str, &str); 2] = [("newuidmap", "/etc/subuid"), ("newgidmap", "/etc/subgid")];

impl Mapper {
    fn start() -> Result<Self> {
        let pipes = || -> io::Result<_> { Ok((io::pipe()?, io::pipe()?)) };
        let ((mut begun, begin), (done, mut result)) =
            pipes().map_err(|source| Error::Namespaces {
                action: "make a pipe",
                source,
            })?;
        let target = rustix::process::getpid();
        #[expect(unsafe_code, reason = "there is no safe way to become two processes")]
        // SAFETY: this process has a single thread, so the copy is whole.
        let child = unsafe { libc::fork() };
        if child < 0 {
            return Err(last_error("make a process"));
        }
        if child == 0 {
            drop((begin, done));
            if begun.read_exact(&mut [0]).is_ok() {
                let answer = map(target).err().unwrap_or_default();
                // Whoever does not listen any more has ended.
                let _ = result.write_all(answer.as_bytes());
            }
            leave(ExitCode::SUCCESS);
        }
        Ok(Self { begin, done })
    }

    /// Has this process's users mapped.
    fn map(mut self) -> Result<()> {
        let mut answer = String::new();
        let asked = self
            .begin
            .write_all(&[1])
            .and_then(|()| self.done.read_to_string(&mut answer));
        let refused = match asked {
            Ok(_) if answer.is_empty() => return Ok(()),
            Ok(_) => io::Error::other(answer),
            Err(error) => error,
        };
        Err(Error::Namespaces {
            action: "map users",
            source: refused,
        })
    }
}

/// Maps root to this user, and further users to those that are set aside for it.
fn map(target: Pid) -> Result<(), String> {
    let ids = [
        rustix::process::getuid().as_raw(),
        rustix::process::getgid().as_raw(),
    ];
    let name = user_name(ids[0]);
    for ((program, list), id) in PROGRAMS.into_iter().zip(ids) {
        let mut arguments = [0, id, 1].map(|number| number.to_string()).to_vec();
        let mut next = 1_u32;
        for (first, count) in ranges(list, ids[0], name.as_deref()) {
            arguments.extend([next, first, count].map(|number| number.to_string()));
            next = next.saturating_add(count);
        }
        if next == 1 {
            return Err(format!("this user has no range in {list}"));
        }
        #[expect(
            clippy::disallowed_types,
            reason = "it runs before the builder is what it will be, in a process of its own"
        )]
        let output = std::process::Command::new(program)
            .arg(target.as_raw_nonzero().to_string())
            .args(arguments)
            .output();
        match output {
            Ok(output) if output.status.success() => {}
            Ok(output) => {
                return Err(String::from_utf8_lossy(&output.stderr).trim().to_owned());
            }
            Err(error) => return Err(format!("`{program}` cannot be run: {error}")),
        }
    }
    Ok(())
}

fn user_name(id: u32) -> Option<String> {
    let text = std::fs::read_to_string("/etc/passwd").ok()?;
    let mut lines = text.lines().map(|line| line.split(':'));
    lines.find_map(|mut fields| {
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(id)).then(|| name.to_owned())
    })
}

/// Returns the ranges that are set aside for a user, each its first number and its length.
fn ranges(list: &str, id: u32, name: Option<&str>) -> Vec<(u32, u32)> {
    let text = std::fs::read_to_string(list).unwrap_or_default();
    let range = |line: &str| {
        let mut fields = line.split(':');
        let owner = fields.next()?;
        let is_ours = Some(owner) == name || owner.parse() == Ok(id);
        let first = fields.next()?.parse().ok()?;
        let count = fields.next()?.trim().parse().ok()?;
        is_ours.then_some((first, count))
    };
    text.lines().filter_map(range).collect()
}

/// Makes the name space of mounts the builder's own, with a view of its own processes.
fn prepare(_rights: Rights) -> Result<()> {
    let failed = |action| {
        move |errno: rustix::io::Errno| Error::Namespaces {
            action,
            source: errno.into(),
        }
    };
    let flags = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    rustix::mount::mount_change("/", flags).map_err(failed("shut mounts off"))?;
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    rustix::mount::mount(c"proc", "/proc", c"proc", flags, None::<&std::ffi::CStr>)
        .map_err(failed("mount /proc"))?;
    rustix::process::umask(rustix::fs::Mode::empty());
    Ok(())
}
