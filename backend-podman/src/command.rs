//! How Podman is called. Runs nothing.

use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use containers_build::Tool;
use process::Invocation;

/// How long a program that only has to print its version may take.
const VERSION_LIMIT: Duration = Duration::from_secs(10);

/// What comes before every subcommand: a service elsewhere, which `CONTAINER_HOST` may name, sees
/// other folders than the caller.
const LOCAL: &[&str] = &["--remote=false"];

/// Prepares to ask for the version; [`parse::version`](crate::parse::version) reads the answer.
pub(crate) fn version(program: &Utf8Path) -> Invocation {
    Invocation::new(program)
        .arguments(LOCAL)
        .arguments(["version", "--format", "json"])
        .time_limit(VERSION_LIMIT)
}

/// Returns how the shared builder is reached.
pub(crate) fn tool(program: Utf8PathBuf) -> Tool {
    Tool {
        program,
        global_arguments: LOCAL,
        push_arguments: &[],
        // Each command would say it again.
        variables: &[("PODMAN_IGNORE_CGROUPSV1_WARNING", "1")],
    }
}
