//! The options of `stagex make`.

use clap::Args;

use super::building::{BUILDING, Building, SHOWING};
use super::{Arguments, Column, column};

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
  sign                      stagex sign: sign what this machine has reproduced
  check, compat, help       stagex check, stagex runtimes, this text

A package that is up to date is not built again. The contents of its inputs decide, not their times.

Variables of StageX's Makefile, and the options that they stand for:
  BUILDER=podman, BUILDER=/usr/bin/docker   --runtime podman, --engine docker=/usr/bin/docker
  PLATFORM=linux/386                        --platform linux/386
  NOCACHE=1, CHECK=1                        --no-cache, --check
  PROGRESS=plain, PROGRESS=quiet            --progress plain, --quiet";

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

    #[command(flatten)]
    pub(crate) building: Building,

    /// Print the plan, and build nothing.
    #[arg(short = 'n', long, help_heading = SHOWING)]
    pub(crate) dry_run: bool,

    /// Print for each package why it is built, or with --dry-run why it would be built.
    #[arg(long, help_heading = SHOWING)]
    pub(crate) explain: bool,

    /// Build the named packages even if they are up to date, and without the engine's cache.
    #[arg(long, help_heading = BUILDING)]
    pub(crate) no_cache: bool,

    /// The runtimes, each of which builds: with the target reproduce every package, as for `stagex reproduce`,
    /// and with --prove-bootstrap those of the stage `bootstrap`.
    #[arg(long, help_heading = BUILDING, value_name = "LABEL[=PROGRAM]", value_parser = column, value_delimiter = ',')]
    pub(crate) runtimes: Vec<Column>,

    /// Build nothing outside of the stage `bootstrap` before each of its packages has one digest from at least two
    /// of the --runtimes, which is the recorded one if one is recorded. Those images are then what everything else is
    /// built on.
    #[arg(long, help_heading = BUILDING, requires = "runtimes")]
    pub(crate) prove_bootstrap: bool,

    /// Check what would be built, as `stagex check` does, and build nothing.
    #[arg(long, help_heading = SHOWING)]
    pub(crate) check: bool,
}

/// Returns what `stagex make --help` prints.
pub(crate) fn help_of_make() -> String {
    let mut command = <Arguments as clap::CommandFactory>::command();
    command.build();
    let make = command.find_subcommand_mut("make");
    make.map_or_else(String::new, |make| make.render_long_help().to_string())
}
