//! The `stagex` program: reads the command line, runs one command, and exits with its code.

mod arguments;
mod clock;
mod command;
mod context;
mod docker;
mod environment;
mod exit;
mod failure;
mod help;
mod not_taken;
mod options;
mod output;
mod place;
mod render;
mod settings;
mod threads;
mod variables;
mod wait;

use std::process::ExitCode;

use clap::Parser as _;

use arguments::Arguments;
use exit::Exit;
use failure::Failure;

fn main() -> ExitCode {
    let exit = run().unwrap_or_else(|failure| tell(&failure));
    let lost = render::lost().map(Failure::from);
    match (exit, lost.as_ref().map(tell)) {
        (Exit::Success, Some(lost)) => lost.into(),
        _ => exit.into(),
    }
}

/// Prints what failed, and returns how the program ends for that.
fn tell(failure: &Failure) -> Exit {
    failure.print();
    failure.exit()
}

fn run() -> Result<Exit, Failure> {
    let mut arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            return not_taken::refused(&error).map_or_else(|| Ok(help::explain(&error)), Err);
        }
    };
    threads::require()?;
    render::log(arguments.global.verbose);
    variables::apply(&mut arguments)?;
    command::run(&arguments)
}
