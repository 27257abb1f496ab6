//! One process of a build: what it is given, and how it ends.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::thread::JoinHandle;

use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitOptions};

use crate::child::{self, Plan, Step};
use crate::error::{Error, Result};
use crate::group::Bounds;
use crate::network::Network;
use crate::rights::Rights;
use crate::seccomp::Filter;
use crate::seccomp_notify::{Held, SetIds, Supervisor, Verdict};
use crate::uplink::Uplink;

/// A process to be started.
#[derive(Debug)]
pub struct Process {
    /// The program and its arguments. A name without a slash is looked for on the PATH of its
    /// environment.
    pub words: Vec<String>,
    /// Its environment, in order.
    pub environment: Vec<(String, String)>,
    /// Its root: a mount point, absolute, on which everything but `/proc`, `/sys` and
    /// `/dev/mqueue` is mounted already.
    pub root: PathBuf,
    /// Its working directory, within its root.
    pub directory: Vec<u8>,
    /// Its user.
    pub user: u32,
    /// Its first group.
    pub group: u32,
    /// Its other groups.
    pub groups: Vec<u32>,
    /// What the machine is called.
    pub host_name: String,
    /// The network that it sees.
    pub network: Network,
    /// How many files it may open: what it begins with, and up to which it may raise that.
    pub open_files: (u64, u64),
    /// Where its output and its errors go.
    pub output: OwnedFd,
    /// Whose rights the builder has.
    pub rights: Rights,
    /// What holds it back.
    pub bounds: Bounds,
    /// Where the kernel does not do all that a build may ask for: what is held up, and who answers.
    pub held: Option<Held>,
}

/// How a process has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// It exited with this code.
    Exited(i32),
    /// It was ended by this signal.
    Signalled(i32),
}

impl Ended {
    /// Returns the code that a shell would give it: 128 and the number of the signal.
    pub fn code(self) -> i32 {
        match self {
            Self::Exited(code) => code,
            Self::Signalled(signal) => 128 + signal,
        }
    }
}

/// A process that was started.
#[derive(Debug)]
pub struct Running {
    pid: Pid,
    uplink: Uplink,
    /// Answers its calls.
    supervisor: Option<JoinHandle<Verdict>>,
}

impl Running {
    /// Waits for its end. All that it started has ended with it, and no call that one of them has made is
    /// still being answered. Fails if its network was gone before.
    pub fn wait(self) -> Result<(Ended, Verdict)> {
        let ended = self.end()?;
        let verdict = match self.supervisor {
            None => Verdict::Right,
            // It returns when the last that could make a call is gone.
            Some(supervisor) => supervisor.join().map_err(|_| Error::Start {
                action: "answer the system calls of the process",
                source: io::Error::other("internal error: the thread that does panicked"),
            })?,
        };
        self.uplink.end()?;
        Ok((ended, verdict))
    }

    fn end(&self) -> Result<Ended> {
        loop {
            match rustix::process::waitpid(Some(self.pid), WaitOptions::empty()) {
                Ok(Some((_, status))) => {
                    return Ok(match (status.exit_status(), status.terminating_signal()) {
                        (Some(code), _) => Ended::Exited(code),
                        (None, signal) => Ended::Signalled(signal.unwrap_or_default()),
                    });
                }
                Ok(None) | Err(Errno::INTR) => {}
                Err(errno) => {
                    return Err(Error::Start {
                        action: "wait for the process",
                        source: errno.into(),
                    });
                }
            }
        }
    }
}

impl Process {
    /// Returns the two ends of a pipe: the one to read, and the one for [`output`](Self::output).
    pub fn pipe() -> Result<(io::PipeReader, OwnedFd)> {
        let (read, write) = io::pipe().map_err(|source| Error::Start {
            action: "make a pipe",
            source,
        })?;
        Ok((read, write.into()))
    }

