//! Namespaces around the engine itself, so that whatever it starts and mounts ends with it.
//!
//! An engine that is told to end in the middle of a RUN may leave the RUN's processes alive (the
//! OCI runtime gives them a session of their own) and its file systems mounted. In a process and
//! a mount namespace of its own both are gone with the engine, and its files can be deleted.

use camino::Utf8PathBuf;
use process::Invocation;

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
            Invocation::new(&tool.program).arguments(["unshare", "rm"])
        };
        invocation.arguments(["-rf", "--"]).arguments(directories)
    }
}
