//! The contract, tried with what this system allows.

use std::process::ExitCode;

use backend_native::Native;

fn main() -> ExitCode {
    backend_api::contract::main(Native::new(None, probe_cache::ProbeCache::none()))
}
