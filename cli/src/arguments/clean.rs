//! The options of `stagex clean`.

use clap::Args;

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

    /// Delete caches: hashes of files, the state of out/, probe results of engines, pulled images, and the kept
    /// results of builds without an engine. All of them are created again when needed.
    #[arg(long)]
    pub(crate) cache: bool,

    /// Remove the store of downloaded sources, which all trees share, with its partial downloads.
    #[arg(long)]
    pub(crate) sources: bool,
}
