//! The contract, tried with the Docker that `STAGEX_DOCKER` names or that is on PATH.

use std::process::ExitCode;

use backend_docker::Docker;

fn main() -> ExitCode {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the whole command line of a test"
    )]
    let program = std::env::var("STAGEX_DOCKER").ok();
    let program = program.map(Into::into);
    backend_api::contract::main(Docker::new(program, probe_cache::ProbeCache::none()))
}
