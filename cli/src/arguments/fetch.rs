//! The options of `stagex fetch`.

use camino::Utf8PathBuf;
use clap::Args;

use crate::options::{MirrorDepth, Progress};

const FETCH: &str = "\
Examples:
  stagex fetch                 every source of every package
  stagex fetch core-musl       those of one package and of its dependencies
  stagex fetch --list          show which sources are missing, and download nothing
  stagex fetch --export s.tar  write all sources as one OCI artifact
  stagex fetch --import s.tar  put them into the store of another machine
  stagex fetch --verify        hash all files again, and mend what is damaged
  stagex fetch --check-mirrors core-musl  show which mirrors work
  stagex fetch --update-hash core-musl    print the hash that a mirror has now

Each source is stored by its SHA-256, for all trees, and copied to fetch/<stage>/<name>/<file>.
Mirrors are tried in order. A download that was interrupted is continued. Settings are in [fetch]
of stagex.toml.";

#[derive(Debug, Args)]
#[command(after_help = FETCH)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one independent flag"
)]
pub(crate) struct Fetch {
    /// The packages, as for make; with all that they need. Default: all.
    #[arg(value_name = "TARGET")]
    pub(crate) targets: Vec<String>,

    /// Show what is there and what is missing, and download nothing.
    #[arg(long, group = "action")]
    pub(crate) list: bool,

    /// Fetch the sources, and write all of them as one OCI artifact: a tar if the name ends with
    /// .tar, or else a directory with an OCI layout.
    #[arg(long, group = "action", value_name = "FILE.tar|DIR")]
    pub(crate) export: Option<Utf8PathBuf>,

    /// Put the sources of an artifact that --export wrote into the store. Each is hashed.
    #[arg(
        long,
        group = "action",
        value_name = "FILE.tar|DIR",
        conflicts_with = "targets"
    )]
    pub(crate) import: Option<Utf8PathBuf>,

    /// Hash the files of the store and of fetch/ again; move what is damaged aside, and fetch it
    /// again. With targets: only their sources.
    #[arg(long, group = "action")]
    pub(crate) verify: bool,

    /// Show which mirrors work; with =full, download and hash what each has.
    #[arg(long, group = "action", value_name = "HOW", num_args = 0..=1, require_equals = true, default_missing_value = "quick")]
    pub(crate) check_mirrors: Option<MirrorDepth>,

    /// Download what the first working mirror of each source of the targets has now, and print the
    /// line of package.toml to change. Nothing is changed, and nothing is kept.
    #[arg(long, group = "action", requires = "targets")]
    pub(crate) update_hash: bool,

    /// Download up to this many files at the same time. Default: 16.
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=256))]
    pub(crate) jobs: Option<u32>,

    /// Download up to this many files from one host at the same time. Default: 6.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=256))]
    pub(crate) per_host: Option<u32>,

    /// Reach no network: use only the store and files of this machine, and name what is missing.
    /// Also set by `STAGEX_OFFLINE=1`.
    #[arg(long)]
    pub(crate) offline: bool,

    /// How progress is shown.
    #[arg(long, value_enum, default_value_t, conflicts_with = "quiet")]
    pub(crate) progress: Progress,
}
