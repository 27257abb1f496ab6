//! The options of `stagex conformance`.

use camino::Utf8PathBuf;
use clap::Args;
use conformance::Label;

const CONFORMANCE: &str = "\
Examples:
  stagex conformance                               every case on every runtime that is ready
  stagex conformance --case hard-link              the cases with this text in their names
  stagex conformance --column podman --column docker@trixie=/opt/trixie/docker
  stagex conformance --tree . core-musl            a tree's packages instead of the cases
  stagex conformance --report report               write a page to report/index.html
  stagex conformance --generate 1000               1000 inputs made by chance, instead of the cases
  stagex conformance --seconds 600 --seed 7 --column native --oracle /opt/docker
                                                   as many as there is time for
  stagex conformance --again DIR                   one of those that differ once more

A cell of the matrix holds, differs as listed, fails, or cannot run here. Only failing cells make
the command fail. A column that is named must be ready.

With --generate or --seconds, Containerfiles with their contexts are made from a grammar and a
seed. `native`, or else the first column, is compared with every other column and every oracle.
What differs is made small and written to a directory, with the commands that show it again.";

/// What is only asked of cases.
const CASES: [&str; 4] = ["tree", "cases", "report", "list"];

impl Conformance {
    /// Tells whether inputs are built that are no cases.
    pub(crate) fn is_generated(&self) -> bool {
        self.generate.is_some() || self.seconds.is_some() || self.again.is_some()
    }
}

#[derive(Debug, Args)]
#[command(after_help = CONFORMANCE)]
pub(crate) struct Conformance {
    /// With `--tree`: the packages to build. Default: all.
    #[arg(value_name = "TARGET", requires = "tree")]
    pub(crate) targets: Vec<String>,

    /// Build the packages of the tree in this directory instead of the cases.
    #[arg(long, value_name = "DIR")]
    pub(crate) tree: Option<Utf8PathBuf>,

    /// Only the cases with this text in their names. May be given more than once.
    #[arg(long = "case", value_name = "PART")]
    pub(crate) cases: Vec<String>,

    /// A runtime such as `podman`, or a runtime of a generation with its program, such as
    /// `docker@trixie=/path/to/docker`. May be given more than once. Default: every runtime that is
    /// ready, and those in `STAGEX_ENGINES`.
    #[arg(long = "column", value_name = "LABEL[=PROGRAM]", value_parser = column)]
    pub(crate) columns: Vec<Column>,

    /// Write a report to this directory: a page, two pictures, JSON, and `JUnit` XML.
    #[arg(long, value_name = "DIR")]
    pub(crate) report: Option<Utf8PathBuf>,

    /// Build in this directory, which must be empty or absent, and keep it.
    #[arg(long, value_name = "DIR")]
    pub(crate) keep: Option<Utf8PathBuf>,

    /// Evaluate up to this many cells at the same time. Default: the number of cores.
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub(crate) jobs: Option<u32>,

    /// List the cells, and build nothing.
    #[arg(long)]
    pub(crate) list: bool,

    /// Build this many generated inputs instead of the cases.
    #[arg(long, value_name = "N", conflicts_with_all = CASES)]
    pub(crate) generate: Option<u64>,

    /// Build generated inputs for this long; one that differs is still made small.
    #[arg(long, value_name = "S", conflicts_with_all = CASES)]
    pub(crate) seconds: Option<u64>,

    /// The seed of the first generated input; each further one has the next number. Default: 1.
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,

    /// Build the input in this directory, which an earlier run has written: `ctx/` with a
    /// Containerfile, and perhaps `args`, one word a line.
    #[arg(long, value_name = "DIR", conflicts_with_all = CASES, conflicts_with_all = ["generate", "seconds", "seed"])]
    pub(crate) again: Option<Utf8PathBuf>,

    /// With generated inputs: a Docker, or a program whose name begins with `buildctl`, that
    /// writes canonical bytes by itself. May be given more than once. Default: those of the columns.
    #[arg(long = "oracle", value_name = "PROGRAM")]
    pub(crate) oracles: Vec<Utf8PathBuf>,
}

/// A column, and the program that drives its runtime where the user says so.
pub(crate) type Column = (Label, Option<Utf8PathBuf>);

/// Reads `LABEL[=PROGRAM]`.
pub(crate) fn column(text: &str) -> Result<Column, String> {
    let (label, program) = match text.split_once('=') {
        Some((label, program)) => (label, Some(program.into())),
        None => (text, None),
    };
    let label: Label = label.parse().map_err(|error| format!("{error}"))?;
    Ok((label, program))
}
