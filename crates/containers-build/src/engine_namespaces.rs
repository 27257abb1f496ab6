//! Namespaces around the engine itself, so that whatever it starts and mounts ends with it.
//!
//! An engine that is told to end in the middle of a RUN may leave the RUN's processes alive (the
//! OCI runtime gives them a session of their own) and its file systems mounted. In a process and
//! a mount namespace of its own both are gone with the engine, and its files can be deleted.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};

use camino::Utf8PathBuf;
use process::{Environment, Invocation};

use crate::tool::Tool;

/// How the engine itself is started.
#[derive(Debug, Clone)]
pub(crate) struct EngineNamespaces {
    /// The program that makes namespaces; `None` where the user is not root and the engine
    /// makes a user namespace for itself.
    unshare: Option<Utf8PathBuf>,
}

/// Whether a program sees the machine's network interfaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Interfaces {
    /// It does.
    Machine,
    /// It sees a loopback interface that is down, and nothing else.
    None,
}

impl EngineNamespaces {
    /// Finds what is needed to make namespaces as this user.
    pub(crate) fn find() -> Result<Self, process::Error> {
        let unshare = if rustix::process::geteuid().is_root() {
            Some(process::find("unshare".into())?)
        } else {
            None
        };
        Ok(Self { unshare })
    }

    /// Tells whether the engine runs as root.
    pub(crate) fn is_root(&self) -> bool {
        self.unshare.is_some()
    }

    /// Prepares a run of `tool`; its subcommand is still to be added.
    pub(crate) fn invocation(&self, tool: &Tool, interfaces: Interfaces) -> Invocation {
        let network: &[&str] = match interfaces {
            Interfaces::Machine => &[],
            Interfaces::None => &["--net"],
        };
        let invocation = match &self.unshare {
            Some(unshare) => Invocation::new(unshare)
                .arguments(["--pid", "--fork", "--kill-child", "--mount-proc"])
                .arguments(network)
                .argument(&tool.program),
            // Only inside of the engine's own user namespace may the user take the network away.
            None if interfaces == Interfaces::None => Invocation::new(&tool.program)
                .arguments(["unshare", "unshare"])
                .arguments(network)
                .argument(&tool.program),
            None => Invocation::new(&tool.program),
        };
        let invocation = self.in_runtime_directory(invocation);
        tool.variables
            .iter()
            .fold(invocation, |invocation, (name, value)| {
                invocation.variable(name, value)
            })
            .arguments(tool.global_arguments)
    }

    /// Prepares the removal of directories with files of an engine's users: files of a RUN may belong
    /// to users that only the engine's user namespace can be.
    pub(crate) fn removal(&self, tool: &Tool, directories: &[Utf8PathBuf]) -> Invocation {
        let invocation = if self.is_root() {
            Invocation::new("rm".into())
        } else {
            let invocation = Invocation::new(&tool.program).arguments(["unshare", "rm"]);
            self.in_runtime_directory(invocation)
        };
        invocation.arguments(["-rf", "--"]).arguments(directories)
    }

    /// Has the engine of an ordinary user keep its namespaces where it does by itself.
    ///
    /// Podman starts a process that holds them, one for each runtime directory, and never ends it. Without
    /// `XDG_RUNTIME_DIR` that directory is in TMPDIR, which belongs to one build: each would leave a process.
    fn in_runtime_directory(&self, invocation: Invocation) -> Invocation {
        let environment = Environment::pinned();
        if self.is_root() || environment.iter().any(|(name, _)| name == RUNTIME) {
            return invocation;
        }
        match runtime_directory() {
            Some(directory) => invocation.variable(RUNTIME, directory.as_str()),
            None => invocation,
        }
    }
}

/// The variable that names the directory of a user's sockets and locks.
const RUNTIME: &str = "XDG_RUNTIME_DIR";

/// Returns the directory that Podman takes for that where nobody names one, if it is this user's alone.
fn runtime_directory() -> Option<Utf8PathBuf> {
    let user = rustix::process::geteuid().as_raw();
    let parent = Utf8PathBuf::from_path_buf(std::env::temp_dir()).ok()?;
    let directory = parent.join(format!("podman-run-{user}"));
    let _ = DirBuilder::new().mode(0o700).create(&directory);
    let metadata = fs::symlink_metadata(&directory).ok()?;
    let ours = metadata.is_dir() && metadata.uid() == user && metadata.mode() & 0o777 == 0o700;
    ours.then_some(directory)
}
