//! Certificates, and what they say of themselves: whose they are, since when and until when.
//!
//! It knows OpenPGP. It does not know which certificates somebody believes.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use openpgp::armor::{self, Kind};
use openpgp::cert::{Cert, CertParser};
use openpgp::packet::Signature;
use openpgp::parse::Parse as _;
use openpgp::policy::StandardPolicy;
use openpgp::serialize::SerializeInto as _;
use openpgp::types::{RevocationStatus, RevocationType};
use openpgp::{KeyHandle, KeyID};
use sequoia_openpgp as openpgp;

use crate::fingerprint::Fingerprint;

/// How many bytes a keyring may have.
pub const KEYRING_LIMIT: u64 = 64 << 20;

/// What an armored block begins and ends with, at the beginning of a line.
const BEGIN: &str = "-----BEGIN PGP ";
const END: &str = "-----END PGP ";

/// Certificates, by their fingerprints.
#[derive(Debug, Default)]
pub struct Keyring {
    certificates: BTreeMap<Fingerprint, Cert>,
    /// Which certificates have a key of this id.
    owners: BTreeMap<KeyID, BTreeSet<Fingerprint>>,
}

/// What a certificate says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// Its fingerprint.
    pub fingerprint: Fingerprint,
    /// Whose it is, as it says.
    pub user_ids: Vec<String>,
    /// When it was made, in seconds since 1970.
    pub made: i64,
    /// When it expires.
    pub expires: Option<i64>,
    /// Whether and how it is revoked.
    pub revoked: Option<Revoked>,
    /// Its keys that may sign now.
    pub signing_keys: Vec<SigningKey>,
}

/// A key that may sign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SigningKey {
    /// Its fingerprint: that of the certificate if it is the primary key.
    pub fingerprint: Fingerprint,
    /// When it expires.
    pub expires: Option<i64>,
}

/// How something is revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Revoked {
    /// Somebody else may have it, or nobody says why.
    Hard,
    /// It was retired or superseded, and was good before.
    Soft(i64),
}

/// Why bytes are not a keyring.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKeyring {
    /// Something in it is not a certificate.
    #[error("the certificate number {number} cannot be read: {why}")]
    Certificate {
        /// Which one, from 1.
        number: usize,
        /// Why.
        why: String,
    },
    /// There is a secret key in it.
    #[error("it has the secret key of {0}")]
    Secret(Fingerprint),
    /// An armored block is not one.
    #[error("its armor is damaged: {0}")]
    Armor(String),
    /// It is gpg's own format.
    #[error("it is a keybox of gpg, not an OpenPGP keyring")]
    Keybox,
    /// Nothing is in it.
    #[error("there is no certificate in it")]
    Empty,
}

impl InvalidKeyring {
    /// Returns what somebody can do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Secret(_) => {
                "remove it from there, and export without it: gpg --export FINGERPRINT"
            }
            _ => "write it with: gpg --export FINGERPRINT... > FILE",
        }
    }
}

impl Keyring {
    /// Adds the certificates of a file, armored or not. Two that are the same become one.
    ///
    /// # Errors
    ///
    /// It has anything else in it, or nothing.
    pub fn add(&mut self, bytes: &[u8]) -> Result<(), InvalidKeyring> {
        if bytes.get(8..12) == Some(b"KBXf") {
            return Err(InvalidKeyring::Keybox);
        }
        let mut found = Vec::new();
        if is_armored(bytes) {
            for block in blocks(bytes)? {
                read(&block, &mut found)?;
            }
        } else {
            read(bytes, &mut found)?;
        }
        if found.is_empty() {
            return Err(InvalidKeyring::Empty);
        }
        for certificate in found {
            self.insert(certificate)?;
        }
        Ok(())
    }

