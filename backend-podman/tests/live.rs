//! The contract, tried with the Podman that `STAGEX_PODMAN` names or that is on PATH.

use std::process::ExitCode;

use backend_podman::Podman;

fn main() -> ExitCode {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the whole command line of a test"
    )]
    let program = std::env::var("STAGEX_PODMAN").ok();
    backend_api::contract::main(Podman::new(
        program.map(Into::into),
        probe_cache::ProbeCache::none(),
    ))
}
