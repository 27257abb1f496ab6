//! The command line: what there is to say, and its help.

use camino::Utf8PathBuf;
use clap::{Args, Parser, Subcommand, ValueEnum};
use conformance::Label;
use runtimes::Choice;

use crate::docker::{Build, Network};
use crate::exit::{ErrorKind, Exit};

const EXAMPLES: &str = "\
Examples:
  stagex make                            build every package with the first engine that is ready
  stagex --runtime podman make core-musl build one package, and what it needs, with Podman
  stagex make --dry-run --format json    print the plan
  stagex digests                         write digests/*.txt
  stagex check                           warn of what differs between engines
  stagex conformance                     prove that every engine gives the same images
  stagex runtimes                        say which engines were found, and what they can do";

/// Builds a StageX package tree with any container engine, to the same digests.
#[derive(Debug, Parser)]
#[command(name = "stagex", version, after_help = EXAMPLES, propagate_version = true)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What holds for every command.
#[derive(Debug, Args)]
pub(crate) struct Global {
    /// Work on the tree in this folder.
    #[arg(
        short = 'C',
        long = "directory",
        value_name = "DIR",
        default_value = ".",
        global = true
    )]
    pub(crate) directory: Utf8PathBuf,

    /// Build with this engine: docker, podman, buildah; with `native`, without any; or with `auto`,
    /// the first of them that is ready. Any other NAME is that of a plugin, the program
    /// `stagex-runtime-NAME` on PATH. (Also `STAGEX_RUNTIME`.)
    #[arg(
        id = "runtime",
        long = "runtime",
        value_name = "NAME",
        value_parser = choice,
        value_delimiter = ',',
        global = true
    )]
    pub(crate) runtimes: Vec<Choice>,

    /// Use this program for an engine: `docker=/usr/bin/docker`. (Also `STAGEX_DOCKER` and the
    /// like.)
    #[arg(long = "engine", value_name = "NAME=PATH", value_parser = engine, global = true)]
    pub(crate) engines: Vec<(String, Utf8PathBuf)>,

    /// Put what is built into a directory in DIR, one for each tree, instead of out/ in the tree. (Also
    /// `STAGEX_OUT`.)
    #[arg(long, value_name = "DIR", global = true)]
    pub(crate) out: Option<Utf8PathBuf>,

    /// How to print results.
    #[arg(long, value_enum, default_value_t, global = true)]
    pub(crate) format: Format,

    /// Say more: engines' output; twice: every command that is run.
    #[arg(short, long, action = clap::ArgAction::Count, global = true)]
    pub(crate) verbose: u8,

    /// Say nothing but results and errors.
    #[arg(short, long, conflicts_with = "verbose", global = true)]
    pub(crate) quiet: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    #[default]
    Human,
    /// For programs: one JSON document on standard output.
    Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Build packages, and what they need.
    Make(Make),
    /// Build one image, as `docker build` would be asked to.
    Build(Build),
    /// Write the digests of what was built to digests/*.txt.
    Digests(Digests),
    /// Warn of what lets a build notice which engine runs it.
    Check(Check),
    /// Remove what was made.
    Clean(Clean),
    /// Prove that every runtime gives the same images.
    Conformance(Conformance),
    /// Say which engines were found, and what they can do.
    Runtimes,
    /// Say what is settled, and where: by flags, the environment, or a stagex.toml.
    Config,
    /// Print what completes this command line in a shell.
    Completions(Completions),
    /// Write the manual's pages.
    Manual(Manual),
}

const COMPLETIONS: &str = "\
Examples:
  stagex completions bash > /usr/share/bash-completion/completions/stagex
  stagex completions zsh > /usr/share/zsh/vendor-completions/_stagex
  stagex completions fish > ~/.config/fish/completions/stagex.fish";

#[derive(Debug, Args)]
#[command(after_help = COMPLETIONS)]
pub(crate) struct Completions {
    /// Which shell's.
    #[arg(value_enum)]
    pub(crate) shell: clap_complete::Shell,
}

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  stagex manual /usr/local/share/man/man1")]
pub(crate) struct Manual {
    /// Write a page for each command into this folder.
    #[arg(value_name = "DIR")]
    pub(crate) folder: Utf8PathBuf,
}

const CLEAN: &str = "\
Examples:
  stagex clean             remove everything in out/: images, archives, records and logs
  stagex clean --logs      remove the logs of builds
  stagex clean --images    remove what killed builds have left in engines' stores
  stagex clean --cache     forget what is known of files, outputs and engines, and steps without one

Sources in fetch/ and what is recorded in digests/ stay, and so does what engines keep for
themselves, such as Docker's build cache: docker builder prune.";

#[derive(Debug, Args)]
#[command(after_help = CLEAN)]
pub(crate) struct Clean {
    /// Remove the logs of builds.
    #[arg(long)]
    pub(crate) logs: bool,

    /// Remove what builds of this tree that were killed have left in engines' stores. The next
    /// `make` with the same engine does the same.
    #[arg(long)]
    pub(crate) images: bool,

    /// Forget what is remembered: hashes of files, what lies in out/, what was found out about
    /// engines, and the results of steps that were built without an engine. All of it is made again.
    #[arg(long)]
    pub(crate) cache: bool,
}

const TARGETS: &str = "\
Targets, as StageX's Makefile spells them:
  (none), all               every package
  core                      every package of a stage
  core-musl                 one package
  musl                      the packages of that name in every stage
  out/core-musl/index.json  one package
  out/musl.tgz              one package, and its image as a deterministic archive
  clean                     remove what was made; what is asked for beside it is built without any cache
  digests, new-digests      everything; then digests/*.txt are written, and what is new in them is printed
  digests-musl              the package, and then the digest of each of its images with its platform
  content-musl              the package, and then what is in its image
  import-musl               the package, and then its image in the engine's store, as stagex/core-musl:local
  check, compat, help       stagex check, stagex runtimes, this text

What is up to date is not built again: the inputs' contents count, not their times.

Variables of StageX's Makefile, each another spelling of a flag:
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
    /// What to build, and make's variables. See below.
    #[arg(value_name = "TARGET|NAME=VALUE")]
    pub(crate) targets: Vec<String>,

    /// Build this many packages at once. As many as there are cores unless said. (Also
    /// `STAGEX_JOBS`.)
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub(crate) jobs: Option<u32>,

    /// After a failure, go on with what does not need the failed package.
    #[arg(short, long)]
    pub(crate) keep_going: bool,

    /// Print the plan, and build nothing.
    #[arg(short = 'n', long)]
    pub(crate) dry_run: bool,

    /// Say of each package why it is built; with --dry-run, why it would be.
    #[arg(long)]
    pub(crate) explain: bool,

    /// Build what was asked for even if it is up to date, and without the engine's cache.
    #[arg(long)]
    pub(crate) no_cache: bool,

    /// Deny the network to every RUN. (Also `STAGEX_OFFLINE=1`.)
    #[arg(long, conflicts_with = "network")]
    pub(crate) offline: bool,

    /// The network of RUNs that do not say `--network=none`. No setting says this.
    #[arg(long, value_enum)]
    pub(crate) network: Option<Network>,

    /// Begin even where the disk has less room than the same builds needed the last time. (Also
    /// `STAGEX_IGNORE_SPACE=1`.)
    #[arg(long)]
    pub(crate) ignore_space: bool,

    /// Build for this platform what does not say its own: `linux/amd64` unless said. Several,
    /// separated by commas, become one image with an index
    #[arg(long, value_name = "OS/ARCHITECTURE")]
    pub(crate) platform: Option<String>,

    /// Check what would be built, as `stagex check` does, and build nothing.
    #[arg(long)]
    pub(crate) check: bool,

    /// How to show what happens.
    #[arg(long, value_enum, default_value_t, conflicts_with = "quiet")]
    pub(crate) progress: Progress,
}

/// Returns what `stagex make --help` prints.
pub(crate) fn help_of_make() -> String {
    let mut command = <Arguments as clap::CommandFactory>::command();
    command.build();
    let make = command.find_subcommand_mut("make");
    make.map_or_else(String::new, |make| make.render_long_help().to_string())
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Progress {
    /// Lines that come and go on a terminal, plain lines elsewhere.
    #[default]
    Auto,
    /// One line for each thing that happens.
    Plain,
}

#[derive(Debug, Args)]
pub(crate) struct Digests {
    /// Write nothing: compare what was built with digests/*.txt, and fail on a difference.
    #[arg(long)]
    pub(crate) check: bool,

    /// Read and hash every blob, also where the file system says that it is what it was.
    #[arg(long)]
    pub(crate) verify: bool,
}

const CHECK: &str = "\
Examples:
  stagex check                    every package of the tree
  stagex check core-musl          one package, and what it needs
  stagex check --deny-warnings    fail where there is something to warn of

What is warned of differs between engines and cannot be levelled: an image that depends on it
has another digest on another engine. docs/conformance.md has the whole list.";

#[derive(Debug, Args)]
#[command(after_help = CHECK)]
pub(crate) struct Check {
    /// Which packages, as for make. Everything unless said.
    #[arg(value_name = "TARGET")]
    pub(crate) targets: Vec<String>,

    /// Fail where there is something to warn of.
    #[arg(long)]
    pub(crate) deny_warnings: bool,
}

const CONFORMANCE: &str = "\
Examples:
  stagex conformance                               every case on every engine that is here
  stagex conformance --case hard-link              the cases with that in their names
  stagex conformance --column podman --column docker@trixie=/opt/trixie/docker
  stagex conformance --tree . core-musl            a tree's packages instead of the cases
  stagex conformance --report report               with a page to look at in report/index.html

A cell of the matrix holds, or differs as it is listed to, or fails, or cannot run here. Only
failing cells make the command fail; a column that was asked for by name must be there.";

#[derive(Debug, Args)]
#[command(after_help = CONFORMANCE)]
pub(crate) struct Conformance {
    /// With `--tree`: the packages to build. Everything unless said.
    #[arg(value_name = "TARGET", requires = "tree")]
    pub(crate) targets: Vec<String>,

    /// Build the packages of the tree in this folder instead of the cases.
    #[arg(long, value_name = "DIR")]
    pub(crate) tree: Option<Utf8PathBuf>,

    /// Only the cases that have this in their names. May be given more than once.
    #[arg(long = "case", value_name = "PART")]
    pub(crate) cases: Vec<String>,

    /// A runtime, or one of a generation and the program that drives it, such as `podman` or
    /// `docker@trixie=/path/to/docker`. May be given more than once. Every runtime that is
    /// here, and those of `STAGEX_ENGINES`, unless said.
    #[arg(long = "column", value_name = "LABEL[=PROGRAM]", value_parser = column)]
    pub(crate) columns: Vec<Column>,

    /// Write a report into this folder: a page to look at, JSON, and `JUnit`'s XML.
    #[arg(long, value_name = "DIR")]
    pub(crate) report: Option<Utf8PathBuf>,

    /// Build in this folder, which must be empty or absent, and keep what is built.
    #[arg(long, value_name = "DIR")]
    pub(crate) keep: Option<Utf8PathBuf>,

    /// Ask this many cells at once. As many as there are cores unless said.
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub(crate) jobs: Option<u32>,

    /// List the cells, and build nothing.
    #[arg(long)]
    pub(crate) list: bool,
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

pub(crate) fn choice(text: &str) -> Result<Choice, String> {
    match text {
        "auto" => Ok(Choice::Auto),
        name if runtimes::is_name(name) => Ok(Choice::Named(name.to_owned())),
        _ => Err(format!(
            "expected auto, {}, or the name of a plugin",
            runtimes::NAMES.join(", ")
        )),
    }
}

fn engine(text: &str) -> Result<(String, Utf8PathBuf), String> {
    match text.split_once('=') {
        Some((name, path)) if runtimes::is_name(name) && !path.is_empty() => {
            Ok((name.to_owned(), path.into()))
        }
        _ => Err(format!(
            "expected NAME=PATH, where NAME is one of {}, or the name of a plugin",
            runtimes::NAMES.join(", ")
        )),
    }
}

/// Prints the help, where that was asked for, or what is wrong with the command line.
pub(crate) fn explain(error: &clap::Error) -> Exit {
    if error.use_stderr() {
        // What was typed is repeated in it.
        let text = error.render().to_string();
        let message = text.strip_prefix("error: ").unwrap_or(&text).trim_end();
        crate::failure::print_text("error", message);
        return ErrorKind::Usage.into();
    }
    crate::render::written(error.print());
    Exit::Success
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        super::Arguments::command().debug_assert();
    }
}
