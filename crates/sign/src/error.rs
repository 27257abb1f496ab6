//! What keeps packages from being signed, and what to do about it.

use documents::ErrorKind;

/// Why nothing could be signed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// GnuPG is not installed.
    #[error("`{program}` is not installed")]
    Missing {
        /// What was looked for.
        program: String,
        /// Why it was not found.
        source: process::Error,
    },
    /// It could not be run to its end.
    #[error("cannot run gpg")]
    Run(#[source] process::Error),
    /// The key is not there.
    #[error("gpg knows no key `{key}`")]
    NoKey {
        /// What was asked for.
        key: String,
    },
    /// Several certificates are meant.
    #[error("`{key}` is more than one key: {}", found.join(", "))]
    Ambiguous {
        /// What was asked for.
        key: String,
        /// The fingerprints of what was found.
        found: Vec<String>,
    },
    /// The key cannot sign now.
    #[error("the key {fingerprint} {why}")]
    Unusable {
        /// Its fingerprint.
        fingerprint: String,
        /// Why it cannot.
        why: &'static str,
    },
    /// GnuPG did not do what it was asked.
    #[error("gpg failed{}", last_line(message))]
    Failed {
        /// What it said.
        message: String,
    },
    /// What it made was signed with something else than what was asked for.
    #[error("gpg signed with {found}, and {expected} was asked for")]
    OtherKey {
        /// The fingerprint of what it signed with.
        found: String,
        /// The fingerprint of what it should have signed with.
        expected: String,
    },
    /// The signature is of a kind that nobody should believe.
    #[error("gpg signed with the hash algorithm {0}, which is broken")]
    WeakHash(&'static str),
    /// What GnuPG gave as the certificate is none.
    #[error("gpg did not give a certificate")]
    Certificate(#[from] trust::InvalidKeyring),
    /// The signature is not what it should be.
    #[error("the signature does not hold")]
    NotVerified(#[source] trust::Refusal),
    /// Other bytes are signed.
    #[error("the signature is of something else than what was to be signed")]
    OtherBytes,
    /// The key cannot sign any more.
    #[error("the key {0}")]
    Lapsed(&'static str),
    /// A signature could not be put into its place.
    #[error("cannot write a signature into {place}")]
    Place {
        /// The directory.
        place: camino::Utf8PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// There are as many signatures as anybody looks at.
    #[error("{place} has {} signatures, which is the limit", trust::MOST)]
    Full {
        /// The directory.
        place: camino::Utf8PathBuf,
    },
}

impl Error {
    /// Returns what kind of error it is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::NoKey { .. } | Self::Ambiguous { .. } => ErrorKind::Usage,
            Self::NotVerified(_) | Self::OtherBytes | Self::Lapsed(_) => ErrorKind::NotVerified,
            _ => ErrorKind::Environment,
        }
    }

    /// Returns what the user can do about it.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Missing { .. } => "install GnuPG, or set STAGEX_GPG to the program",
            Self::NoKey { .. } => "`gpg --list-secret-keys` lists the keys that can sign",
            Self::Ambiguous { .. } => "name one by its fingerprint",
            Self::Unusable { .. } => "name another key with --key",
            Self::Failed { .. } => {
                "is the card there, and can gpg ask for the PIN? the same command of gpg alone shows it"
            }
            Self::OtherKey { .. } => {
                "look for `local-user` and `default-key` in gpg.conf, and at STAGEX_GPG_SIGN"
            }
            Self::WeakHash(_) => {
                "look for `digest-algo` and `personal-digest-preferences` in gpg.conf"
            }
            Self::Place { .. } => "what was signed before is in its place; run the command again",
            Self::Full { .. } => "remove signatures that do not count; `stagex verify` says which",
            Self::NotVerified(_) | Self::OtherBytes | Self::Lapsed(_) => {
                "it was not written; look at gpg.conf, and at STAGEX_GPG_SIGN"
            }
            Self::Run(_) | Self::Certificate(_) => return None,
        };
        Some(hint.to_owned())
    }
}

/// Returns the last line of what a program said, to be put behind a sentence.
fn last_line(message: &str) -> String {
    let mut lines = message.lines().map(str::trim);
    let last = lines.rfind(|line| !line.is_empty());
    last.map_or_else(String::new, |line| format!(": {line}"))
}
