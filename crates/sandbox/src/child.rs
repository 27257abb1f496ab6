//! From a copy of the builder to the program: the child's own side, system calls and nothing else.
//!
//! The builder has several threads, and the child is a copy of one of them. A lock that another
//! held at that moment is held for ever in the copy: so here nothing is allocated, and nothing is
//! called that might.

#![expect(
    unsafe_code,
    reason = "a process is made and becomes a program by calls that no library offers as safe"
)]

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd, OwnedFd, RawFd};
use std::ptr;

use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::UnmountFlags;
use rustix::process::{Pid, Resource, Rlimit};
use rustix::thread::{Gid, LinkNameSpaceType, Uid, UnshareFlags};

use crate::network::Network;
use crate::rights::Rights;
use crate::seccomp::Filter;
use crate::{capabilities, sockets, view};

/// Everything that the child needs, made before it.
pub(crate) struct Plan<'a> {
    pub(crate) programs: &'a [CString],
    pub(crate) words: &'a [CString],
    pub(crate) environment: &'a [CString],
    pub(crate) root: &'a CStr,
    pub(crate) directory: &'a CStr,
    pub(crate) user: u32,
    pub(crate) group: u32,
    pub(crate) groups: &'a [u32],
    pub(crate) host_name: &'a [u8],
    pub(crate) network: Network,
    /// The namespace of its network, if it is not to be the builder's.
    pub(crate) namespace: Option<RawFd>,
    pub(crate) rights: Rights,
    pub(crate) open_files: (u64, u64),
    pub(crate) output: RawFd,
    pub(crate) report: RawFd,
    /// Files that a process writes itself to.
    pub(crate) entrances: &'a [RawFd],
    pub(crate) filter: &'a Filter,
    /// The filter holds calls up.
    pub(crate) asks: bool,
}

/// What the child was doing when something failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Step {
    Group,
    Begin,
    Network,
    Mount,
    Root,
    Limits,
    Filter,
    User,
    Directory,
    Execute,
}

const STEPS: [Step; 10] = [
    Step::Group,
    Step::Begin,
    Step::Network,
    Step::Mount,
    Step::Root,
    Step::Limits,
    Step::Filter,
    Step::User,
    Step::Directory,
    Step::Execute,
];

impl Step {
    pub(crate) fn action(self) -> &'static str {
        match self {
            Self::Group => "enter the control groups",
            Self::Begin => "set the process up",
            Self::Network => "enter its network",
            Self::Mount => "mount /proc, /sys or /dev/mqueue, or hide parts of them",
            Self::Root => "change the root",
            Self::Limits => "set the limits",
            Self::Filter => "filter system calls",
            Self::User => "change the user",
            Self::Directory => "enter the working directory",
            Self::Execute => "execute the program",
        }
    }
}

/// Reads what a child that failed has written.
pub(crate) fn read_report(bytes: [u8; 8]) -> (Step, i32) {
    let [a, b, c, d, rest @ ..] = bytes;
    let number = u32::from_ne_bytes([a, b, c, d]);
    let step = STEPS.into_iter().find(|step| *step as u32 == number);
    (step.unwrap_or(Step::Begin), i32::from_ne_bytes(rest))
}

/// The argument of the system call `clone3`.
#[repr(C)]
#[derive(Default)]
struct CloneArguments {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
}

/// Makes the child.
pub(crate) fn start(plan: &Plan<'_>) -> io::Result<Pid> {
    let pointers = |strings: &[CString]| -> Vec<*const libc::c_char> {
        let pointers = strings.iter().map(|string| string.as_ptr());
        pointers.chain([ptr::null()]).collect()
    };
    let (words, environment) = (pointers(plan.words), pointers(plan.environment));
    let mut flags = libc::CLONE_NEWNS | libc::CLONE_NEWPID | libc::CLONE_NEWIPC;
    flags |= libc::CLONE_NEWUTS;
    let mut arguments = CloneArguments {
        // The flags are bits, of which none is the sign.
        flags: u64::from(flags.cast_unsigned()),
        exit_signal: libc::SIGCHLD.unsigned_abs().into(),
        ..CloneArguments::default()
    };
    // SAFETY: the arguments are as the kernel wants them, and without a stack of its own the child
    // is a copy of this thread, as after a fork. It makes system calls only and does not return.
    let pid = unsafe {
        libc::syscall(
            libc::SYS_clone3,
            &raw mut arguments,
            size_of::<CloneArguments>(),
        )
    };
    match pid {
        0 => {
            let mut errors = plan.report;
            let failed = match become_program(plan, &words, &environment, &mut errors) {
                Ok(never) => match never {},
                Err(failed) => failed,
            };
            report(errors, failed)
        }
        pid => i32::try_from(pid)
            .ok()
            .filter(|pid| *pid > 0)
            .and_then(Pid::from_raw)
            .ok_or_else(io::Error::last_os_error),
    }
}

