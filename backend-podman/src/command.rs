//! How Podman is called. Runs nothing.

use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use containers_build::Tool;
use process::Invocation;

/// How long a program that only has to print its version may take.
const VERSION_LIMIT: Duration = Duration::from_secs(10);

/// Where Podman builds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Where it is called, in stores of our own.
    Local,
    /// Where a service is that the user's environment or configuration names.
    Remote,
}

impl Mode {
    /// Returns what comes before every subcommand.
    fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::Local => &["--remote=false"],
            Self::Remote => &["--remote"],
        }
    }
}

/// Prepares to ask for the version; [`parse::version`](crate::parse::version) reads the answer, which
/// also says whether a service gave it.
pub(crate) fn version(program: &Utf8Path) -> Invocation {
    Invocation::new(program)
        .arguments(["version", "--format", "json"])
        .time_limit(VERSION_LIMIT)
}

/// Returns how the shared builder is reached.
pub(crate) fn tool(program: Utf8PathBuf, mode: Mode) -> Tool {
    Tool {
        program,
        global_arguments: mode.arguments(),
        push_arguments: &[],
        // Each command would say it again.
        variables: &[("PODMAN_IGNORE_CGROUPSV1_WARNING", "1")],
    }
}
