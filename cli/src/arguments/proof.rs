//! The options of `stagex report`, `stagex attest` and `stagex sbom`.

use camino::Utf8PathBuf;
use clap::Args;

use crate::options::BillFormat;

const REPORT: &str = "\
Examples:
  stagex report report                  write a report on all packages to report/index.html
  stagex report /srv/www/core core      on one stage, and all that it needs
  stagex report --signed report         who has signed each package as well; fails unless enough people have

It is made of the ledger (`stagex ledger`) and of digests/*.txt, and can be read without JavaScript. A
report of an earlier time in that directory is replaced, and what changed since then is said.";

#[derive(Debug, Args)]
#[command(after_help = REPORT)]
pub(crate) struct Report {
    /// The directory: a report, empty, or not there.
    #[arg(value_name = "DIR")]
    pub(crate) place: Utf8PathBuf,

    /// The packages, as for make, with all that they need. Default: all.
    #[arg(value_name = "TARGET")]
    pub(crate) targets: Vec<String>,

    /// Say who has signed each package, as `stagex verify` says it by `[trust]` in your own stagex.toml, and fail
    /// unless enough people have. The report is written all the same.
    #[arg(long)]
    pub(crate) signed: bool,
}

const ATTEST: &str = "\
Examples:
  stagex attest core-musl > musl.intoto.jsonl    what this machine has reproduced, one statement in a line
  stagex attest --format json                    the same of all packages, as one document

Only the last attempt of this machine counts, and only if all of its rounds had one digest. Nothing is
signed.";

#[derive(Debug, Args)]
#[command(after_help = ATTEST)]
pub(crate) struct Attest {
    /// The packages, as for make, without what they need. Default: all.
    #[arg(value_name = "TARGET")]
    pub(crate) targets: Vec<String>,

    /// Where images are published, for their package URLs. Default: `docker.io`.
    #[arg(long, value_name = "HOST")]
    pub(crate) registry: Option<String>,
}

const SBOM: &str = "\
Examples:
  stagex sbom core-musl > musl.spdx.json                 the package, its sources, and what it is built from
  stagex sbom --closure core-musl                        all of that, down to what needs nothing
  stagex sbom --as cyclonedx core-musl > musl.cdx.json   as CycloneDX 1.6

The same tree gives the same bytes.";

#[derive(Debug, Args)]
#[command(after_help = SBOM)]
pub(crate) struct Sbom {
    /// The packages, as for make. Default: all.
    #[arg(value_name = "TARGET")]
    pub(crate) targets: Vec<String>,

    /// List all that the packages need as well, with its sources.
    #[arg(long)]
    pub(crate) closure: bool,

    /// The format.
    #[arg(
        id = "bill",
        long = "as",
        value_name = "FORMAT",
        value_enum,
        default_value_t
    )]
    pub(crate) bill: BillFormat,

    /// Where images are published, for their package URLs. Default: `docker.io`.
    #[arg(long, value_name = "HOST")]
    pub(crate) registry: Option<String>,
}
