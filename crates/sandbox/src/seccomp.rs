//! Which system calls a build may make: those that `BuildKit` and Docker allow to a container
//! without further rights, and no other.
//!
//! The facts are those of Docker's default profile: what it allows to a process with the
//! capabilities of [`crate::capabilities`]. A 64-bit system runs 32-bit programs too, and their calls
//! have other numbers: so there are two lists in one filter, of which a process can use both.

#![expect(
    unsafe_code,
    reason = "no library offers a filter of two architectures without a C library"
)]

use std::io;
use std::os::fd::RawFd;

use libc::sock_filter;

use crate::architecture::{ARCHITECTURES, Architecture, PRIVATE};
use crate::bpf::{
    ALLOW, ARCHITECTURE, FIRST_ARGUMENT, NUMBER, give, if_any_bit, if_at_least, if_equal,
    if_greater, load, skip,
};
use crate::held::{self, Watch};

/// The calls that are allowed, whatever their arguments, by name: on each architecture those that it
/// has.
const ALLOWED: &str = "\
    _llseek _newselect accept accept4 access adjtimex alarm arch_prctl \
    arm_fadvise64_64 arm_sync_file_range bind breakpoint brk cacheflush cachestat capget \
    capset chdir chmod chown chown32 chroot clock_adjtime clock_adjtime64 clock_getres \
    clock_getres_time64 clock_gettime clock_gettime64 clock_nanosleep clock_nanosleep_time64 \
    close close_range connect copy_file_range creat dup dup2 dup3 epoll_create epoll_create1 \
    epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait epoll_wait_old eventfd eventfd2 \
    execve execveat exit exit_group faccessat faccessat2 fadvise64 fadvise64_64 fallocate \
    fanotify_mark fchdir fchmod fchmodat fchmodat2 fchown fchown32 fchownat fcntl fcntl64 \
    fdatasync fgetxattr flistxattr flock fork fremovexattr fsetxattr fstat fstat64 fstatat64 \
    fstatfs fstatfs64 fsync ftruncate ftruncate64 futex futex_requeue futex_time64 futex_wait \
    futex_waitv futex_wake futimesat get_robust_list get_thread_area getcpu getcwd getdents \
    getdents64 getegid getegid32 geteuid geteuid32 getgid getgid32 getgroups getgroups32 \
    getitimer getpeername getpgid getpgrp getpid getppid getpriority getrandom getresgid \
    getresgid32 getresuid getresuid32 getrlimit getrusage getsid getsockname getsockopt gettid \
    gettimeofday getuid getuid32 getxattr getxattrat inotify_add_watch inotify_init \
    inotify_init1 inotify_rm_watch io_cancel io_destroy io_getevents io_pgetevents \
    io_pgetevents_time64 io_setup io_submit ioctl ioprio_get ioprio_set ipc kill \
    landlock_add_rule landlock_create_ruleset landlock_restrict_self lchown lchown32 lgetxattr \
    link linkat listen listmount listxattr listxattrat llistxattr lremovexattr lseek lsetxattr \
    lstat lstat64 madvise map_shadow_stack membarrier memfd_create memfd_secret mincore mkdir \
    mkdirat mknod mknodat mlock mlock2 mlockall mmap mmap2 modify_ldt mprotect mq_getsetattr \
    mq_notify mq_open mq_timedreceive mq_timedreceive_time64 mq_timedsend mq_timedsend_time64 \
    mq_unlink mremap mseal msgctl msgget msgrcv msgsnd msync munlock munlockall munmap \
    name_to_handle_at nanosleep newfstatat open openat openat2 pause pidfd_open \
    pidfd_send_signal pipe pipe2 pkey_alloc pkey_free pkey_mprotect poll ppoll ppoll_time64 \
    prctl pread64 preadv preadv2 prlimit64 process_mrelease process_vm_readv process_vm_writev \
    pselect6 pselect6_time64 ptrace pwrite64 pwritev pwritev2 read readahead readlink readlinkat \
    readv recv recvfrom recvmmsg recvmmsg_time64 recvmsg remap_file_pages removexattr \
    removexattrat rename renameat renameat2 restart_syscall rmdir rseq rt_sigaction \
    rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait \
    rt_sigtimedwait_time64 rt_tgsigqueueinfo sched_get_priority_max sched_get_priority_min \
    sched_getaffinity sched_getattr sched_getparam sched_getscheduler sched_rr_get_interval \
    sched_rr_get_interval_time64 sched_setaffinity sched_setattr sched_setparam \
    sched_setscheduler sched_yield seccomp select semctl semget semop semtimedop \
    semtimedop_time64 send sendfile sendfile64 sendmmsg sendmsg sendto set_robust_list \
    set_thread_area set_tid_address set_tls setfsgid setfsgid32 setfsuid setfsuid32 setgid setgid32 \
    setgroups setgroups32 setitimer setpgid setpriority setregid setregid32 setresgid \
    setresgid32 setresuid setresuid32 setreuid setreuid32 setrlimit setsid setsockopt setuid \
    setuid32 setxattr setxattrat shmat shmctl shmdt shmget shutdown sigaltstack signalfd \
    signalfd4 sigprocmask sigreturn socketpair splice stat stat64 statfs statfs64 \
    statmount statx symlink symlinkat sync sync_file_range syncfs sysinfo tee tgkill time \
    timer_create timer_delete timer_getoverrun timer_gettime timer_gettime64 timer_settime \
    timer_settime64 timerfd_create timerfd_gettime timerfd_gettime64 timerfd_settime \
    timerfd_settime64 times tkill truncate truncate64 ugetrlimit umask uname unlink unlinkat \
    uretprobe utime utimensat utimensat_time64 utimes vfork vmsplice wait4 waitid waitpid write \
    writev";