    fn insert(&mut self, certificate: Cert) -> Result<(), InvalidKeyring> {
        let fingerprint = fingerprint(&certificate.fingerprint());
        if certificate.is_tsk() {
            return Err(InvalidKeyring::Secret(fingerprint));
        }
        let merged = match self.certificates.remove(&fingerprint) {
            Some(known) => known.merge_public(certificate),
            None => Ok(certificate),
        };
        let merged = merged.map_err(|error| InvalidKeyring::Certificate {
            number: self.certificates.len() + 1,
            why: format!("{error:#}"),
        })?;
        verify_once(&merged);
        for key in merged.keys() {
            let owners = self.owners.entry(key.key().keyid()).or_default();
            owners.insert(fingerprint.clone());
        }
        self.certificates.insert(fingerprint, merged);
        Ok(())
    }

    /// Returns the fingerprints of all certificates.
    pub fn fingerprints(&self) -> impl Iterator<Item = &Fingerprint> {
        self.certificates.keys()
    }

    /// Returns what each certificate says of itself at a moment, in seconds since 1970.
    pub fn certificates(&self, now: i64) -> Vec<Certificate> {
        let policy = policy(now);
        let all = self.certificates.iter();
        all.map(|(fingerprint, certificate)| describe(fingerprint, certificate, &policy, now))
            .collect()
    }

    /// Returns a certificate as others can import it, if they can: its key must have said whose it is.
    pub fn export(&self, fingerprint: &Fingerprint) -> Option<Vec<u8>> {
        let exported = self.certificates.get(fingerprint)?.export_to_vec().ok()?;
        Some(exported).filter(|exported| !exported.is_empty())
    }

    /// Returns the certificates that may have one of these keys.
    pub(crate) fn with_keys(&self, handles: &[KeyHandle]) -> Vec<Cert> {
        let ids: BTreeSet<KeyID> = handles.iter().map(KeyID::from).collect();
        let owners: BTreeSet<_> = ids
            .iter()
            .filter_map(|id| self.owners.get(id))
            .flatten()
            .collect();
        let found = owners
            .into_iter()
            .map(|owner| self.certificates[owner].clone());
        found.collect()
    }

    /// Returns the certificates that have this very key.
    pub(crate) fn owners(&self, key: &openpgp::Fingerprint) -> Vec<Fingerprint> {
        let owners = self.owners.get(&KeyID::from(key)).into_iter().flatten();
        let has = |owner: &&Fingerprint| {
            let mut keys = self.certificates[*owner].keys();
            keys.any(|each| each.key().fingerprint() == *key)
        };
        owners.filter(has).cloned().collect()
    }
}

/// Verifies what a certificate says of itself. It remembers that, and so does each copy of it: there is one for each
/// signature of something else.
fn verify_once(certificate: &Cert) {
    for key in certificate.keys() {
        key.self_signatures()
            .chain(key.self_revocations())
            .for_each(drop);
    }
    for user in certificate.userids() {
        user.self_signatures()
            .chain(user.self_revocations())
            .for_each(drop);
    }
}

/// Returns what of OpenPGP is good enough at a moment: as time goes by, less is. A signature cannot choose an earlier
/// one.
pub(crate) fn policy(now: i64) -> StandardPolicy<'static> {
    StandardPolicy::at(time(now))
}

/// Tells whether one of these revocations says that somebody else may have what is revoked. It does not matter how good
/// its hash is: to forge a revocation, a second text of the same hash would be needed.
pub(crate) fn is_hard<'a>(mut revocations: impl Iterator<Item = &'a Signature>) -> bool {
    revocations.any(|revocation| {
        let reason = revocation.reason_for_revocation();
        // Who says no reason may mean any.
        reason.is_none_or(|(reason, _)| reason.revocation_type() == RevocationType::Hard)
    })
}

/// Returns since when something is revoked, if it is.
pub(crate) fn revoked_since(status: &RevocationStatus<'_>) -> Option<i64> {
    let RevocationStatus::Revoked(revocations) = status else {
        return None;
    };
    let since = revocations
        .iter()
        .map(|revocation| revocation.signature_creation_time());
    since.map(|since| since.map_or(0, seconds)).min()
}

