//! The options of `stagex reproduce` and `stagex ledger`.

use camino::Utf8PathBuf;
use clap::Args;

use super::building::Building;
use super::conformance::{Column, column};

const REPRODUCE: &str = "\
Examples:
  stagex reproduce core-musl                     build it and all that it needs again, and compare
  stagex reproduce --runtimes docker,podman      with two runtimes, which have to agree as well
  stagex reproduce --against-record core-rust    build only it, from the recorded images
  stagex reproduce --against-record --from docker.io/stagex core-rust   the same, and pull what is not here
  stagex reproduce --rounds 3 core-musl          build each package three times, and vary what surrounds it
  stagex --remote grpcs://a.org:443 --remote grpcs://b.org:443 reproduce --agree 2   by the workers of two servers
  stagex reproduce --clean                       build everything again, whatever was reproduced before

Each runtime has outputs of its own in out/.stagex/reproduced/, so what you have built stays as it is.
Every attempt is in the ledger (`stagex ledger`). A command that was interrupted goes on where it was
when it is run again.

Exit codes: 6 if a digest differs, 1 if a package could not be built, 7 if nothing was compared.";

#[derive(Debug, Args)]
#[command(after_help = REPRODUCE)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one independent flag"
)]
pub(crate) struct Reproduce {
    /// The packages, as for make, with all that they need. Default: all.
    #[arg(value_name = "TARGET")]
    pub(crate) targets: Vec<String>,

    /// The runtimes, each of which builds every package: `docker`, `podman`, `buildah`, `native`, or one of
    /// several of a name with its program, `docker@trixie=/opt/trixie/docker`. Default: the one that make uses.
    #[arg(
        long,
        value_name = "LABEL[=PROGRAM]",
        value_parser = column,
        value_delimiter = ',',
        conflicts_with = "runtime"
    )]
    pub(crate) runtimes: Vec<Column>,

    /// Build everything again, also what was reproduced before from the same inputs.
    #[arg(long)]
    pub(crate) clean: bool,

    /// Build only the packages that were named, and each from the recorded images of what it needs.
    #[arg(long, visible_alias = "shared-deps")]
    pub(crate) against_record: bool,

    /// With --against-record: look for recorded images in this directory too, which has an OCI layout
    /// called `<stage>-<name>` for each. May be given more than once.
    #[arg(long, value_name = "DIR", requires = "against_record")]
    pub(crate) images: Vec<Utf8PathBuf>,

    /// With --against-record: pull recorded images that are nowhere else from this registry, such as
    /// `docker.io/stagex`. May be given more than once; the first that has an image gives it.
    #[arg(long, value_name = "REGISTRY", requires = "against_record", value_parser = super::registry)]
    pub(crate) from: Vec<registry::Repository>,

    /// Build each package N times, and vary what surrounds every second build. docs/reproduce.md says what
    /// each runtime can vary.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub(crate) rounds: u32,

    /// Be content with N runtimes that make the recorded image, or one image where none is recorded. Those that made
    /// another are named. All that one server answers counts as one.
    #[arg(
        long,
        value_name = "N",
        conflicts_with = "prove_bootstrap",
        value_parser = clap::value_parser!(u32).range(1..=64)
    )]
    pub(crate) agree: Option<u32>,

    /// Begin nothing outside of the stage `bootstrap` before each of its packages has one digest from at least
    /// two runtimes, which is the recorded one if one is recorded.
    #[arg(long)]
    pub(crate) prove_bootstrap: bool,

    /// Begin anew, and do not go on where an earlier run was interrupted.
    #[arg(long)]
    pub(crate) restart: bool,

    #[command(flatten)]
    pub(crate) building: Building,
}

const LEDGER: &str = "\
Examples:
  stagex ledger                               every attempt to reproduce a package
  stagex ledger core-musl --verdict differs   those of one package that made another image
  stagex ledger --export attempts             write them to a file, for somebody else
  stagex ledger --import attempts --as ann    take somebody else's; they never count as yours

The ledger is in your state directory, and `stagex clean` does not touch it. No line of it can be changed or
removed without that being noticed.";

#[derive(Debug, Args)]
#[command(after_help = LEDGER)]
pub(crate) struct Ledger {
    /// Only attempts at these packages, by their full names.
    #[arg(value_name = "PACKAGE")]
    pub(crate) packages: Vec<String>,

    /// Only attempts that came out so: `reproduced`, `differs`, `not-recorded`, `unstable` or `failed`.
    #[arg(long, value_name = "VERDICT", value_parser = verdict)]
    pub(crate) verdict: Option<documents::AttemptVerdict>,

    /// Only attempts of this runtime.
    #[arg(long = "by", value_name = "LABEL")]
    pub(crate) by: Option<String>,

    /// Only the last attempt of each runtime at each package.
    #[arg(long)]
    pub(crate) latest: bool,

    /// Write the attempts to a file, one in each line.
    #[arg(long, value_name = "FILE")]
    pub(crate) export: Option<Utf8PathBuf>,

    /// Take the attempts in a file that somebody else exported.
    #[arg(
        long,
        value_name = "FILE",
        requires = "whose",
        conflicts_with_all = ["packages", "verdict", "by", "latest", "export"]
    )]
    pub(crate) import: Option<Utf8PathBuf>,

    /// With --import: whose they are.
    #[arg(long = "as", value_name = "NAME", requires = "import")]
    pub(crate) whose: Option<String>,
}

fn verdict(text: &str) -> Result<documents::AttemptVerdict, String> {
    use documents::AttemptVerdict::{Differs, Failed, NotRecorded, Reproduced, Unstable};
    let all = [Reproduced, Differs, NotRecorded, Unstable, Failed];
    let word = |verdict: &documents::AttemptVerdict| verdict.word().replace(' ', "-");
    let found = all.iter().find(|verdict| word(verdict) == text);
    found.copied().ok_or_else(|| {
        let words: Vec<String> = all.iter().map(word).collect();
        format!("expected one of {}", words.join(", "))
    })
}
