//! The options of `stagex verify` and `stagex keys`.

use camino::Utf8PathBuf;
use clap::Args;
use trust::{Fingerprint, Registry};

const VERIFY: &str = "\
Examples:
  stagex verify --policy ~/stagex-policy.toml      who has signed which package, and whether that is enough
  stagex verify --keyring keys.asc core-musl       without a policy: asks for each certificate once
  stagex verify --signatures https://sigs.stagex.tools
                                                   read the signatures from a server
  stagex verify --history 2026.02.0..HEAD          who has signed and who has merged what touches packages
  stagex verify --print-podman-policy > policy.json
                                                   what Podman can be told of the same people

A package is verified if enough people of the policy have signed its recorded digest. What lies in out/
must have that digest too. A policy is yours: one that lies in the tree is agreed to once, as a keyring is.

With --history each commit that touches packages/ must be signed by one person of the policy, and brought in by
a merge that another one has signed.

Exit code: 8 if a package or a commit is not verified.";

#[derive(Debug, Args)]
#[command(after_help = VERIFY)]
pub(crate) struct Verify {
    /// The packages, as for make, without what they need. Default: all.
    #[arg(value_name = "TARGET")]
    pub(crate) targets: Vec<String>,

    /// Count only what is signed by keys that are good now, as Podman does, whatever shows that it is older.
    #[arg(long)]
    pub(crate) now: bool,

    /// Print the `policy.json` for Podman, Buildah and Skopeo that comes nearest, and say how it differs.
    #[arg(long, conflicts_with_all = ["targets", "now", "print_podman_registries", "signatures"])]
    pub(crate) print_podman_policy: bool,

    /// Print the file for their `registries.d`, which says where signatures lie.
    #[arg(long, conflicts_with_all = ["targets", "now", "threshold"])]
    pub(crate) print_podman_registries: bool,

    /// Verify commits instead of packages: those of A..B, or all that lead to one, that touch packages/.
    #[arg(
        long,
        value_name = "RANGE",
        conflicts_with_all = ["targets", "now", "print_podman_policy", "print_podman_registries", "signatures", "threshold"]
    )]
    pub(crate) history: Option<String>,

    #[command(flatten)]
    pub(crate) whom: Whom,
}

const KEYS: &str = "\
Examples:
  stagex keys --policy ~/stagex-policy.toml        the people of a policy, and their certificates
  stagex keys --keyring keys.asc                   the certificates of a keyring that was agreed to
  stagex keys --format json                        the same as one document";

#[derive(Debug, Args)]
#[command(after_help = KEYS)]
pub(crate) struct Keys {
    #[command(flatten)]
    pub(crate) whom: Whom,
}

/// Who is believed, and where signatures lie.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Whom {
    /// Who may sign, and how many are needed. Default: `policy` in `[trust]` of your own stagex.toml.
    #[arg(long, value_name = "FILE")]
    pub(crate) policy: Option<Utf8PathBuf>,

    /// The certificates: a file, or a directory of files. Default: `keyring` in `[trust]`, or
    /// `signatures/stagex-keyring.pgp` in the tree.
    #[arg(long, value_name = "FILE|DIR")]
    pub(crate) keyring: Option<Utf8PathBuf>,

    /// The signatures: a directory, or the address of a lookaside server. Default: `signatures` in
    /// `[trust]`, or `signatures/` in the tree.
    #[arg(long, value_name = "DIR|URL")]
    pub(crate) signatures: Option<String>,

    /// How many people must have signed. Default: what the policy says, or 2.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) threshold: Option<u32>,

    /// Agree to this certificate, whose whole fingerprint you have compared. May be given more than once:
    /// without a policy these certificates count, and no others, each as that of another person.
    #[arg(long = "fingerprint", value_name = "FINGERPRINT")]
    pub(crate) fingerprints: Vec<Fingerprint>,

    /// Where images are published, as signatures say it. Default: what the policy says, or `stagex`.
    #[arg(long, value_name = "NAME", conflicts_with = "policy")]
    pub(crate) registry: Option<Registry>,
}
