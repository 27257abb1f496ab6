//! The command line: its commands and options, and their help. It does not know what commands do.

mod building;
mod canon;
mod check;
mod clean;
mod conformance;
mod diff;
mod digests;
mod fetch;
mod graph;
mod import;
mod make;
mod pages;
mod preseed;
mod proof;
mod publish;
mod pull;
mod release;
mod reproduce;
mod sign;
mod simulated;
mod trust;

use camino::Utf8PathBuf;
use clap::{Args, Parser, Subcommand};
use runtimes::Choice;

use crate::docker::Build;
use crate::options::AnyFormat;

pub(crate) use building::Building;
pub(crate) use canon::{Canon, Explain, Known};
pub(crate) use check::Check;
pub(crate) use clean::Clean;
pub(crate) use conformance::{Column, Conformance, column};
pub(crate) use diff::Diff;
pub(crate) use digests::Digests;
pub(crate) use fetch::Fetch;
pub(crate) use graph::Graph;
pub(crate) use import::Import;
pub(crate) use make::{Make, help_of_make};
pub(crate) use pages::{Completions, Manual};
pub(crate) use preseed::Preseed;
pub(crate) use proof::{Attest, Report, Sbom};
pub(crate) use publish::Publish;
pub(crate) use pull::{PUBLISHED, Pull, registry};
pub(crate) use release::Release;
pub(crate) use reproduce::{Ledger, Reproduce};
pub(crate) use sign::Sign;
pub(crate) use simulated::Simulated;
pub(crate) use trust::{Keys, Verify, Whom};

const EXAMPLES: &str = "\
Examples:
  stagex runtimes                        show which runtimes are ready, and what they can do
  stagex make                            build every package with the first runtime that is ready
  stagex --runtime podman make core-musl build one package and its dependencies with Podman
  stagex make --dry-run --format json    print the plan
  stagex fetch                           download the sources of every package
  stagex digests --check                 compare the images with the recorded digests
  stagex reproduce core-musl             build a package again, and compare it with the recorded digest
  stagex sign core-musl                  sign what this machine has reproduced
  stagex verify core-musl                check who has signed it, and whether they are enough
  stagex publish --to quay.io/stagex -n  show what a registry lacks of the signed images
  stagex release --to quay.io/stagex     which steps of a release are done, and what comes next
  stagex pull core-musl --output musl    download the recorded image of a package
  stagex diff core-musl core-musl@podman say how two images differ, and what probably caused it
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

    /// Build by this server of the Remote Execution API: `grpc://HOST:PORT`, or `grpcs://` with encryption, and
    /// `/INSTANCE` if the server has several. May be given more than once for reproduce. Also set by `STAGEX_REMOTE`.
    #[arg(long, value_name = "ADDRESS", global = true)]
    pub(crate) remote: Vec<remote::Address>,

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
    /// Build packages again, and compare them with the recorded digests.
    Reproduce(Reproduce),
    /// Say how two images differ: the first difference, how many there are of each class, and likely causes.
    Diff(Diff),
    /// List what was reproduced, and how it came out.
    Ledger(Ledger),
    /// Sign what this machine has reproduced, with GnuPG.
    Sign(Sign),
    /// Check who has signed packages, and whether that is enough.
    Verify(Verify),
    /// List who may sign, by which certificates, and who has signed how much.
    Keys(Keys),
    /// Publish the recorded images to registries, if enough people have signed them.
    Publish(Publish),
    /// Say which steps of a release are done, and how to do the next one.
    Release(Release),
    /// Download an image from a registry, as an OCI layout.
    Pull(Pull),
    /// Take published images instead of building packages, if enough people have signed them.
    Preseed(Preseed),
    /// Put images into the store of an engine's user, under their tags.
    Import(Import),
    /// Write a site that says what was reproduced, by whom, and what is missing.
    Report(Report),
    /// Print what was reproduced here as in-toto statements.
    Attest(Attest),
    /// Print what packages are made of, as SPDX or `CycloneDX`.
    Sbom(Sbom),
    /// Make the canonical image of one that any engine wrote, and say what was changed.
    Canon(Canon),
    /// Say why an image is not canonical, or which variant of it has a digest.
    Explain(Explain),
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
    /// Carry out an action of a server of the Remote Execution API: what its workers run.
    #[command(hide = true)]
    RemoteWorker,
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
