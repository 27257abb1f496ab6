//! The options of `stagex digests`.

use clap::Args;

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

    /// With --check: say who has signed each recorded digest, and fail unless enough people have, as `stagex verify`
    /// says it by `[trust]` in your own stagex.toml.
    #[arg(long, requires = "check")]
    pub(crate) signed: bool,

    /// Read and hash every blob, even if its inode and times have not changed.
    #[arg(long)]
    pub(crate) verify: bool,
}