/// The flags of `clone` that make namespaces: mounts, control groups, host name, messages, users,
/// processes, network.
const NEW_NAMESPACES: u32 = 0x7e02_0000;
/// Families of sockets that reach past a network namespace, or into the kernel's cryptography.
const REFUSED_FAMILIES: [u32; 2] = [libc::AF_ALG.cast_unsigned(), libc::AF_VSOCK.cast_unsigned()];
/// What the call `socketcall` is told to make a socket.
const SOCKET: u32 = 1;
/// What a process may ask of the kernel's imitation of others: nothing, no random addresses of its
/// own, the version 2.6, both, and what there is.
const PERSONALITIES: [u32; 5] = [0, 0x8, 0x2_0000, 0x2_0008, 0xffff_ffff];

const KILL: u32 = 0x8000_0000;
const REFUSE: u32 = 0x0005_0000 | libc::EPERM.cast_unsigned();
/// What a program takes as a sign to use an older call.
const UNKNOWN: u32 = 0x0005_0000 | libc::ENOSYS.cast_unsigned();

/// A filter that the kernel can be given.
#[derive(Debug)]
pub(crate) struct Filter(Vec<sock_filter>);

impl Filter {
    /// Makes the filter for a process without rights beyond [`crate::capabilities`]. `beyond` is
    /// the user that stands in for all from itself on, if there is one: what the kernel does not do then is
    /// held up.
    pub(crate) fn default_profile(beyond: Option<(u32, Watch)>) -> Self {
        let mut program = vec![load(ARCHITECTURE)];
        for architecture in ARCHITECTURES {
            let mut list = architecture.list(beyond);
            program.push(if_equal(architecture.audit, 1, 0));
            program.push(skip(list.len()));
            program.append(&mut list);
        }
        program.push(give(KILL));
        Self(program)
    }

