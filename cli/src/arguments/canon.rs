//! The options of `stagex canon` and `stagex explain`.

use build::{Context, ImageName};
use camino::Utf8PathBuf;
use clap::Args;

use crate::docker::{argument, named_context};

const CANON: &str = "\
Examples:
  stagex canon image.tar                                 what is its canonical digest, and what is not canonical?
  stagex canon image.tar --output canonical              write the canonical image, as an OCI layout
  stagex canon image.tar --output canonical.tar          the same as an oci-archive
  stagex canon image.tar --base scratch                  an image whose Containerfile begins with FROM scratch
  stagex canon podman.tar --package core-musl            an image that Podman built of a package of the tree
  stagex canon podman.tar --containerfile Containerfile --name stagex/core-x:1.0

INPUT is an OCI layout or an archive that `docker save`, `podman save`, `buildah push` or a build wrote,
compressed or not, the name of a package, whose image in out/ is meant, `PACKAGE@RUNTIME`, which
`stagex reproduce` made, or `HOST/NAME@sha256:DIGEST` in a registry.

What StageX itself wrote into out/ has all that is needed. So has what BuildKit wrote for StageX's command, but
for what the build began with: where the image does not show it, --base or --package says it. Of any other
image, --package or --containerfile says what made each layer. What cannot be known is refused. See
docs/canon.md.";

/// `stagex canon`.
#[derive(Debug, Args)]
#[command(after_help = CANON)]
pub(crate) struct Canon {
    #[command(flatten)]
    pub(crate) image: Known,

    /// Where the canonical image is written: a directory for an OCI layout, a name that ends in `.tar` for an
    /// archive, `-` for an archive on standard output.
    #[arg(short, long, value_name = "PATH")]
    pub(crate) output: Option<Utf8PathBuf>,
}

const EXPLAIN: &str = "\
Examples:
  stagex explain image.tar                          why is its digest not the canonical one?
  stagex explain sha256:1328beae... --of core-x     how would this package have that digest?

The answer is the first line. Exit codes: 0 if the image is canonical or the reason is known, 6 if neither is so.
Where it is not, `stagex diff` compares two images. See docs/explain.md.";

/// `stagex explain`.
#[derive(Debug, Args)]
#[command(after_help = EXPLAIN)]
pub(crate) struct Explain {
    #[command(flatten)]
    pub(crate) image: Known,

    /// With a digest instead of an image: the image or the package that it should be the digest of.
    #[arg(long, value_name = "IMAGE|PACKAGE")]
    pub(crate) of: Option<Utf8PathBuf>,
}

/// An image, and what is known of it besides.
#[derive(Debug, Args)]
pub(crate) struct Known {
    /// The image: an OCI layout, an archive that an engine saved, a package in out/, `PACKAGE@RUNTIME`, which
    /// `stagex reproduce` made, or `HOST/NAME@sha256:DIGEST` in a registry. Anything else that has a slash is a path.
    #[arg(value_name = "INPUT")]
    pub(crate) input: Utf8PathBuf,

    /// The package of the tree that it is of: its Containerfile, build arguments, name and base count.
    #[arg(long, value_name = "PACKAGE", conflicts_with_all = ["containerfile", "base"])]
    pub(crate) package: Option<String>,

    /// The Containerfile that it was built from.
    #[arg(long, value_name = "FILE")]
    pub(crate) containerfile: Option<Utf8PathBuf>,

    /// With --containerfile: a build argument that it was built with.
    #[arg(long = "build-arg", value_name = "NAME=VALUE", value_parser = argument, requires = "containerfile")]
    pub(crate) arguments: Vec<(String, String)>,

    /// With --containerfile: what a name in it refers to, as for `stagex build`. Only what FROM names is needed.
    #[arg(long = "build-context", value_name = "NAME=SOURCE", value_parser = named_context, requires = "containerfile")]
    pub(crate) contexts: Vec<(String, Context)>,

    /// With --containerfile: the stage that was built. Default: the last.
    #[arg(long, value_name = "STAGE", requires = "containerfile")]
    pub(crate) target: Option<String>,

    /// The image that the build began with, where the image does not show it: the directory of its canonical OCI
    /// layout, a package in out/, or `scratch`.
    #[arg(
        long,
        value_name = "DIR|PACKAGE|scratch",
        conflicts_with = "containerfile"
    )]
    pub(crate) base: Option<Utf8PathBuf>,

    /// The name that it is canonical under. Default: the one that the image says.
    #[arg(long, value_name = "NAME:TAG")]
    pub(crate) name: Option<ImageName>,

    /// Which image is meant where there are several, with its variant if it has one. Default: the only one.
    #[arg(long, value_name = "OS/ARCHITECTURE[/VARIANT]")]
    pub(crate) platform: Option<String>,
}
