//! How Buildah is called. Runs nothing.

use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use containers_build::Tool;
use process::Invocation;

/// How long a program that only has to print its version may take.
const VERSION_LIMIT: Duration = Duration::from_secs(10);

/// Prepares to ask for the version; [`parse::versions`](crate::parse::versions) reads the answer.
pub(crate) fn version(program: &Utf8Path) -> Invocation {
    Invocation::new(program)
        .arguments(["version", "--json"])
        .time_limit(VERSION_LIMIT)
}

/// Returns how the shared builder is reached.
pub(crate) fn tool(program: Utf8PathBuf) -> Tool {
    Tool {
        program,
        global_arguments: &[],
        // Without it, layers are compressed on the way.
        push_arguments: &["--disable-compression"],
        inspect_arguments: &[
            "inspect",
            "--type",
            "image",
            "--format",
            "{{.FromImageID}} {{.FromImageDigest}}",
        ],
        variables: &[],
    }
}
