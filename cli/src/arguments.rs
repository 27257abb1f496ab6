//! The command line: its commands and options, and their help. It does not know what commands do.

use camino::Utf8PathBuf;
use clap::{Args, Parser, Subcommand};
use conformance::Label;
use lint::RuleSet;
use runtimes::Choice;

use crate::docker::Build;
use crate::options::{AnyFormat, Collapse, Drawing, Hermetic, MirrorDepth, Network, Progress};

const EXAMPLES: &str = "\
Examples:
  stagex runtimes                        show which runtimes are ready, and what they can do
  stagex make                            build every package with the first runtime that is ready
  stagex --runtime podman make core-musl build one package and its dependencies with Podman
  stagex make --dry-run --format json    print the plan
  stagex fetch                           download the sources of every package
  stagex digests --check                 compare the images with the recorded digests
  stagex check                           check the tree against the rules of trees
  stagex graph --why core-rust core-musl show by which ways a package needs another
  stagex conformance                     prove that every runtime gives the same images";

/// Builds a StageX package tree with any container engine, to the same image digests.
#[derive(Debug, Parser)]
#[command(name = "stagex", version, after_help = EXAMPLES, propagate_version = true)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The options of every command.
#[derive(Debug, Args)]
#[command(next_help_heading = "Options of every command")]
pub(crate) struct Global {
    /// Work on the tree in this directory.
    #[arg(
        short = 'C',
        long = "directory",
        value_name = "DIR",
        default_value = ".",
        global = true
    )]
    pub(crate) directory: Utf8PathBuf,

    /// Build with this runtime: `docker`, `podman`, `buildah`; `native`, which needs no engine; or
    /// `auto`, the first of them that is ready. Any other NAME selects the plugin
    /// `stagex-runtime-NAME` in PATH. Also set by `STAGEX_RUNTIME`.
    #[arg(
        id = "runtime",
        long = "runtime",
        value_name = "NAME",
        value_parser = choice,
        value_delimiter = ',',
        global = true
    )]
    pub(crate) runtimes: Vec<Choice>,

    /// Use this program for an engine: `docker=/usr/bin/docker`. Also set by `STAGEX_DOCKER`,
    /// `STAGEX_PODMAN` and so on.
    #[arg(long = "engine", value_name = "NAME=PATH", value_parser = engine, global = true)]
    pub(crate) engines: Vec<(String, Utf8PathBuf)>,

    /// Write images, logs and records to a directory in DIR, one for each tree, instead of the
    /// tree's out/. Also set by `STAGEX_OUT`.
    #[arg(long, value_name = "DIR", global = true)]
    pub(crate) out: Option<Utf8PathBuf>,

    /// How results are printed.
    #[arg(long, value_enum, default_value_t, global = true)]
    pub(crate) format: AnyFormat,

    /// Also print the engines' output; given twice, also every command that is run.
    #[arg(short, long, action = clap::ArgAction::Count, global = true)]
    pub(crate) verbose: u8,

    /// Print only results and errors.
    #[arg(short, long, conflicts_with = "verbose", global = true)]
    pub(crate) quiet: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Build packages and their dependencies.
    Make(Make),
    /// Download the sources of packages, each checked against its hash.
    Fetch(Fetch),
    /// Build one image, with the command line of `docker build`.
    Build(Build),
    /// Write the digests of the images to digests/*.txt, or compare them.
    Digests(Digests),
    /// Check a tree against the rules of trees.
    Check(Check),
    /// Show what needs what: as a tree or a picture, why, how large, and how long it takes.
    Graph(Graph),
    /// Remove what was built.
    Clean(Clean),
    /// Prove that every runtime gives the same images.
    Conformance(Conformance),
    /// Show which runtimes are ready, and what they can do.
    Runtimes,
    /// Show each setting, and where it comes from.
    Config,
    /// Print the completions of this command line for a shell.
    Completions(Completions),
    /// Write the manual pages.
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

