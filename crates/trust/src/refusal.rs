//! Why a signature does not count.

use documents::{SignatureRefusal, rfc3339};

use crate::fingerprint::Fingerprint;
use crate::payload::Malformed;

/// Why a signature does not count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It is no signed message of OpenPGP, or one that has more in it.
    #[error("it is not a signed message of OpenPGP as gpg --sign writes it: {0}")]
    NotSigned(String),
    /// More is signed than any payload has.
    #[error("what is signed is larger than {0} bytes, and so no payload")]
    TooLarge(usize),
    /// There are several signatures in it.
    #[error("there are several signatures in it, where one is expected")]
    Several,
    /// It is a signature of text, which is changed before it is signed, or of something else.
    #[error("it signs {0}, where bytes as they are must be signed")]
    Kind(String),
    /// Nobody has the key.
    #[error("no certificate in the keyring has its key{}", said(.0))]
    UnknownKey(Vec<String>),
    /// Several have the key.
    #[error("its key {key} stands in several certificates: {}", list(.certificates))]
    SharedKey {
        /// The key.
        key: Fingerprint,
        /// The certificates.
        certificates: Vec<Fingerprint>,
    },
    /// The key could not sign then.
    #[error("its key could not sign at that time, or never: {0}")]
    Key(String),
    /// The key is revoked for good.
    #[error(
        "its key {0} is revoked since somebody else may have it: nothing that it ever signed counts"
    )]
    Revoked(Fingerprint),
    /// It does not hold.
    #[error("it does not hold: {0}")]
    Bad(String),
    /// What is signed is no payload.
    #[error(transparent)]
    Payload(#[from] Malformed),
    /// It is of something else.
    #[error("it is of {signed}, and was moved here")]
    Moved {
        /// What is signed.
        signed: String,
    },
    /// The tag is not that of the package.
    #[error("it is of {signed}, where the version {expected} is expected")]
    Tag {
        /// What is signed.
        signed: String,
        /// The tag that is expected.
        expected: String,
    },
    /// The key is good no longer, and the signer says alone that it was made before.
    #[error(
        "its key {why} on {date}, and nobody else shows that the signature was made before",
        date = rfc3339(*since)
    )]
    Lapsed {
        /// What happened to the key.
        why: &'static str,
        /// When.
        since: i64,
    },
    /// The certificate is nobody's.
    #[error("nobody in the policy has the certificate {0}")]
    Unlisted(Fingerprint),
    /// The SSH key is nobody's.
    #[error("nobody in the policy has the SSH key {0}")]
    UnlistedSsh(String),
    /// There is none.
    #[error("it is not signed")]
    Unsigned,
    /// What is signed is not a commit as git writes it.
    #[error("it is not a commit as git writes it: {0}")]
    Malformed(&'static str),
    /// It is no signature that is verified here.
    #[error("{0}, where one of OpenPGP or SSH is expected")]
    Form(&'static str),
    /// The person may not sign the package.
    #[error("{0} may not sign this package")]
    NotAllowed(String),
    /// The person is counted already.
    #[error("{0} is counted already")]
    Again(String),
    /// A machine signed.
    #[error("{0} is a machine, and only people count")]
    Machine(String),
}

impl Refusal {
    /// Returns the word that programs decide by.
    pub fn kind(&self) -> SignatureRefusal {
        match self {
            Self::NotSigned(_) => SignatureRefusal::NotSigned,
            Self::TooLarge(_) => SignatureRefusal::TooLarge,
            Self::Several => SignatureRefusal::Several,
            Self::Kind(_) => SignatureRefusal::Kind,
            Self::UnknownKey(_) => SignatureRefusal::UnknownKey,
            Self::SharedKey { .. } => SignatureRefusal::SharedKey,
            Self::Key(_) => SignatureRefusal::Key,
            Self::Revoked(_) => SignatureRefusal::Revoked,
            Self::Bad(_) => SignatureRefusal::Bad,
            Self::Payload(_) => SignatureRefusal::Payload,
            Self::Moved { .. } => SignatureRefusal::Moved,
            Self::Tag { .. } => SignatureRefusal::Tag,
            Self::Lapsed { .. } => SignatureRefusal::Lapsed,
            Self::Unlisted(_) | Self::UnlistedSsh(_) => SignatureRefusal::Unlisted,
            Self::Unsigned => SignatureRefusal::Unsigned,
            Self::Malformed(_) => SignatureRefusal::Malformed,
            Self::Form(_) => SignatureRefusal::Form,
            Self::NotAllowed(_) => SignatureRefusal::NotAllowed,
            Self::Again(_) => SignatureRefusal::Again,
            Self::Machine(_) => SignatureRefusal::Machine,
        }
    }
}

fn said(issuers: &[String]) -> String {
    if issuers.is_empty() {
        return ", which it does not name".to_owned();
    }
    format!(", {}", issuers.join(" or "))
}

fn list(certificates: &[Fingerprint]) -> String {
    let certificates: Vec<_> = certificates.iter().map(Fingerprint::as_str).collect();
    certificates.join(", ")
}
