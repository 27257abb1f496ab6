//! The options of `stagex make`.

use clap::Args;

use super::{Arguments, Column, column};
use crate::options::{Hermetic, Network, Progress};

const TARGETS: &str = "\
Targets that select packages:
  (none), all               every package
  core                      every package of a stage
  core-musl                 one package
  musl                      the packages of that name in every stage
  out/core-musl/index.json  one package

Targets that select packages, and do something with their images:
  out/musl.tgz              write a deterministic archive
  digests-musl              print the digest for each platform
  content-musl              list the contents
  import-musl               load it into the engine's store, as stagex/core-musl:local

Other targets:
  reproduce                 stagex reproduce: build again, and compare with digests/*.txt; with clean, everything
  digests, new-digests      build everything, write digests/*.txt, print what is new
  clean                     remove what was built; other targets beside it are built without caches
  fetch                     stagex fetch: download all sources
  check, compat, help       stagex check, stagex runtimes, this text

A package that is up to date is not built again. The contents of its inputs decide, not their times.

Variables of StageX's Makefile, and the options that they stand for:
  BUILDER=podman, BUILDER=/usr/bin/docker   --runtime podman, --engine docker=/usr/bin/docker
  PLATFORM=linux/386                        --platform linux/386
  NOCACHE=1, CHECK=1                        --no-cache, --check
  PROGRESS=plain, PROGRESS=quiet            --progress plain, --quiet";

const BUILDING: &str = "How packages are built";
const SHOWING: &str = "What is shown";

#[derive(Debug, Args)]
#[command(after_help = TARGETS)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one independent flag"
)]
pub(crate) struct Make {
    /// What to build, and variables of StageX's Makefile. Both are listed below.
    #[arg(value_name = "TARGET|NAME=VALUE")]
    pub(crate) targets: Vec<String>,

    /// Build up to this many packages at the same time. Default: the number of cores. Also set by
    /// `STAGEX_JOBS`.
    #[arg(short, long, help_heading = BUILDING, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub(crate) jobs: Option<u32>,

    /// After a failure, continue with packages that do not depend on the failed one.
    #[arg(short, long, help_heading = BUILDING)]
    pub(crate) keep_going: bool,

    /// Print the plan, and build nothing.
    #[arg(short = 'n', long, help_heading = SHOWING)]
    pub(crate) dry_run: bool,

    /// Print for each package why it is built, or with --dry-run why it would be built.
    #[arg(long, help_heading = SHOWING)]
    pub(crate) explain: bool,

    /// Build the named packages even if they are up to date, and without the engine's cache.
    #[arg(long, help_heading = BUILDING)]
    pub(crate) no_cache: bool,

    /// Let nothing reach the network: every RUN is denied it, and no source is downloaded. Also set by
    /// `STAGEX_OFFLINE=1`.
    #[arg(long, help_heading = BUILDING, conflicts_with = "network")]
    pub(crate) offline: bool,

    /// Download no sources: use those in fetch/ and in the store, and say at once which are missing.
    #[arg(long, help_heading = BUILDING)]
    pub(crate) no_fetch: bool,

    /// Give builds nothing that is not declared: no network but where package.toml lists a stage, and
    /// only files that git tracks, sources and dependencies. Also set by `STAGEX_HERMETIC=1`.
    #[arg(long, help_heading = BUILDING, value_enum, value_name = "RULES", num_args = 0..=1, require_equals = true, default_missing_value = "yes")]
    pub(crate) hermetic: Option<Hermetic>,

    /// The network of RUNs without `--network=none`. It cannot be set in a stagex.toml.
    #[arg(long, help_heading = BUILDING, value_enum)]
    pub(crate) network: Option<Network>,

    /// Build even if the disk has less free space than the same builds needed last time. Also set
    /// by `STAGEX_IGNORE_SPACE=1`.
    #[arg(long, help_heading = BUILDING)]
    pub(crate) ignore_space: bool,

    /// The platform of packages that do not name their own. Default: `linux/amd64`. Several,
    /// separated by commas, become one image with an index.
    #[arg(long, help_heading = BUILDING, value_name = "OS/ARCHITECTURE")]
    pub(crate) platform: Option<String>,

    /// With the target reproduce: the runtimes, each of which builds every package, as for `stagex reproduce`.
    #[arg(long, help_heading = BUILDING, value_name = "LABEL[=PROGRAM]", value_parser = column, value_delimiter = ',', conflicts_with = "runtime")]
    pub(crate) runtimes: Vec<Column>,

    /// Check what would be built, as `stagex check` does, and build nothing.
    #[arg(long, help_heading = SHOWING)]
    pub(crate) check: bool,

    /// How progress is shown.
    #[arg(long, help_heading = SHOWING, value_enum, default_value_t, conflicts_with = "quiet")]
    pub(crate) progress: Progress,
}

/// Returns what `stagex make --help` prints.
pub(crate) fn help_of_make() -> String {
    let mut command = <Arguments as clap::CommandFactory>::command();
    command.build();
    let make = command.find_subcommand_mut("make");
    make.map_or_else(String::new, |make| make.render_long_help().to_string())
}