const CLEAN: &str = "\
Examples:
  stagex clean             remove everything in out/: images, archives, records and logs
  stagex clean --logs      remove the logs of builds
  stagex clean --images    remove what killed builds left in engines' stores
  stagex clean --cache     delete cached hashes, output state, probe results and kept results
  stagex clean --sources   remove the store of downloaded sources, which all trees share

Sources in fetch/ and recorded digests in digests/ are never removed. Engines' own caches are not
removed either: `docker builder prune` removes Docker's build cache.";

#[derive(Debug, Args)]
#[command(after_help = CLEAN)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one independent flag"
)]
pub(crate) struct Clean {
    /// Remove the logs of builds.
    #[arg(long)]
    pub(crate) logs: bool,

    /// Remove what killed builds of this tree left in engines' stores. The next `make` with the
    /// same engine does so too.
    #[arg(long)]
    pub(crate) images: bool,

    /// Delete caches: hashes of files, the state of out/, probe results of engines, and the kept
    /// results of builds without an engine. All of them are created again when needed.
    #[arg(long)]
    pub(crate) cache: bool,

    /// Remove the store of downloaded sources, which all trees share, with its partial downloads.
    #[arg(long)]
    pub(crate) sources: bool,
}

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

#[derive(Debug, Args)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one independent flag"
)]
pub(crate) struct Digests {
    /// Write nothing: compare the images with digests/*.txt, and fail if one differs.
    #[arg(long)]
    pub(crate) check: bool,

    /// With --check: also list images that are not recorded. Otherwise only their number is printed.
    #[arg(long, requires = "check")]
    pub(crate) all: bool,

    /// With --check: compare only packages that are recorded, so that no other is a failure.
    #[arg(long, requires = "check", conflicts_with = "all")]
    pub(crate) recorded: bool,

    /// Read and hash every blob, even if its inode and times have not changed.
    #[arg(long)]
    pub(crate) verify: bool,
}

const CHECK: &str = "\
Examples:
  stagex check                           every package of the tree
  stagex check core-musl                 one package and its dependencies
  stagex check packages/core/musl        one package, by its directory or one of its files
  stagex check --rules tree-2024         with the rules of 2024
  stagex check --fix                     repair what can be repaired without a change to any image
  stagex check --format lines            file:line:column: severity: message, for editors
  stagex check --list-rules              every rule, with its reason and its rule sets

A finding is suppressed by a comment before the instruction, `# stagex: allow(RULE) REASON`, or by
the tree's stagex.toml. docs/lint.md has the whole list of rules.";

#[derive(Debug, Args)]
#[command(after_help = CHECK)]
pub(crate) struct Check {
    /// The packages, as for make, or paths of Containerfiles. Default: all packages.
    #[arg(value_name = "TARGET|PATH")]
    pub(crate) targets: Vec<String>,

    /// The rules: `tree-2026` or `tree-2024`. Default: those that the tree's stagex.toml names, or
    /// `tree-2026`.
    #[arg(long, value_name = "SET")]
    pub(crate) rules: Option<RuleSet>,

    /// Repair what can be repaired without a change to any image.
    #[arg(long)]
    pub(crate) fix: bool,

    /// List the rules, and check nothing.
    #[arg(long, conflicts_with_all = ["targets", "fix", "deny_warnings"])]
    pub(crate) list_rules: bool,

    /// Fail if there is a warning.
    #[arg(long)]
    pub(crate) deny_warnings: bool,
}

const GRAPH: &str = "\
Examples:
  stagex graph user-tmux --depth 2                what a package needs, two levels deep
  stagex graph --collapse stage --as svg > a.svg  the stages of the tree as a picture
  stagex graph --why user-tmux core-perl          the shortest ways, and how many there are
  stagex graph --rdeps core-musl --depth 1        what names core-musl in its Containerfile
  stagex graph --affected-by-git main..HEAD       what a branch changes
  stagex graph --simulate 8 user-tmux             what 8 workers would do

In the text, (*) means that what is below is shown further up, (+N) that N edges are not shown, and
<<< that a package is highlighted.";

const ASKED: &str = "What is asked";
const SHOWN: &str = "What is shown of a graph";

