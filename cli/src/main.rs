//! The `stagex` program: reads the command line, runs one command, and exits with its code.

mod arguments;
mod command;
mod environment;
mod exit;
mod failure;
mod render;
mod variables;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    let mut arguments = arguments::Arguments::parse();
    render::log(arguments.global.verbose);
    match variables::apply(&mut arguments).and_then(|()| command::run(arguments)) {
        Ok(outcome) => outcome.into(),
        Err(failure) => {
            failure.print();
            failure.exit().into()
        }
    }
}
