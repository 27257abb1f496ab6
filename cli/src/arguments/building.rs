//! The options of every command that builds a tree's packages.

use clap::Args;

use crate::options::{Hermetic, Network, Progress};

/// The heading of options that decide how packages are built.
pub(super) const BUILDING: &str = "How packages are built";
/// The heading of options that decide what is printed.
pub(super) const SHOWING: &str = "What is shown";

#[derive(Debug, Default, Args)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one independent flag"
)]
pub(crate) struct Building {
    /// Build up to this many packages at the same time. Default: the number of cores. Also set by
    /// `STAGEX_JOBS`.
    #[arg(short, long, help_heading = BUILDING, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub(crate) jobs: Option<u32>,

    /// After a failure, continue with packages that do not depend on the failed one.
    #[arg(short, long, help_heading = BUILDING)]
    pub(crate) keep_going: bool,

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

    /// How progress is shown.
    #[arg(long, help_heading = SHOWING, value_enum, default_value_t, conflicts_with = "quiet")]
    pub(crate) progress: Progress,
}

impl Building {
    /// Returns the platforms that were named.
    pub(crate) fn platforms(&self) -> Vec<&str> {
        let named = self.platform.iter();
        named.flat_map(|names| names.split(',')).collect()
    }
}
