//! The namespaces of a builder: of users where it is not root, of mounts and of processes.
//!
//! What it mounts is seen by nobody else, and all that it starts ends with it. They are entered by a
//! process with a single thread, which becomes two: one stays outside and waits, the other starts the
//! program again, within.

use std::ffi::{CString, OsString};
use std::io::{self, Read as _, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::process::ExitCode;

use rustix::mount::{MountFlags, MountPropagationFlags};
use rustix::process::{Pid, Resource, Rlimit, Signal, WaitOptions};
use rustix::thread::UnshareFlags;

use crate::error::{Error, Result};
use crate::group::{self, Bounds, Group};
use crate::program;
use crate::rights::Rights;

/// What a builder is, within.
#[derive(Debug)]
pub struct Inside {
    /// Whose rights it has.
    pub rights: Rights,
    /// What holds back the processes that it starts.
    pub bounds: Bounds,
}

/// What is added to the number of an error that the process within ends with before it is the
/// program again, which itself ends with 0 or 1.
const FAILED: i32 = 110;

/// Makes namespaces, and starts this program again in them as process 1, with the argument `word` and
/// what [`inside`] reads. Returns how that ended.
pub fn enter(word: &str) -> Result<ExitCode> {
    let group = Group::make();
    let ended = split(&group).and_then(|rights| fork(|| start_again(word, rights, &group)));
    group.remove();
    ended
}

/// Returns only why that failed.
fn start_again(word: &str, rights: Rights, group: &Group) -> io::Error {
    let directories = group.directories().map(|path| path.as_os_str().as_bytes());
    let words = [b"stagex", word.as_bytes(), rights.word().as_bytes()];
    let words = words.into_iter().chain(directories).map(CString::new);
    match words.collect::<Result<Vec<_>, _>>() {
        Ok(words) => program::become_with(&words),
        Err(error) => error.into(),
    }
}

/// Makes the namespaces that this process was started in by [`enter`] its own. `words` are its
/// arguments after the first.
pub fn inside(words: impl IntoIterator<Item = OsString>) -> Result<Inside> {
    let mut words = words.into_iter();
    let rights = match words.next() {
        Some(word) if word == Rights::Root.word() => Rights::Root,
        _ => Rights::User,
    };
    prepare()?;
    Ok(Inside {
        rights,
        bounds: Bounds::of(words.map(PathBuf::from).collect()),
    })
}

/// Ends a copy of a process. It must not return into the code of the process that it was made of.
fn leave(code: i32) -> ! {
    #[expect(clippy::exit, reason = "a forked process has nothing to return to")]
    std::process::exit(code);
}

fn split(group: &Group) -> Result<Rights> {
    let rights = Rights::of_this_process();
    let flags = UnshareFlags::NEWNS | UnshareFlags::NEWPID;
    match rights {
        Rights::Root => unshare(flags, "create namespaces")?,
        // Such a root has them already.
        Rights::User if rustix::process::geteuid().is_root() => {
            unshare(flags, "create namespaces")?;
        }
        Rights::User => {
            let mapper = Mapper::start()?;
            let limit = rustix::process::getrlimit(Resource::Nproc);
            if group.directories().next().is_none() {
                limit_processes(limit)?;
            }
            unshare(flags | UnshareFlags::NEWUSER, "make a namespace of users")?;
            // What holds for the namespace is settled; a build sees what it always sees.
            set_processes(limit)?;
            mapper.map()?;
        }
    }
    Ok(rights)
}

/// Holds back all processes of the namespace of users that is made next, for want of a control group:
/// the kernel counts them as this user's.
fn limit_processes(mut limit: Rlimit) -> Result<()> {
    if let Some(most) = group::most_processes() {
        limit.current = Some(limit.current.map_or(most, |current| current.min(most)));
    }
    set_processes(limit)
}

fn set_processes(limit: Rlimit) -> Result<()> {
    let set = rustix::process::setrlimit(Resource::Nproc, limit);
    set.map_err(|errno| Error::Namespaces {
        action: "limit processes",
        source: errno.into(),
    })
}

#[expect(
    unsafe_code,
    reason = "new namespaces are made by a call that rustix marks so"
)]
fn unshare(flags: UnshareFlags, action: &'static str) -> Result<()> {
    // SAFETY: the flags do not take away the table of descriptors, on which others may rely.
    let done = unsafe { rustix::thread::unshare_unsafe(flags) };
    done.map_err(|errno| Error::Namespaces {
        action,
        source: errno.into(),
    })
}

/// Becomes two processes, the second of which is process 1 of the new namespace, does `within`, and
/// ends with the first. Returns how it ended.
fn fork(within: impl FnOnce() -> io::Error) -> Result<ExitCode> {
    let failed = |action| move |source: io::Error| Error::Namespaces { action, source };
    let (mut ready, mut begin) = io::pipe().map_err(failed("make a pipe"))?;
    #[expect(unsafe_code, reason = "there is no safe way to become two processes")]
    // SAFETY: this process has a single thread, so the copy is whole.
    let child = unsafe { libc::fork() };
    let Some(child) = Pid::from_raw(child.max(0)) else {
        if child < 0 {
            return Err(last_error("make a process"));
        }
        drop(begin);
        let error = end_with_parent(&mut ready).map_or_else(|error| error, |()| within());
        leave(FAILED + error.raw_os_error().unwrap_or_default())
    };
    drop(ready);
    begin.write_all(&[1]).map_err(failed("begin"))?;
    let status = loop {
        match rustix::process::waitpid(Some(child), WaitOptions::empty()) {
            Ok(Some((_, status))) => break status,
            Ok(None) | Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(failed("wait for the process within")(errno.into())),
        }
    };
    match status.exit_status() {
        Some(0) => Ok(ExitCode::SUCCESS),
        Some(code) if code >= FAILED => {
            let error = io::Error::from_raw_os_error(code - FAILED);
            Err(failed("start this program within")(error))
        }
        _ => Ok(ExitCode::FAILURE),
    }
}

/// Has this process end with the one that made it, also if that has been killed already: then it
/// sends no signal any more, and closes the pipe unwritten.
fn end_with_parent(ready: &mut io::PipeReader) -> io::Result<()> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    ready.read_exact(&mut [0])
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
    child: Option<Pid>,
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
            leave(0);
        }
        Ok(Self {
            begin,
            done,
            child: Pid::from_raw(child),
        })
    }

    /// Has this process's users mapped.
    fn map(mut self) -> Result<()> {
        let mut answer = String::new();
        let asked = self
            .begin
            .write_all(&[1])
            .and_then(|()| self.done.read_to_string(&mut answer));
        // It has ended, or is about to. Left to whoever takes in what has lost its parent, it would be
        // of the builder's process group until that finds the time.
        let _ = rustix::process::waitpid(self.child, WaitOptions::empty());
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

/// Has what this process was started with, beside its input and output, be none of the programs' that it
/// starts.
fn keep_descriptors() {
    // A kernel that does not know it has none of what a build takes either.
    #[expect(unsafe_code, reason = "no library offers this")]
    // SAFETY: nothing is closed before another program begins.
    unsafe {
        let flags = i64::from(libc::CLOSE_RANGE_CLOEXEC);
        libc::syscall(libc::SYS_close_range, 3_i64, i64::from(u32::MAX), flags)
    };
}

/// Makes the namespace of mounts the builder's own, with a view of its own processes.
fn prepare() -> Result<()> {
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
    keep_descriptors();
    Ok(())
}