fn report(errors: RawFd, (step, errno): (Step, Errno)) -> ! {
    let mut bytes = [0; 8];
    bytes[..4].copy_from_slice(&(step as u32).to_ne_bytes());
    bytes[4..].copy_from_slice(&errno.raw_os_error().to_ne_bytes());
    // SAFETY: the descriptor is open, the bytes are there, and the process ends without running
    // anything that the builder has registered for its own end.
    unsafe {
        libc::write(errors, bytes.as_ptr().cast(), bytes.len());
        libc::_exit(127)
    }
}

/// What cannot be.
enum Never {}

fn become_program(
    plan: &Plan<'_>,
    words: &[*const libc::c_char],
    environment: &[*const libc::c_char],
    errors: &mut RawFd,
) -> Result<Never, (Step, Errno)> {
    let step = |step: Step| move |errno: Errno| (step, errno);
    enter_groups(plan.entrances).map_err(step(Step::Group))?;
    begin(plan).map_err(step(Step::Begin))?;
    if let Some(namespace) = plan.namespace {
        join_network(namespace).map_err(step(Step::Network))?;
    }
    let root = open(CWD, plan.root).map_err(step(Step::Root))?;
    view::mount(&root, plan.network, plan.rights).map_err(step(Step::Mount))?;
    // Not the machine's, whose mode and times could be changed through the descriptor.
    let null = view::null(&root, OFlags::RDONLY).map_err(step(Step::Mount))?;
    change_root(&root).map_err(step(Step::Root))?;
    let forgotten = forget_descriptors(root, null, errors);
    forgotten.map_err(step(Step::Begin))?;
    limit(plan).map_err(step(Step::Limits))?;
    if plan.network == Network::Machine {
        sockets::shut_off().map_err(step(Step::Network))?;
    }
    // To install a filter takes a right that the next step takes away.
    let filtered = plan.filter.install(plan.asks);
    let listener = filtered.map_err(|error| (Step::Filter, errno_of(&error)))?;
    if let Some(listener) = listener {
        hand_over(*errors, listener).map_err(step(Step::Filter))?;
    }
    capabilities::limit(plan.network).map_err(|error| (Step::User, errno_of(&error)))?;
    enter(plan)?;
    Err((Step::Execute, execute(plan, words, environment)))
}

fn errno_of(error: &io::Error) -> Errno {
    Errno::from_io_error(error).unwrap_or(Errno::IO)
}

/// Enters the control groups, of which it then sees no more than what is below them.
fn enter_groups(entrances: &[RawFd]) -> Result<(), Errno> {
    for entrance in entrances {
        // SAFETY: the descriptor is open, and stays so.
        let entrance = unsafe { BorrowedFd::borrow_raw(*entrance) };
        rustix::io::write(entrance, b"0")?;
    }
    // SAFETY: nothing relies on the old namespace.
    match unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWCGROUP) } {
        // A kernel without any.
        Err(Errno::INVAL) => Ok(()),
        done => done,
    }
}

/// Takes its descriptors, its session, its signals and its name.
fn begin(plan: &Plan<'_>) -> Result<(), Errno> {
    rustix::process::setsid()?;
    for number in [1, 2] {
        take_as(plan.output, number)?;
    }
    // SAFETY: whatever the builder has set for signals is undone.
    unsafe {
        for signal in 1..=SIGNALS {
            // Two have no action that could be set.
            libc::signal(signal, libc::SIG_DFL);
        }
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, ptr::null_mut());
    }
    rustix::process::umask(Mode::from_raw_mode(0o022));
    rustix::system::sethostname(plan.host_name)
}

/// Closes every descriptor but the first three and that for errors. It cannot be left to the start
/// of the program: its working directory or its own path may be one of `/proc/self/fd`.
fn forget_descriptors(root: OwnedFd, null: OwnedFd, errors: &mut RawFd) -> Result<(), Errno> {
    const ERRORS: RawFd = 3;
    take_as(null.as_raw_fd(), 0)?;
    // They are closed with the others, among which their numbers may be.
    std::mem::forget((root, null));
    if *errors != ERRORS {
        take_as(*errors, ERRORS)?;
        *errors = ERRORS;
    }
    // SAFETY: nothing that is closed is used any more, and nothing here closes it again.
    let done = unsafe {
        libc::fcntl(ERRORS, libc::F_SETFD, libc::FD_CLOEXEC);
        libc::syscall(libc::SYS_close_range, 4_i64, i64::from(u32::MAX), 0_i64)
    };
    if done < 0 { Err(last()) } else { Ok(()) }
}