/// Returns a moment of OpenPGP.
pub(crate) fn time(seconds: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds.try_into().unwrap_or(0))
}

/// Returns the seconds since 1970 of a moment of OpenPGP.
pub(crate) fn seconds(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_secs().try_into().unwrap_or(i64::MAX)
}

/// Returns a fingerprint as text.
pub(crate) fn fingerprint(found: &openpgp::Fingerprint) -> Fingerprint {
    Fingerprint::of_hex(found.to_hex())
}

fn describe(
    fingerprint_of: &Fingerprint,
    certificate: &Cert,
    policy: &StandardPolicy<'_>,
    now: i64,
) -> Certificate {
    let moment = time(now);
    let valid = certificate.with_policy(policy, moment).ok();
    let signing = valid.iter().flat_map(|valid| {
        let keys = valid.keys().alive().revoked(false).for_signing();
        keys.map(|key| SigningKey {
            fingerprint: fingerprint(&key.key().fingerprint()),
            expires: key.key_expiration_time().map(seconds),
        })
    });
    let signing_keys = signing.collect();
    let user_ids = certificate.userids();
    let user_ids = user_ids.map(|id| String::from_utf8_lossy(id.userid().value()).into_owned());
    let expires = valid
        .as_ref()
        .and_then(|valid| valid.primary_key().key_expiration_time());
    Certificate {
        fingerprint: fingerprint_of.clone(),
        user_ids: user_ids.collect(),
        made: seconds(certificate.primary_key().key().creation_time()),
        expires: expires.map(seconds),
        revoked: if is_hard(certificate.primary_key().self_revocations()) {
            Some(Revoked::Hard)
        } else {
            revoked_since(&certificate.revocation_status(policy, moment)).map(Revoked::Soft)
        },
        signing_keys,
    }
}

/// Tells whether bytes are armored: a block begins at the beginning of a line. What is not armored begins with a byte
/// that is no letter.
fn is_armored(bytes: &[u8]) -> bool {
    bytes.first().is_some_and(u8::is_ascii)
}

/// Returns what is in each armored block. What stands between blocks is for people.
fn blocks(bytes: &[u8]) -> Result<Vec<Vec<u8>>, InvalidKeyring> {
    let damaged = |why: &str| InvalidKeyring::Armor(why.to_owned());
    let text = std::str::from_utf8(bytes).map_err(|_| damaged("it is not text"))?;
    let mut blocks = Vec::new();
    let mut block: Option<String> = None;
    for line in text.lines() {
        match &mut block {
            None if line.starts_with(BEGIN) => block = Some(format!("{line}\n")),
            None => {}
            Some(_) if line.starts_with(BEGIN) => return Err(damaged("a block begins in a block")),
            Some(begun) => {
                begun.push_str(line);
                begun.push('\n');
                if line.starts_with(END) {
                    blocks.push(dearmor(begun)?);
                    block = None;
                }
            }
        }
    }
    if block.is_some() {
        return Err(damaged("the last block has no end"));
    }
    Ok(blocks)
}

fn dearmor(block: &str) -> Result<Vec<u8>, InvalidKeyring> {
    let mode = armor::ReaderMode::Tolerant(Some(Kind::PublicKey));
    let mut reader = armor::Reader::from_bytes(block.as_bytes(), mode);
    let mut bytes = Vec::new();
    std::io::copy(&mut reader, &mut bytes)
        .map_err(|error| InvalidKeyring::Armor(format!("{error:#}")))?;
    Ok(bytes)
}

fn read(bytes: &[u8], found: &mut Vec<Cert>) -> Result<(), InvalidKeyring> {
    let wrong = |number: usize, why: String| InvalidKeyring::Certificate {
        number: number + 1,
        why,
    };
    let parser = CertParser::from_bytes(bytes);
    let parser = parser.map_err(|error| wrong(found.len(), format!("{error:#}")))?;
    for certificate in parser {
        let number = found.len();
        found.push(certificate.map_err(|error| wrong(number, format!("{error:#}")))?);
    }
    Ok(())
}
