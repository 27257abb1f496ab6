//! How Podman is called. Runs nothing.

use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use containers_build::{Place, Tool};
use process::Invocation;

/// How long a program that only has to print its version may take.
const VERSION_LIMIT: Duration = Duration::from_secs(10);

/// Prepares to ask for the version; [`parse::versions`](crate::parse::versions) reads the answer, which
/// also says whether a service gave it.
pub(crate) fn version(program: &Utf8Path) -> Invocation {
    Invocation::new(program)
        .arguments(["version", "--format", "json"])
        .time_limit(VERSION_LIMIT)
}

/// Returns how the shared builder is reached.
pub(crate) fn tool(program: Utf8PathBuf, place: Place) -> Tool {
    Tool {
        program,
        global_arguments: match place {
            Place::Here => &["--remote=false"],
            Place::Elsewhere => &["--remote"],
        },
        push_arguments: &[],
        inspect_arguments: &[
            "image",
            "inspect",
            "--format",
            "{{.Id}} {{.Digest}} {{range .RepoDigests}}{{.}} {{end}}",
        ],
        // Each command would say it again.
        variables: &[("PODMAN_IGNORE_CGROUPSV1_WARNING", "1")],
    }
}
