//! The options of `stagex diff`.

use camino::Utf8PathBuf;
use clap::Args;

const DIFF: &str = "\
Examples:
  stagex diff core-musl core-musl@podman      what was built, and what `stagex reproduce` made with Podman
  stagex diff core-musl@podman core-musl@native
  stagex diff image.tar other/                an archive of any engine, and an OCI layout
  stagex diff --semantic image.tar other/     only what a container is given
  stagex diff --html page.html core-a core-b  a page that can be sent to somebody

The first difference is printed first; then how many there are of each class, what probably caused them, and
the differences themselves. docs/diff.md lists the classes and the causes.

Exit codes: 0 if they are equal, 6 if they differ.";

#[derive(Debug, Args)]
#[command(after_help = DIFF)]
pub(crate) struct Diff {
    /// The first image: an OCI layout, an archive that an engine saved, a package in out/, `PACKAGE@RUNTIME`,
    /// which `stagex reproduce` made, or `HOST/NAME@sha256:DIGEST` in a registry. Anything else that has a slash
    /// is a path.
    #[arg(value_name = "A")]
    pub(crate) left: String,

    /// The second.
    #[arg(value_name = "B")]
    pub(crate) right: String,

    /// Compare every byte, which is the default: documents, compressed layers, tars, entries.
    #[arg(long, conflicts_with = "semantic")]
    pub(crate) strict: bool,

    /// Compare what a container is given: the file system that the layers make, and the config without its
    /// history.
    #[arg(long)]
    pub(crate) semantic: bool,

    /// Compare only the images for this platform, with its variant if it has one. Default: all.
    #[arg(long, value_name = "OS/ARCHITECTURE[/VARIANT]")]
    pub(crate) platform: Option<String>,

    /// Show up to N differences of each class.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    pub(crate) limit: u16,

    /// Also show what `diffoscope` says of the first files that differ. It has no network, sees no other processes, and
    /// has limits; but it can read and write whatever you can.
    #[arg(long)]
    pub(crate) diffoscope: bool,

    /// Also write a page to this file. It needs nothing besides itself.
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<Utf8PathBuf>,
}
