//! The options of `stagex publish`.

use clap::Args;

use super::pull::registry;
use super::trust::Whom;

const PUBLISH: &str = "\
Examples:
  stagex publish --to quay.io/stagex --dry-run     what a registry lacks, and whether everything is verified
  stagex publish --to quay.io/stagex --to docker.io/stagex
                                                   everything, to two registries
  stagex publish core-musl --to quay.io/stagex --latest
                                                   a package with what is signed of it, and `latest`
  stagex publish --without-quorum --to localhost:5000
                                                   to a private registry, signed or not

What is published are the digests in digests/*.txt, from the images in out/ or where a runtime has reproduced them, and
beside each its signatures, statements and bill of materials. Every package must be verified, as `stagex verify` does it
with the same options; otherwise nothing is published. A tag of a version is never moved to another image. Tags come
last: what is interrupted has no new tag, and the same command goes on with it.

Exit codes: 8 if a package is not verified; 6 if a version is another image in a registry; 5 if a registry fails. One
that fails does not keep the others from being complete.";

#[derive(Debug, Args)]
#[command(after_help = PUBLISH)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one independent flag"
)]
pub(crate) struct Publish {
    /// The packages, as for make, without what they need. Default: all.
    #[arg(value_name = "TARGET")]
    pub(crate) targets: Vec<String>,

    /// Where to: HOST[:PORT][/NAME], below which each package has a repository. May be given more than once.
    #[arg(long = "to", value_name = "REGISTRY", required = true, value_parser = registry)]
    pub(crate) to: Vec<registry::Repository>,

    /// Let `latest` stand for what is published, too. It is set when all versions are.
    #[arg(long)]
    pub(crate) latest: bool,

    /// Ask the registries what they lack, and send nothing.
    #[arg(short = 'n', long)]
    pub(crate) dry_run: bool,

    /// Publish what nobody may have signed, which is for private registries. It is said in the output.
    #[arg(long, conflicts_with_all = ["policy", "keyring", "threshold", "fingerprints", "now"])]
    pub(crate) without_quorum: bool,

    /// Count only what is signed by keys that are good now, as for verify.
    #[arg(long)]
    pub(crate) now: bool,

    #[command(flatten)]
    pub(crate) whom: Whom,
}
