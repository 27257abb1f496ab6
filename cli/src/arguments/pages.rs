//! The options of `stagex completions` and `stagex manual`.

use camino::Utf8PathBuf;
use clap::Args;

const COMPLETIONS: &str = "\
Examples:
  stagex completions bash > /usr/share/bash-completion/completions/stagex
  stagex completions zsh > /usr/share/zsh/vendor-completions/_stagex
  stagex completions fish > ~/.config/fish/completions/stagex.fish";

#[derive(Debug, Args)]
#[command(after_help = COMPLETIONS)]
pub(crate) struct Completions {
    /// The shell.
    #[arg(value_enum)]
    pub(crate) shell: clap_complete::Shell,
}

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  stagex manual /usr/local/share/man/man1")]
pub(crate) struct Manual {
    /// Write a page for each command to this directory.
    // No field is called as an option of all commands is: it would have that one's value.
    #[arg(value_name = "DIR")]
    pub(crate) pages: Utf8PathBuf,
}
