//! The options of `stagex graph`.

use camino::Utf8PathBuf;
use clap::Args;

use super::simulated::Simulated;
use crate::options::{Collapse, Drawing};

const GRAPH: &str = "\
Examples:
  stagex graph user-tmux --depth 2                what a package needs, two levels deep
  stagex graph --collapse stage --as svg > a.svg  the stages of the tree as a picture
  stagex graph --why user-tmux core-perl          the shortest ways, and how many there are
  stagex graph --rdeps core-musl --depth 1        what names core-musl in its Containerfile
  stagex graph --affected-by-git main..HEAD       what a branch changes
  stagex graph --simulate 8 user-tmux             what 8 workers would do
  stagex graph --simulate 8,2,0.5                 one twice, one half as fast as the other six
  stagex graph --simulate 1..512                  how much more workers would help

In the text, (*) means that what is below is shown further up, (+N) that N edges are not shown, and
<<< that a package is highlighted.";

const ASKED: &str = "What is asked";
const SHOWN: &str = "What is shown of a graph";

#[derive(Debug, Args)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one independent flag"
)]
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

    /// Show what so many workers would do, by the last builds. Each SPEED is that of one worker, the
    /// others have 1; 2 takes half as long. `A..B` shows different numbers of workers, with the chain
    /// and without.
    #[arg(long, help_heading = ASKED, value_name = "WORKERS[,SPEED...]", group = "question", conflicts_with = "view", value_parser = Simulated::parse)]
    pub(crate) simulate: Option<Simulated>,

    /// With --simulate: nothing waits for what it needs, as with `reproduce --against-record`.
    #[arg(long, help_heading = ASKED, requires = "simulate")]
    pub(crate) without_chain: bool,

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
