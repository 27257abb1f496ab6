//! One file for each command. A command reads its arguments, asks the libraries, and renders
//! what they answer.

mod after;
mod bases;
mod build;
mod canon;
mod check;
mod clean;
mod completions;
mod config;
mod conformance;
mod diff;
mod digests;
mod evidence;
mod fetch;
mod generated;
mod graph;
mod hermetic;
mod image;
mod import;
mod ledger;
mod make;
mod preseed;
mod proof;
mod publish;
mod pull;
mod refused;
mod release;
mod remote;
mod reproduce;
mod runtimes;
mod sign;
mod supply;
mod tree;
mod trust;

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
        Command::Sign(sign) => sign::run(&context()?, sign),
        Command::Publish(publish) => publish::run(&context()?, publish),
        Command::Release(release) => release::run(&context()?, release),
        Command::Pull(pull) => pull::run(&context()?, pull),
        Command::Preseed(preseed) => preseed::run(&context()?, preseed),
        Command::Import(import) => import::run(&context()?, import),
        Command::Diff(arguments) => diff::run(&context()?, arguments),
        Command::Report(report) => proof::report(&context()?, report),
        Command::Attest(attest) => proof::attest(&context()?, attest),
        Command::Sbom(sbom) => proof::sbom(&context()?, sbom),
        Command::Ledger(ledger) => ledger::run(&context()?, ledger),
        Command::Verify(verify) => trust::verify(&context()?, verify),
        Command::Keys(keys) => trust::keys(&context()?, keys),
        Command::Canon(canon) => canon::run(&context()?, canon),
        Command::Explain(explain) => canon::explain(&context()?, explain),
        Command::Check(check) => check::run(&context()?, check),
        Command::Graph(graph) => graph::run(&context()?, graph),
        Command::Clean(clean) => clean::run(&context()?, clean),
        Command::Conformance(generated) if generated.is_generated() => {
            generated::run(&context()?, generated)
        }
        Command::Conformance(conformance) => conformance::run(&context()?, conformance),
        Command::Runtimes => runtimes::run(&context()?),
        Command::Config => Ok(config::run(&context()?)),
        Command::Completions(completions) => Ok(completions::run(completions)),
        Command::RemoteWorker => remote::worker(&context()?),
        Command::Manual(manual) => completions::manual(&arguments.global.directory, manual),
    }
}
