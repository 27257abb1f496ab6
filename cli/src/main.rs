//! The `stagex` program: reads the command line, runs one command, and exits with its code.

mod arguments;
mod command;
mod docker;
mod environment;
mod exit;
mod failure;
mod output;
mod render;
mod settings;
mod targets;
mod variables;

use std::process::ExitCode;

use clap::Parser as _;

use arguments::Arguments;
use exit::Exit;
use failure::Failure;

fn main() -> ExitCode {
    match run() {
        Ok(outcome) => outcome.into(),
        Err(failure) => {
            failure.print();
            failure.exit().into()
        }
    }
}

fn run() -> Result<Exit, Failure> {
    let mut arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return Err(docker::refused(&error).unwrap_or_else(|| error.exit())),
    };
    render::log(arguments.global.verbose);
    variables::apply(&mut arguments)?;
    settings::apply(&mut arguments)?;
    command::run(&arguments)
}