    /// Starts it.
    pub fn start(self) -> Result<Running> {
        let failed = |action| move |source: io::Error| Error::Start { action, source };
        let (errors, report) = sockets().map_err(|errno| failed("make sockets")(errno.into()))?;
        let beyond = self.held.as_ref().map(|held| (held.beyond, held.watch));
        let programs = self.programs().map_err(failed("read the command"))?;
        let words = strings(self.words.iter().map(String::as_bytes));
        let pairs = self.environment.iter();
        let pairs = pairs.map(|(name, value)| format!("{name}={value}").into_bytes());
        let environment = strings(pairs);
        let directory = CString::new(self.directory.as_slice());
        let root = CString::new(self.root.as_os_str().as_bytes());
        let groups = self.bounds.entrances();
        let groups = groups.map_err(failed("enter the control groups"))?;
        let entrances: Vec<_> = groups.iter().map(AsRawFd::as_raw_fd).collect();
        let uplink = Uplink::of(self.network, &self.bounds)?;
        let plan = Plan {
            programs: &programs,
            words: &words.map_err(failed("read the command"))?,
            environment: &environment.map_err(failed("read the environment"))?,
            root: &root.map_err(|error| failed("read the root")(error.into()))?,
            directory: &directory.map_err(|error| failed("read the directory")(error.into()))?,
            user: self.user,
            group: self.group,
            groups: &self.groups,
            host_name: self.host_name.as_bytes(),
            network: self.network,
            namespace: uplink.namespace().map(AsRawFd::as_raw_fd),
            rights: self.rights,
            open_files: self.open_files,
            output: self.output.as_raw_fd(),
            report: report.as_raw_fd(),
            entrances: &entrances,
            filter: &Filter::default_profile(beyond),
            asks: beyond.is_some(),
        };
        // Before it can write to any.
        let set_ids = self.held.as_ref().map(|held| SetIds::of(&held.set_ids));
        let mut set_ids = set_ids
            .transpose()
            .map_err(|errno| failed(WATCH)(errno.into()))?;
        let pid = child::start(&plan).map_err(failed("make a process"))?;
        drop(report);
        let mut running = Running {
            pid,
            uplink,
            supervisor: None,
        };
        loop {
            let mut bytes = [0; 8];
            let told = receive(&errors, &mut bytes).map_err(failed("start the process"))?;
            match (told, self.held.as_ref().zip(set_ids.take())) {
                // The socket was closed by the program's start.
                (Told::Nothing, _) => return Ok(running),
                (Told::Listener(listener), Some((held, set_ids))) => {
                    match Supervisor::start(pid, listener, held.clone(), set_ids) {
                        Ok(supervisor) => running.supervisor = Some(supervisor),
                        Err(source) => {
                            // That it has ended already is as good.
                            let _ = rustix::process::kill_process(pid, Signal::KILL);
                            running.wait()?;
                            return Err(failed("answer its system calls")(source));
                        }
                    }
                }
                (Told::Listener(_), None) => {}
                (Told::Failure, _) => {
                    running.wait()?;
                    return Err(self.failure(&programs, bytes));
                }
            }
        }
    }

    fn failure(&self, programs: &[CString], bytes: [u8; 8]) -> Error {
        let (step, errno) = child::read_report(bytes);
        let source = io::Error::from_raw_os_error(errno);
        let program = self.words.first().cloned().unwrap_or_default();
        match step {
            Step::Execute if source.kind() == io::ErrorKind::NotFound && programs.len() != 1 => {
                Error::NoProgram(program)
            }
            Step::Execute => Error::Execute { program, source },
            Step::User if errno == libc::EINVAL => Error::User {
                user: self.user,
                group: self.group,
                source,
            },
            step => Error::Start {
                action: step.action(),
                source,
            },
        }
    }

    /// Returns the paths at which the program may be.
    fn programs(&self) -> io::Result<Vec<CString>> {
        let program = self.words.first().map(String::as_bytes).unwrap_or_default();
        if program.contains(&b'/') {
            return strings([program]);
        }
        let path = self
            .environment
            .iter()
            .rev()
            .find(|(name, _)| name == "PATH");
        let path = path.map(|(_, path)| path.as_str()).unwrap_or_default();
        let directories = path.split(':');
        let paths = directories.map(|directory| {
            let directory = if directory.is_empty() { "." } else { directory };
            [directory.as_bytes(), b"/", program].concat()
        });
        strings(paths)
    }
}

/// What cannot be done where the kernel does not tell of files that are written to.
const WATCH: &str = "watch the files with the set-user-ID or set-group-ID bit \
                     (sysctl fs.inotify.max_user_instances, fs.inotify.max_user_watches)";

/// Returns two connected sockets, between which messages keep their bounds.
fn sockets() -> Result<(OwnedFd, OwnedFd), Errno> {
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

    socketpair(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        SocketFlags::CLOEXEC,
        None,
    )
}

/// What a process says before it is its program.
enum Told {
    Nothing,
    /// By this the calls are answered that are held up.
    Listener(OwnedFd),
    Failure,
}

fn receive(socket: &OwnedFd, bytes: &mut [u8]) -> io::Result<Told> {
    use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};

    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut buffers = [io::IoSliceMut::new(bytes)];
    let received = recvmsg(socket, &mut buffers, &mut control, RecvFlags::CMSG_CLOEXEC)?;
    let listener = control.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
        _ => None,
    });
    Ok(match (listener, received.bytes) {
        (Some(listener), _) => Told::Listener(listener),
        (None, 0) => Told::Nothing,
        (None, _) => Told::Failure,
    })
}

fn strings(texts: impl IntoIterator<Item = impl AsRef<[u8]>>) -> io::Result<Vec<CString>> {
    let texts = texts.into_iter();
    let texts = texts.map(|text| CString::new(text.as_ref()).map_err(io::Error::from));
    texts.collect()
}
