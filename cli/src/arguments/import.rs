//! The options of `stagex import`.

use clap::Args;

use super::pull::{PUBLISHED, registry};

const IMPORT: &str = "\
Examples:
  stagex --runtime podman import core-musl        docker.io/stagex/core-musl:VERSION in Podman's store
  stagex --runtime docker import core-musl --tag local
  stagex --runtime buildah import core-musl --registry quay.io/stagex

What is imported are the images in out/, which `stagex make` builds. The engine is asked what it has then: another image
than the one in out/ is an error (exit code 6).";

#[derive(Debug, Args)]
#[command(after_help = IMPORT)]
pub(crate) struct Import {
    /// The packages, as for make, without what they need. Default: all.
    #[arg(value_name = "TARGET")]
    pub(crate) targets: Vec<String>,

    /// The image's tag there, instead of the package's version. May be given more than once.
    #[arg(long = "tag", value_name = "TAG")]
    pub(crate) tags: Vec<String>,

    /// The image's name there, before the package's: HOST[:PORT][/NAME].
    #[arg(long, value_name = "REGISTRY", value_parser = registry, default_value = PUBLISHED)]
    pub(crate) registry: registry::Repository,
}
