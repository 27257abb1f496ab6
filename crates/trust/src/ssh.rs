//! An SSH key of a person, and the signatures that it makes for git.
//!
//! Such a signature has no time, and such a key says nothing of itself: it counts as long as the policy has it. It is for
//! commits, and never for packages.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use serde::Deserialize;
use ssh_key::public::KeyData;
use ssh_key::{Algorithm, HashAlg, PublicKey, SshSig};

use crate::refusal::Refusal;

/// What git signs for. A signature that was made for something else is none of a commit.
const NAMESPACE: &str = "git";

/// How many bits the modulus of an RSA key has.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=4096;

/// How many bytes a security key adds to a signature: what its owner did, and how often it was used.
const FLAGS_AND_COUNTER: usize = 5;

/// That its owner touched a security key.
const TOUCHED: u8 = 1;

/// A public key of SSH.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct SshKey(PublicKey);

/// A text that is no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSshKey {
    /// It is none.
    #[error("`{0}` is not a public SSH key: expected a line such as `ssh-ed25519 AAAA...`")]
    Text(String),
    /// It is one that is not taken.
    #[error(
        "the SSH key {0} is not taken: expected Ed25519, ECDSA, one of these on a security key, or RSA of {least} to {most} bits",
        least = RSA_BITS.start(),
        most = RSA_BITS.end()
    )]
    Algorithm(String),
}

impl SshKey {
    /// Returns what kind of key it is, as SSH calls it.
    pub fn algorithm(&self) -> String {
        self.0.algorithm().to_string()
    }

    fn new(data: KeyData) -> Self {
        Self(PublicKey::new(data, ""))
    }

    fn is_taken(&self) -> bool {
        match self.0.key_data() {
            KeyData::Ed25519(_)
            | KeyData::Ecdsa(_)
            | KeyData::SkEd25519(_)
            | KeyData::SkEcdsaSha2NistP256(_) => true,
            KeyData::Rsa(key) => {
                let modulus = key.n.as_positive_bytes().unwrap_or_default();
                let leading = modulus
                    .first()
                    .map_or(0, |first| first.leading_zeros() as usize);
                RSA_BITS.contains(&(modulus.len() * 8 - leading))
            }
            _ => false,
        }
    }
}

/// Its fingerprint, as `ssh-keygen -l` prints it.
impl fmt::Display for SshKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fingerprint(HashAlg::Sha256).fmt(f)
    }
}

impl Ord for SshKey {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.key_data().cmp(other.0.key_data())
    }
}

impl PartialOrd for SshKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// What stands behind a key is for people, and no part of it.
impl FromStr for SshKey {
    type Err = InvalidSshKey;

    fn from_str(text: &str) -> Result<Self, InvalidSshKey> {
        let key = PublicKey::from_openssh(text.trim());
        let key = key.map_err(|_| InvalidSshKey::Text(text.to_owned()))?;
        let key = Self::new(key.key_data().clone());
        if key.is_taken() {
            return Ok(key);
        }
        Err(InvalidSshKey::Algorithm(key.to_string()))
    }
}

impl TryFrom<String> for SshKey {
    type Error = InvalidSshKey;

    fn try_from(text: String) -> Result<Self, InvalidSshKey> {
        text.parse()
    }
}

/// A signature that says which key has made it.
pub(crate) struct SshSignature(SshSig);

impl SshSignature {
    /// Reads one in its armor.
    pub(crate) fn read(armored: &[u8]) -> Result<Self, Refusal> {
        let read = SshSig::from_pem(armored);
        let signature = read.map_err(|error| Refusal::Bad(error.to_string()))?;
        Ok(Self(signature))
    }

    /// Returns the key that is said to have made it.
    pub(crate) fn key(&self) -> SshKey {
        SshKey::new(self.0.public_key().clone())
    }

    /// Refuses it unless that key has made it, of these bytes, for git.
    pub(crate) fn verify(&self, bytes: &[u8]) -> Result<(), Refusal> {
        if self.0.namespace() != NAMESPACE {
            let namespace = printable::line(self.0.namespace());
            return Err(Refusal::Bad(format!(
                "it was made for `{namespace}`, and not for git"
            )));
        }
        let is_of_security_key = matches!(
            self.0.algorithm(),
            Algorithm::SkEd25519 | Algorithm::SkEcdsaSha2NistP256
        );
        let signature = self.0.signature_bytes();
        let flags = signature
            .len()
            .checked_sub(FLAGS_AND_COUNTER)
            .and_then(|at| signature.get(at));
        if is_of_security_key && flags.is_none_or(|flags| flags & TOUCHED == 0) {
            let why = "nobody touched the security key".to_owned();
            return Err(Refusal::Bad(why));
        }
        let verified = self.key().0.verify(NAMESPACE, bytes, &self.0);
        verified.map_err(|error| Refusal::Bad(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const ED25519: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti";

    #[test]
    fn what_stands_behind_a_key_is_no_part_of_it() {
        let key: SshKey = ED25519.parse().unwrap();
        assert_eq!(
            format!("{ED25519} ada@example.org\n").parse(),
            Ok(key.clone())
        );
        assert!(key.to_string().starts_with("SHA256:"), "{key}");
        assert_eq!(key.algorithm(), "ssh-ed25519");
    }

    #[rstest]
    #[case::nothing("")]
    #[case::another_kind_than_it_says(&ED25519.replace("ssh-ed25519", "ssh-rsa"))]
    #[case::a_part(&ED25519[..40])]
    #[case::two_lines(&format!("{ED25519}\n{ED25519}"))]
    #[case::options_before_it(&format!("cert-authority {ED25519}"))]
    #[case::a_fingerprint("SHA256:UCUiLr7Pjs9wFFJMDByLgc3NrtdU344OgUM45wZPcIQ")]
    fn other_texts_are_no_ssh_keys(#[case] text: &str) {
        assert!(text.parse::<SshKey>().is_err(), "{text}");
    }
}
