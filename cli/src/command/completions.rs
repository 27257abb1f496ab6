//! `stagex completions` and `stagex manual`: what packagers install beside the program.

use std::io;

use clap::CommandFactory as _;

use crate::arguments::{Arguments, Completions, Manual};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::render;

/// Prints what completes the command line in a shell.
pub(super) fn run(arguments: &Completions) -> Exit {
    let mut text = Vec::new();
    let mut command = Arguments::command();
    clap_complete::generate(arguments.shell, &mut command, "stagex", &mut text);
    render::result(&String::from_utf8_lossy(&text));
    Exit::Success
}

/// Writes a page for the program, and one for each of its commands.
pub(super) fn manual(arguments: &Manual) -> Result<Exit, Failure> {
    let pages = || -> io::Result<()> {
        std::fs::create_dir_all(&arguments.folder)?;
        clap_mangen::generate_to(Arguments::command(), &arguments.folder)
    };
    pages().map_err(|error| {
        let message = format!("cannot write pages to {}: {error}", arguments.folder);
        Failure::of(Exit::Environment, [(message, None)])
    })?;
    Ok(Exit::Success)
}
