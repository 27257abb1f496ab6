//! The options of `stagex release`.

use camino::Utf8PathBuf;
use clap::Args;
use trust::ReleaseNumber;

use super::conformance::{Column, column};
use super::pull::registry;
use super::trust::Whom;

const RELEASE: &str = "\
Examples:
  stagex release                                which steps of the next release are done, and how to do the next one
  stagex release 2026.03.0 --to quay.io/stagex  with its number, up to a registry that has all of it
  stagex release --run                          do what a machine may do: download, reproduce, write the report
  stagex release --run --dry-run                say what --run would do

Every run looks at what is really there: git, digests/, the ledger, signatures, registries. It keeps nothing, so a release goes
on with the same command, also on another machine. It never signs, tags, pushes or publishes: it prints the
commands. docs/release.md is the guide.

Exit codes: 0 if every step is done; otherwise that of the first one that is not: 1 if a source cannot be had, 3 if `check`
finds errors, 6 if a digest differs or is not recorded, 5 if a registry fails, and 8 for everything else.";

#[derive(Debug, Args)]
#[command(after_help = RELEASE)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one independent flag"
)]
pub(crate) struct Release {
    /// The number of the release: YYYY.MM.N. Default: that of a signed tag of what is checked out, or the next one of this
    /// month.
    #[arg(value_name = "VERSION", value_parser = number)]
    pub(crate) number: Option<ReleaseNumber>,

    /// A registry that is to have all of it: HOST[:PORT][/NAME], below which each package has a repository. May be given more
    /// than once. It is only read.
    #[arg(long = "to", value_name = "REGISTRY", value_parser = registry)]
    pub(crate) to: Vec<registry::Repository>,

    /// The directory of a report that is to be written: as for `stagex report --signed`.
    #[arg(long, value_name = "DIR")]
    pub(crate) report: Option<Utf8PathBuf>,

    /// Verify the changes since this commit. Default: since the last signed release before what is checked out, or all.
    #[arg(long, value_name = "COMMIT")]
    pub(crate) since: Option<String>,

    /// What is checked out merges a branch on which changes are merged, such as StageX's `staging`: who has merged a change
    /// there counts as well. Only say so of a branch to which nobody can push alone.
    #[arg(long)]
    pub(crate) staging: bool,

    /// Do the steps that a machine may do: download sources, reproduce packages, write the report.
    #[arg(long)]
    pub(crate) run: bool,

    /// Say what --run would do, and do nothing.
    #[arg(short = 'n', long)]
    pub(crate) dry_run: bool,

    /// With --run: the runtimes that reproduce packages, as for reproduce. Default: the one that make uses.
    #[arg(
        long,
        value_name = "LABEL[=PROGRAM]",
        value_parser = column,
        value_delimiter = ',',
        conflicts_with = "runtime"
    )]
    pub(crate) runtimes: Vec<Column>,

    /// Reach no network: registries cannot be asked, and sources have to be here. Also set by `STAGEX_OFFLINE=1`.
    #[arg(long)]
    pub(crate) offline: bool,

    #[command(flatten)]
    pub(crate) whom: Whom,
}

fn number(text: &str) -> Result<ReleaseNumber, String> {
    let number = text.parse::<ReleaseNumber>().ok();
    let number = number.filter(|number| number.dated().is_some());
    number.ok_or_else(|| "expected YYYY.MM.N, such as 2026.03.0".to_owned())
}
