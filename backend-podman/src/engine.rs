//! What Podman says of itself to the shared backend.

use camino::{Utf8Path, Utf8PathBuf};
use containers_build::{Engine, EngineBackend, Features, Place, Tool, Versions};
use process::Invocation;

use crate::{command, parse};

/// Podman, driven by command line.
pub type Podman = EngineBackend<Own>;

/// What is Podman's own.
#[derive(Debug)]
pub struct Own;

impl Engine for Own {
    const ID: &'static str = "podman";
    const PACKAGES: &'static str = "podman runc";
    const FEATURES: Features = Features {
        // The oldest that was tried.
        oldest: (4, 3),
        run_network: (4, 5),
        // The first that was tried.
        confined_mounts: (5, 4),
    };

    fn version(program: &Utf8Path) -> Invocation {
        command::version(program)
    }

    fn versions(answer: &[u8]) -> Option<Versions> {
        parse::versions(answer)
    }

    fn is_unreachable(stderr: &str) -> bool {
        parse::is_unreachable(stderr)
    }

    fn tool(program: Utf8PathBuf, place: Place) -> Tool {
        command::tool(program, place)
    }
}
