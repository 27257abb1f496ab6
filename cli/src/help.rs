//! What is said in place of a command: its help, or what is wrong with the command line.

use crate::exit::{ErrorKind, Exit};
use crate::failure::print_text;
use crate::render;

/// Prints the help, where that was asked for, or what is wrong with the command line.
pub(crate) fn explain(error: &clap::Error) -> Exit {
    if error.use_stderr() {
        // What was typed is repeated in it.
        let text = error.render().to_string();
        let message = text.strip_prefix("error: ").unwrap_or(&text).trim_end();
        print_text("error", message);
        return ErrorKind::Usage.into();
    }
    render::written(error.print());
    Exit::Success
}