#[derive(Debug, Args)]
#[command(after_help = GRAPH)]
#[command(group = clap::ArgGroup::new("question").multiple(false))]
#[command(group = clap::ArgGroup::new("view").multiple(true))]
pub(crate) struct Graph {
    /// The packages, as for make, with all that they need. Default: all.
    #[arg(value_name = "TARGET")]
    pub(crate) targets: Vec<String>,

    /// Show by which ways A needs B: the shortest, and how many there are.
    #[arg(long, help_heading = ASKED, num_args = 2, value_names = ["A", "B"], group = "question", conflicts_with = "targets")]
    pub(crate) why: Option<Vec<String>>,

    /// Show what needs a package, directly or not.
    #[arg(long, help_heading = ASKED, value_name = "PACKAGE", group = "question")]
    pub(crate) rdeps: Option<String>,

    /// List the packages that these files are an input of, and all that needs them. The files need
    /// not exist.
    #[arg(long, help_heading = ASKED, value_name = "FILE", num_args = 1.., group = "question")]
    pub(crate) affected_by: Vec<Utf8PathBuf>,

    /// The same of the files that differ between two commits: `A..B`, or `A...B` for what B has
    /// changed since the two parted.
    #[arg(long, help_heading = ASKED, value_name = "RANGE", group = "question")]
    pub(crate) affected_by_git: Option<String>,

    /// List the packages in an order in which they can be built, with the sizes of their images and
    /// sources.
    #[arg(long, help_heading = ASKED, group = "question", conflicts_with = "view")]
    pub(crate) closure: bool,

    /// List the packages that take longest one after another, by their last builds.
    #[arg(long, help_heading = ASKED, group = "question", conflicts_with = "view")]
    pub(crate) critical_path: bool,

    /// Show what up to N builds at the same time would do, by the last builds.
    #[arg(long, help_heading = ASKED, value_name = "N", group = "question", conflicts_with = "view", value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub(crate) simulate: Option<u32>,

    /// List the packages by how many have to be built one after another until they are there.
    #[arg(long, help_heading = ASKED, group = "question", conflicts_with_all = ["drawing", "collapse", "depth"])]
    pub(crate) levels: bool,

    /// Draw the graph instead. `svg` needs Graphviz.
    #[arg(id = "drawing", long = "as", value_name = "DRAWING", help_heading = SHOWN, value_enum, default_value_t, group = "view")]
    pub(crate) drawing: Drawing,

    /// Show stages instead of packages.
    #[arg(long, help_heading = SHOWN, value_enum, value_name = "WHAT", group = "view")]
    pub(crate) collapse: Option<Collapse>,

    /// Show only what is at most N edges away from what was asked for.
    #[arg(long, help_heading = SHOWN, value_name = "N", group = "view")]
    pub(crate) depth: Option<usize>,

    /// Show only packages whose full names match one of these patterns (`*`, `?`, `[a-z]`). May be
    /// given more than once.
    #[arg(long, help_heading = SHOWN, value_name = "GLOB", group = "view")]
    pub(crate) only: Vec<String>,

    /// Do not show packages whose full names match one of these patterns. May be given more than
    /// once.
    #[arg(long, help_heading = SHOWN, value_name = "GLOB", group = "view")]
    pub(crate) without: Vec<String>,

    /// Highlight packages. May be given more than once.
    #[arg(long, help_heading = SHOWN, value_name = "NAME", group = "view")]
    pub(crate) highlight: Vec<String>,
}

const CONFORMANCE: &str = "\
Examples:
  stagex conformance                               every case on every runtime that is ready
  stagex conformance --case hard-link              the cases with this text in their names
  stagex conformance --column podman --column docker@trixie=/opt/trixie/docker
  stagex conformance --tree . core-musl            a tree's packages instead of the cases
  stagex conformance --report report               write a page to report/index.html

A cell of the matrix holds, differs as listed, fails, or cannot run here. Only failing cells make
the command fail. A column that is named must be ready.";

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

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        super::Arguments::command().debug_assert();
    }
}
