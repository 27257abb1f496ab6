//! `stagex completions` and `stagex manual`: what packagers install beside the program.

use std::io;

use beneath::Directory;
use camino::Utf8Path;
use clap::CommandFactory as _;

use crate::arguments::{Arguments, Completions, Manual};
use crate::exit::{ErrorKind, Exit};
use crate::failure::Failure;
use crate::place;
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
pub(super) fn manual(tree: &Utf8Path, arguments: &Manual) -> Result<Exit, Failure> {
    let directory = place::directory(tree, &arguments.pages)?;
    // What has the name of a page is replaced, and not written into.
    let pages = || -> io::Result<()> {
        let temporary = tempfile::tempdir()?;
        clap_mangen::generate_to(Arguments::command(), &temporary)?;
        let written = Directory::open(Utf8Path::from_path(temporary.path()).unwrap_or("".into()))?;
        for page in written.entries()? {
            let name = Utf8Path::new(&page.name);
            directory.write(name, &written.read(name, beneath::TEXT)?)?;
        }
        Ok(())
    };
    pages().map_err(|error| {
        let message = format!("cannot write pages to {}: {error}", arguments.pages);
        Failure::of(ErrorKind::Environment, [(message, None)])
    })?;
    Ok(Exit::Success)
}
