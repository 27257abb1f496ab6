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
mod fetch;
mod graph;
mod hermetic;
mod ledger;
mod make;
mod proof;
mod reproduce;
mod runtimes;
mod supply;
mod tree;

use crate::arguments::{Arguments, Command};
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;

/// Runs the command that was asked for.
pub(crate) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let context = || Context::new(arguments);
    match &arguments.command {
        Command::Make(make) => make::run(&context()?, make),
        Command::Fetch(fetch) => fetch::run(&context()?, fetch),
        Command::Build(build) => build::run(&context()?, build),
        Command::Digests(digests) => digests::run(&context()?, digests),
        Command::Reproduce(reproduce) => reproduce::run(&context()?, reproduce),
        Command::Report(report) => proof::report(&context()?, report),
        Command::Attest(attest) => proof::attest(&context()?, attest),
        Command::Sbom(sbom) => proof::sbom(&context()?, sbom),
        Command::Ledger(ledger) => ledger::run(&context()?, ledger),
        Command::Check(check) => check::run(&context()?, check),
        Command::Graph(graph) => graph::run(&context()?, graph),
        Command::Clean(clean) => clean::run(&context()?, clean),
        Command::Conformance(conformance) => conformance::run(&context()?, conformance),
        Command::Runtimes => runtimes::run(&context()?),
        Command::Config => Ok(config::run(&context()?)),
        Command::Completions(completions) => Ok(completions::run(completions)),
        Command::Manual(manual) => completions::manual(&arguments.global.directory, manual),
    }
}
