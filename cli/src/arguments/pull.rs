//! The options of `stagex pull`.

use camino::Utf8PathBuf;
use clap::Args;

/// Where StageX publishes its images.
pub(crate) const PUBLISHED: &str = "docker.io/stagex";

const PULL: &str = "\
Examples:
  stagex pull core-musl --output musl              the recorded image of a package, from docker.io/stagex
  stagex pull --from quay.io/stagex core-musl --output musl
  stagex pull quay.io/a/b@sha256:DIGEST --output b an image of anybody, by its digest
  stagex pull quay.io/a/b:1.0 --output b           whatever the tag stands for now; its digest is printed

Every byte is compared with the digest before anything is in DIR. docs/registry.md says which credentials
are used, and which registries are asked without encryption.";

#[derive(Debug, Args)]
#[command(after_help = PULL)]
pub(crate) struct Pull {
    /// The image: HOST[:PORT]/NAME@sha256:DIGEST or HOST[:PORT]/NAME:TAG, or the full name of a package of the
    /// tree, whose recorded image is pulled.
    #[arg(value_name = "IMAGE")]
    pub(crate) image: String,

    /// The directory that becomes an OCI layout. Nothing may be there yet.
    #[arg(short, long, value_name = "DIR")]
    pub(crate) output: Utf8PathBuf,

    /// Of an image for several platforms, pull only the one for this platform, with its variant if it has one. An image
    /// for another platform is refused.
    #[arg(long, value_name = "OS/ARCHITECTURE[/VARIANT]")]
    pub(crate) platform: Option<String>,

    /// Where the image of the package is: HOST[:PORT][/NAME]. Default: `docker.io/stagex`.
    #[arg(long, value_name = "REGISTRY", value_parser = registry)]
    pub(crate) from: Option<registry::Repository>,
}

/// Reads a registry, or a place in one.
pub(crate) fn registry(text: &str) -> Result<registry::Repository, String> {
    let parsed = text.parse::<registry::Repository>();
    parsed.map_err(|error| format!("{error}; expected one such as docker.io/stagex"))
}