/// Gives a descriptor to the builder.
fn hand_over(socket: RawFd, descriptor: RawFd) -> Result<(), Errno> {
    use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags};

    // SAFETY: both are open, and stay so.
    let (socket, descriptors) = unsafe {
        let descriptor = BorrowedFd::borrow_raw(descriptor);
        (BorrowedFd::borrow_raw(socket), [descriptor])
    };
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    control.push(SendAncillaryMessage::ScmRights(&descriptors));
    let bytes = [io::IoSlice::new(b"f")];
    rustix::net::sendmsg(socket, &bytes, &mut control, SendFlags::NOSIGNAL)?;
    Ok(())
}

/// Makes a descriptor known under the number `to`.
fn take_as(from: RawFd, to: RawFd) -> Result<(), Errno> {
    // SAFETY: both are numbers of descriptors; a failure is looked at.
    if unsafe { libc::dup2(from, to) } < 0 {
        return Err(last());
    }
    Ok(())
}

/// How many signals there are.
const SIGNALS: libc::c_int = 64;

fn last() -> Errno {
    errno_of(&io::Error::last_os_error())
}

fn join_network(namespace: RawFd) -> Result<(), Errno> {
    // SAFETY: the descriptor is open, and stays so.
    let namespace = unsafe { BorrowedFd::borrow_raw(namespace) };
    let kind = Some(LinkNameSpaceType::Network);
    rustix::thread::move_into_link_name_space(namespace, kind)
}

fn open(directory: BorrowedFd<'_>, path: &CStr) -> Result<OwnedFd, Errno> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::openat(directory, path, flags, Mode::empty())
}

fn change_root(root: &OwnedFd) -> Result<(), Errno> {
    rustix::process::fchdir(root)?;
    // The old root comes to lie on the new one, and is taken away.
    rustix::process::pivot_root(c".", c".")?;
    rustix::mount::unmount(c".", UnmountFlags::DETACH)?;
    rustix::process::chdir(c"/")
}

fn limit(plan: &Plan<'_>) -> Result<(), Errno> {
    let (soft, hard) = plan.open_files;
    // Only who has the right may raise a limit.
    let most = rustix::process::getrlimit(Resource::Nofile).maximum;
    let hard = most.map_or(hard, |most| hard.min(most));
    let limit = Rlimit {
        current: Some(soft.min(hard)),
        maximum: Some(hard),
    };
    rustix::process::setrlimit(Resource::Nofile, limit)
}

/// Becomes the user in the working directory. As in runc, it is entered before, since root may where the user
/// may not, and after that if root may not.
fn enter(plan: &Plan<'_>) -> Result<(), (Step, Errno)> {
    let is_entered = match rustix::process::chdir(plan.directory) {
        Ok(()) => true,
        Err(Errno::ACCESS | Errno::PERM) => false,
        Err(errno) => return Err((Step::Directory, errno)),
    };
    change_user(plan).map_err(|errno| (Step::User, errno))?;
    if !is_entered {
        rustix::process::chdir(plan.directory).map_err(|errno| (Step::Directory, errno))?;
    }
    Ok(())
}

fn change_user(plan: &Plan<'_>) -> Result<(), Errno> {
    // SAFETY: a number of a group is what the kernel wants, and the slice is as long as is said.
    let set =
        unsafe { libc::syscall(libc::SYS_setgroups, plan.groups.len(), plan.groups.as_ptr()) };
    if set < 0 {
        return Err(last());
    }
    let (user, group) = (Uid::from_raw(plan.user), Gid::from_raw(plan.group));
    rustix::thread::set_thread_res_gid(group, group, group)?;
    rustix::thread::set_thread_res_uid(user, user, user)
}

fn execute(
    plan: &Plan<'_>,
    words: &[*const libc::c_char],
    environment: &[*const libc::c_char],
) -> Errno {
    let mut worst = Errno::NOENT;
    for program in plan.programs {
        // SAFETY: all are pointers to strings that end, in lists that end.
        unsafe { libc::execve(program.as_ptr(), words.as_ptr(), environment.as_ptr()) };
        match last() {
            Errno::NOENT | Errno::NOTDIR => {}
            Errno::ACCESS => worst = Errno::ACCESS,
            errno => return errno,
        }
    }
    worst
}
