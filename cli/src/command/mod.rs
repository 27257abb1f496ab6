//! One file for each command. A command reads its arguments, asks the libraries, and renders
//! what they answer.

mod after;
mod build;
mod check;
mod clean;
mod completions;
mod config;
mod conformance;
mod digests;
pub(crate) mod interruption;
mod make;
mod runtimes;
mod tree;

use std::time::Duration;

use crate::arguments::{Arguments, Command};
use crate::context::Context;
use crate::exit::{ErrorKind, Exit};
use crate::failure::Failure;

/// Runs the command that was asked for.
pub(crate) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let context = || Context::new(arguments);
    match &arguments.command {
        Command::Make(make) => make::run(&context()?, make),
        Command::Build(build) => build::run(&context()?, build),
        Command::Digests(digests) => digests::run(&context()?, digests),
        Command::Check(check) => check::run(&context()?, check),
        Command::Clean(clean) => clean::run(&context()?, clean),
        Command::Conformance(conformance) => conformance::run(&context()?, conformance),
        Command::Runtimes => runtimes::run(&context()?),
        Command::Config => Ok(config::run(&context()?)),
        Command::Completions(completions) => Ok(completions::run(completions)),
        Command::Manual(manual) => completions::manual(&arguments.global.directory, manual),
    }
}

/// How long ended builds may take to clean up.
const CLEANING_UP: Duration = Duration::from_secs(15);

/// How long a thread that has nothing to do is kept.
const FOR_EVER: Duration = Duration::from_secs(1 << 30);

/// Runs a future to its end, with all cores for blocking work. What it gave up on the way has then
/// been cleaned up.
fn block_on<T>(future: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_keep_alive(FOR_EVER)
        .build()
        .map_err(|error| Failure::new(ErrorKind::Environment, &error, None))?;
    // Work that blocks waits for a thread that has begun, where the system starts no further one: so there is one.
    drop(runtime.spawn_blocking(|| ()));
    let result = runtime.block_on(future);
    runtime.shutdown_background();
    process::wait_for_ended_groups(CLEANING_UP);
    result
}
