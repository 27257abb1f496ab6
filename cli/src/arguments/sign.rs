//! The options of `stagex sign`.

use camino::Utf8PathBuf;
use clap::Args;

/// Where images are published, as StageX's signatures name it.
const STAGEX: &str = "stagex";

const SIGN: &str = "\
Examples:
  stagex sign core-musl                       sign a package that this machine has reproduced
  stagex sign --key 0xABCD1234 --yes          everything, with another key than git's, without asking
  stagex sign --dry-run                       show what may be signed, and why the rest may not
  stagex sign --export batch core-musl        write what is to be signed, for a machine without a network
  stagex sign --import batch --key ann@x.org  put the signatures that were made there into their places

What is signed is the digest in digests/*.txt, and only what this machine has reproduced from the files that the
tree has now (`stagex reproduce`, `stagex ledger`). GnuPG signs, with the key that was chosen and with no other:
--key, or git's user.signingkey. STAGEX_GPG and STAGEX_GPG_SIGN name other programs than gpg.

Exit codes: 8 if something may not be signed; then nothing is, unless --keep-going is given.";

#[derive(Debug, Args)]
#[command(after_help = SIGN)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one independent flag"
)]
pub(crate) struct Sign {
    /// The packages, as for make, without what they need. Default: all.
    #[arg(value_name = "TARGET")]
    pub(crate) targets: Vec<String>,

    /// The key, as gpg takes it: a fingerprint, or with `!` behind it this key and no subkey. Default: git's
    /// user.signingkey, of your own configuration.
    #[arg(long, value_name = "KEY")]
    pub(crate) key: Option<String>,

    /// The directory with the signatures. Default: the one of `signatures` in `[trust]`, or signatures/ in the tree.
    #[arg(long, value_name = "DIR")]
    pub(crate) signatures: Option<Utf8PathBuf>,

    /// Where images are published, as signatures name it.
    #[arg(long, value_name = "NAME", default_value = STAGEX)]
    pub(crate) registry: trust::Registry,

    /// Sign without asking.
    #[arg(short, long)]
    pub(crate) yes: bool,

    /// Sign what may be signed, even if something else may not.
    #[arg(short, long)]
    pub(crate) keep_going: bool,

    /// Show what would be signed, and sign nothing.
    #[arg(short = 'n', long, conflicts_with_all = ["key", "yes", "signatures", "no_evidence", "policy"])]
    pub(crate) dry_run: bool,

    /// Sign what this machine has not reproduced, or has in a tree with changes. The reason is kept in the ledger, with
    /// what speaks against it. What came out as another image is not signed.
    #[arg(long, value_name = "REASON", value_parser = clap::builder::NonEmptyStringValueParser::new(), conflicts_with = "ci")]
    pub(crate) force: Option<String>,

    /// Sign only what two different runtimes have reproduced, with a key that the policy has as a machine's which may
    /// sign it, and do not ask: for builders that nobody watches.
    #[arg(long)]
    pub(crate) ci: bool,

    /// With --ci: the policy. Default: `policy` in `[trust]` of your own stagex.toml.
    #[arg(long, value_name = "FILE", requires = "ci")]
    pub(crate) policy: Option<Utf8PathBuf>,

    /// Sign no statements on how the packages were reproduced. Without it there is one for each runtime, beside
    /// the signature.
    #[arg(long)]
    pub(crate) no_evidence: bool,

    /// Write what is to be signed into this directory, which is not there yet, and sign nothing.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["key", "dry_run", "ci", "yes", "signatures", "no_evidence"])]
    pub(crate) export: Option<Utf8PathBuf>,

    /// Put the signatures in a directory that --export wrote into their places, after each was verified.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["export", "dry_run", "ci", "force", "targets", "registry", "yes", "keep_going", "no_evidence"])]
    pub(crate) import: Option<Utf8PathBuf>,
}

impl Default for Sign {
    fn default() -> Self {
        Self {
            targets: Vec::new(),
            key: None,
            signatures: None,
            registry: STAGEX.parse().expect("it is the name of a registry"),
            yes: false,
            keep_going: false,
            dry_run: false,
            force: None,
            ci: false,
            policy: None,
            no_evidence: false,
            export: None,
            import: None,
        }
    }
}
