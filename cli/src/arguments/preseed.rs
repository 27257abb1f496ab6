//! The options of `stagex preseed`.

use clap::Args;

use super::trust::Whom;

const PRESEED: &str = "\
Examples:
  stagex preseed core-rust                 pull it and all that it needs, as far as enough people have signed that
  stagex preseed --needed core-rust        only what it needs: `stagex make core-rust` then builds it alone
  stagex preseed --dry-run                 who has signed what, and what would have to be built

What is taken has the recorded digest, and is verified as `stagex verify` says. `stagex make` then treats it as up to
date as long as the tree has the files that it has now. It was not reproduced here, and `stagex sign` does not sign it.";

#[derive(Debug, Args)]
#[command(after_help = PRESEED)]
pub(crate) struct Preseed {
    /// The packages, as for make, with all that they need. Default: all.
    #[arg(value_name = "TARGET")]
    pub(crate) targets: Vec<String>,

    /// Take only what the packages need, and not themselves.
    #[arg(long)]
    pub(crate) needed: bool,

    /// Say what would be taken, and take nothing.
    #[arg(short = 'n', long)]
    pub(crate) dry_run: bool,

    /// Where the images of packages are: HOST[:PORT][/NAME]. May be given more than once.
    #[arg(long, value_name = "REGISTRY", value_parser = super::registry, default_value = super::PUBLISHED)]
    pub(crate) from: Vec<registry::Repository>,

    #[command(flatten)]
    pub(crate) whom: Whom,
}
