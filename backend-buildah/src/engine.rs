//! What Buildah says of itself to the shared backend.

use camino::{Utf8Path, Utf8PathBuf};
use containers_build::{Engine, EngineBackend, Features, Place, Tool, Versions};
use process::Invocation;

use crate::{command, parse};

/// Buildah, driven by command line.
pub type Buildah = EngineBackend<Own>;

/// What is Buildah's own.
#[derive(Debug)]
pub struct Own;

impl Engine for Own {
    const ID: &'static str = "buildah";
    const PACKAGES: &'static str = "buildah runc";
    const FEATURES: Features = Features {
        // The oldest that was tried.
        oldest: (1, 28),
        run_network: (1, 30),
        // The first that was tried.
        confined_mounts: (1, 39),
    };

    fn version(program: &Utf8Path) -> Invocation {
        command::version(program)
    }

    fn versions(answer: &[u8]) -> Option<Versions> {
        parse::versions(answer)
    }

    fn tool(program: Utf8PathBuf, _: Place) -> Tool {
        // It builds where it is called, and nowhere else.
        command::tool(program)
    }
}
