//! A program that connects a network of a build's own with the machine's, in user mode.
//!
//! There are two that systems have. What they are told is that the machine's own addresses are
//! none of the build's, and they shut themselves off: a file system with nothing in it, no rights,
//! few system calls. They are this builder's processes, and so end with it.

#![expect(
    clippy::disallowed_types,
    reason = "the builder is no asynchronous program, and these processes are its own"
)]

use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};

use crate::error::{Error, Result};
use crate::group::Bounds;
use crate::network::{GATEWAY, INTERFACE, Network, UserNetwork};
use crate::network_namespace;

/// What is given to a process: an address, the machine that answers questions of names, and how long
/// packets are.
const ADDRESS: [u8; 4] = [10, 0, 2, 100];
const RESOLVER: [u8; 4] = [10, 0, 2, 3];
const LONGEST: &str = "65520";

/// How long a program may take to begin.
const PATIENCE: Duration = Duration::from_secs(60);

impl UserNetwork {
    const ALL: [Self; 2] = [Self::Pasta, Self::Slirp4netns];

    /// Finds the first one that works here, by starting each.
    ///
    /// # Errors
    ///
    /// What is wrong with each.
    pub fn find(bounds: &Bounds) -> Result<Self, String> {
        let mut wrong = Vec::new();
        for each in Self::ALL {
            match Uplink::of(Network::User(each), bounds).and_then(Uplink::end) {
                Ok(()) => return Ok(each),
                Err(error) => wrong.push(error.to_string()),
            }
        }
        Err(wrong.join("; "))
    }

    /// Returns the program's name.
    pub fn program(self) -> &'static str {
        match self {
            Self::Pasta => "pasta",
            Self::Slirp4netns => "slirp4netns",
        }
    }

    /// Returns the address of the machine that is asked for names: one that asks those that this one
    /// would ask.
    pub fn resolver(self) -> String {
        dotted(RESOLVER)
    }

    /// Returns what it is told, to serve the namespace that is its standard input: no path of the
    /// builder's own descriptors is open to who gives rights up. It writes something to its standard
    /// output when it is ready.
    fn arguments(self) -> Vec<String> {
        const NAMESPACE: &str = "/proc/self/fd/0";

        let words: &[&str] = match self {
            Self::Slirp4netns => &[
                "--configure",
                "--mtu",
                LONGEST,
                "--disable-host-loopback",
                "--enable-sandbox",
                "--enable-seccomp",
                "--ready-fd=1",
                "--netns-type=path",
            ],
            Self::Pasta => &[
                "--foreground",
                "--pid",
                "/proc/self/fd/1",
                // Root of the builder's own namespace, which it otherwise would not stay.
                "--runas",
                "0:0",
                // Nothing here can be reached from outside, and nothing outside by an address of here.
                "--tcp-ports",
                "none",
                "--udp-ports",
                "none",
                "--tcp-ns",
                "none",
                "--udp-ns",
                "none",
                "--no-map-gw",
                // It ends when it is told to.
                "--no-netns-quit",
                "--ipv4-only",
                "--no-dhcp",
                "--config-net",
                "--ns-ifname",
                INTERFACE,
                "--mtu",
                LONGEST,
                "--netmask",
                "24",
            ],
        };
        let mut words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        match self {
            Self::Slirp4netns => words.extend([NAMESPACE, INTERFACE].map(str::to_owned)),
            Self::Pasta => {
                for (name, value) in [
                    ("--address", ADDRESS),
                    ("--gateway", GATEWAY),
                    ("--dns-forward", RESOLVER),
                ] {
                    words.extend([name.to_owned(), dotted(value)]);
                }
                words.extend(["--netns", NAMESPACE].map(str::to_owned));
            }
        }
        words
    }
}

fn dotted(address: [u8; 4]) -> String {
    std::net::Ipv4Addr::from(address).to_string()
}

/// A network that was made for a process, and the program behind it.
#[derive(Debug)]
pub(crate) struct Uplink {
    namespace: Option<OwnedFd>,
    program: Option<Program>,
}

#[derive(Debug)]
struct Program {
    name: &'static str,
    child: Child,
    /// Kept open: whoever writes to what nobody can read is ended.
    output: Option<ChildStdout>,
    said: Option<JoinHandle<String>>,
}

