//! The contract, tried with the Buildah that `STAGEX_BUILDAH` names or that is on PATH.

use std::process::ExitCode;

use backend_buildah::Buildah;

fn main() -> ExitCode {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the whole command line of a test"
    )]
    let program = std::env::var("STAGEX_BUILDAH").ok();
    backend_api::contract::main(Buildah::new(
        program.map(Into::into),
        probe_cache::ProbeCache::none(),
    ))
}