    /// Has the kernel apply it to this process and all that it starts, for good. Returns the number of
    /// the descriptor by which calls that are held up are answered, if `asks`.
    pub(crate) fn install(&self, asks: bool) -> io::Result<Option<RawFd>> {
        let program = libc::sock_fprog {
            // Some hundreds; the kernel takes 4,096.
            len: u16::try_from(self.0.len()).unwrap_or(u16::MAX),
            filter: self.0.as_ptr().cast_mut(),
        };
        let install = |flags: libc::c_ulong| {
            // SAFETY: the program is there during the call, as long as it says, and is not written to.
            let done = unsafe {
                libc::syscall(
                    libc::SYS_seccomp,
                    libc::SECCOMP_SET_MODE_FILTER,
                    flags,
                    &raw const program,
                )
            };
            match RawFd::try_from(done) {
                Ok(listener) if listener >= 0 => Ok(asks.then_some(listener)),
                _ => Err(io::Error::last_os_error()),
            }
        };
        if !asks {
            return install(0);
        }
        // A call that has been taken up is not begun again for a signal: Linux has that from 5.19 on.
        let flags = libc::SECCOMP_FILTER_FLAG_NEW_LISTENER;
        match install(flags | libc::SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV) {
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => install(flags),
            installed => installed,
        }
    }
}

impl Architecture {
    fn list(&self, beyond: Option<(u32, Watch)>) -> Vec<sock_filter> {
        let mut program = vec![load(NUMBER)];
        let mut call = |name: &str, mut rule: Vec<sock_filter>| {
            if let Some(number) = (self.number)(name) {
                program.push(if_equal(number, 1, 0));
                program.push(skip(rule.len()));
                program.append(&mut rule);
            }
        };
        call("clone3", vec![give(UNKNOWN)]);
        call(
            "clone",
            vec![
                load(FIRST_ARGUMENT),
                if_any_bit(NEW_NAMESPACES, 0, 1),
                give(REFUSE),
                give(ALLOW),
            ],
        );
        call("socket", among(&REFUSED_FAMILIES, REFUSE, ALLOW));
        // All that it is given stands where no filter can look. What it makes can be had by `socket`.
        call("socketcall", among(&[SOCKET], UNKNOWN, ALLOW));
        call("personality", among(&PERSONALITIES, ALLOW, REFUSE));
        if let Some((beyond, watch)) = beyond {
            for name in held::ANSWERED_AS_UNKNOWN {
                call(name, vec![give(UNKNOWN)]);
            }
            for held in held::on(self, watch) {
                let mut rule = held.rule(beyond, watch);
                program.push(if_equal(held.number, 1, 0));
                program.push(skip(rule.len()));
                program.append(&mut rule);
            }
        }
        let numbers = ALLOWED.split_whitespace().filter_map(self.number);
        let (private, numbers): (Vec<u32>, Vec<u32>) =
            numbers.partition(|number| *number >= PRIVATE);
        for (low, high) in ranges(numbers) {
            program.extend([
                if_greater(high, 3, 0),
                if_at_least(low, 0, 1),
                give(ALLOW),
                give(REFUSE),
            ]);
        }
        for number in private {
            program.extend([if_equal(number, 0, 1), give(ALLOW)]);
        }
        // Newer than all that this list knows. Whoever asks has another way.
        program.push(give(UNKNOWN));
        program
    }
}

/// Puts numbers into ranges without gaps, in order.
fn ranges(mut numbers: Vec<u32>) -> Vec<(u32, u32)> {
    numbers.sort_unstable();
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for number in numbers {
        match ranges.last_mut() {
            Some((_, high)) if *high + 1 >= number => *high = number,
            _ => ranges.push((number, number)),
        }
    }
    ranges
}

/// Gives one answer where the first argument is among the values, and another where it is not.
fn among(values: &[u32], inside: u32, outside: u32) -> Vec<sock_filter> {
    let mut program = vec![load(FIRST_ARGUMENT)];
    for value in values {
        program.extend([if_equal(*value, 0, 1), give(inside)]);
    }
    program.push(give(outside));
    program
}

#[cfg(test)]
pub(crate) mod tests;