impl Uplink {
    /// Makes a network.
    pub(crate) fn of(network: Network, bounds: &Bounds) -> Result<Self> {
        let namespace = network_namespace::namespace(network)?;
        let program = match (network, &namespace) {
            (Network::User(kind), Some(namespace)) => {
                Some(Program::start(kind, namespace, bounds)?)
            }
            _ => None,
        };
        Ok(Self { namespace, program })
    }

    /// Returns the namespace; nothing where it is the builder's own.
    pub(crate) fn namespace(&self) -> Option<&OwnedFd> {
        self.namespace.as_ref()
    }

    /// Takes the network away. Fails if the program has ended before.
    pub(crate) fn end(self) -> Result<()> {
        match self.program {
            Some(program) => program.end(),
            None => Ok(()),
        }
    }
}

impl Program {
    fn start(kind: UserNetwork, namespace: &OwnedFd, bounds: &Bounds) -> Result<Self> {
        let name = kind.program();
        let failed = |source| Error::Network {
            program: name,
            source,
        };
        let mut child = Command::new(name)
            .args(kind.arguments())
            .stdin(namespace.try_clone().map_err(failed)?)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| match error.kind() {
                io::ErrorKind::NotFound => failed(io::Error::new(error.kind(), "it was not found")),
                _ => failed(error),
            })?;
        let (output, errors) = (child.stdout.take(), child.stderr.take());
        let mut program = Self {
            name,
            child,
            output,
            said: None,
        };
        let begun = || -> io::Result<bool> {
            // What it needs is what the build needs.
            bounds.take_in(program.child.id())?;
            let said = std::thread::Builder::new().spawn(|| beginning(errors));
            program.said = Some(said?);
            if !program.output.as_mut().map_or(Ok(false), is_ready)? {
                return Ok(false);
            }
            // One of them says so a moment before it has the interface.
            let begin = Instant::now();
            while !network_namespace::guard(program.child.id())? {
                if program.child.try_wait()?.is_some() {
                    return Ok(false);
                }
                if begin.elapsed() > PATIENCE {
                    return Err(io::ErrorKind::TimedOut.into());
                }
                std::thread::sleep(Duration::from_millis(1));
            }
            Ok(true)
        };
        match begun() {
            Ok(true) => Ok(program),
            Ok(false) => Err(program.failure("it cannot begin")),
            Err(error) => Err(failed(error)),
        }
    }

    fn end(mut self) -> Result<()> {
        let ended = self.child.try_wait();
        match ended {
            Ok(None) => Ok(()),
            _ => Err(self.failure("it ended before the RUN did")),
        }
        // It ends when it is dropped.
    }

    /// Returns why it has ended by itself, in its own words.
    fn failure(mut self, what: &str) -> Error {
        self.stop();
        let said = self.said.take().and_then(|said| said.join().ok());
        let said = said.unwrap_or_default();
        // Without a log of the system's, some say after each line that there is none.
        let lines = said.lines().rev().map(str::trim);
        let mut lines =
            lines.filter(|line| !line.is_empty() && !line.starts_with("Failed to send"));
        let last = lines.next();
        let last = last.map_or(what.to_owned(), |last| format!("{what}: {last}"));
        Error::Network {
            program: self.name,
            source: io::Error::other(last),
        }
    }

    fn stop(&mut self) {
        // That it has ended already is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Waits until a program says that it is ready. It has ended if it says nothing.
fn is_ready(output: &mut ChildStdout) -> io::Result<bool> {
    let mut ready = [PollFd::new(&*output, PollFlags::IN)];
    let limit = Timespec::try_from(PATIENCE).map_err(io::Error::other)?;
    loop {
        match rustix::event::poll(&mut ready, Some(&limit)) {
            Ok(0) => return Err(io::ErrorKind::TimedOut.into()),
            Ok(_) => break,
            Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(output.read(&mut [0])? > 0)
}

/// Reads all that a program says, and returns the beginning.
fn beginning(errors: Option<impl Read>) -> String {
    const KEPT: usize = 4096;

    let (mut kept, mut bytes) = (Vec::new(), [0; 1024]);
    if let Some(mut errors) = errors {
        loop {
            match errors.read(&mut bytes) {
                Ok(count @ 1..) => {
                    let more = &bytes[..count.min(KEPT - kept.len())];
                    kept.extend_from_slice(more);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(0) | Err(_) => break,
            }
        }
    }
    String::from_utf8_lossy(&kept).into_owned()
}
