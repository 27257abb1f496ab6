//! One signature: a signed message of OpenPGP, as `gpg --sign` writes it, or one apart from what is signed, whose key was
//! good when it says that it was made.
//!
//! A message is a closed form: perhaps compressed, once; then one announcement of a signature, what is signed, and the
//! signature; and nothing more. Whatever is not that is refused while it is read, so that what it would
//! unpack to does not matter. It knows OpenPGP and keyrings, and not what a signature is needed for.

use std::io::Read as _;

use openpgp::cert::Cert;
use openpgp::cert::amalgamation::key::ValidErasedKeyAmalgamation;
use openpgp::cert::amalgamation::{ValidAmalgamation as _, ValidateAmalgamation as _};
use openpgp::packet::key::PublicParts;
use openpgp::parse::stream::{
    DetachedVerifierBuilder, GoodChecksum, MessageLayer, MessageStructure, VerificationError,
    VerificationHelper, VerifierBuilder,
};
use openpgp::parse::{PacketParser, Parse as _};
use openpgp::policy::StandardPolicy;
use openpgp::types::SignatureType;
use openpgp::{KeyHandle, Packet};
use sequoia_openpgp as openpgp;

use crate::fingerprint::Fingerprint;
use crate::keyring::{Keyring, fingerprint, is_hard, policy, revoked_since, seconds, time};
use crate::refusal::Refusal;

/// How many bytes are signed at most: a payload has less.
const LARGEST: usize = 1024;

/// A signature that holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// What is signed.
    pub bytes: Vec<u8>,
    /// The certificate of the key.
    pub certificate: Fingerprint,
    /// The key, which may be a subkey.
    pub key: Fingerprint,
    /// When the signer says that it was made, in seconds since 1970.
    pub made: i64,
    /// What has happened to the key since then.
    pub lapse: Option<Lapse>,
}

/// Why a key that was good is good no longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lapse {
    /// What happened.
    pub why: &'static str,
    /// When.
    pub since: i64,
}

/// Reads and verifies one signature, at the moment `now` in seconds since 1970.
///
/// # Errors
///
/// It does not hold, or is something else.
pub fn verify(keyring: &Keyring, bytes: &[u8], now: i64) -> Result<Signed, Refusal> {
    // Every packet begins with this bit. The library would read armor and signed text as well.
    if bytes.first().is_none_or(|first| first & 0x80 == 0) {
        return Err(Refusal::NotSigned("it is not binary".to_owned()));
    }
    let policy = policy(now);
    let helper = Helper {
        keyring,
        now,
        next: Next::First,
        signed: None,
    };
    let verifier = VerifierBuilder::from_bytes(bytes)
        .map(|builder| builder.buffer_size(LARGEST))
        .and_then(|builder| builder.with_policy(&policy, time(now), helper));
    // What was said here, or what the library says.
    let mut verifier = verifier.map_err(|error| match error.downcast::<Refusal>() {
        Ok(refusal) => refusal,
        Err(error) => Refusal::NotSigned(format!("{error:#}")),
    })?;
    if !verifier.message_processed() {
        return Err(Refusal::TooLarge(LARGEST));
    }
    let mut bytes = Vec::new();
    let read = verifier
        .by_ref()
        .take(LARGEST as u64 + 1)
        .read_to_end(&mut bytes);
    read.map_err(|error| Refusal::NotSigned(error.to_string()))?;
    if bytes.len() > LARGEST {
        return Err(Refusal::TooLarge(LARGEST));
    }
    let helper = verifier.into_helper();
    if helper.next != Next::End {
        return Err(Refusal::NotSigned("it ends too early".to_owned()));
    }
    let not_signed = || Refusal::NotSigned("there is no signature in it".to_owned());
    let signed = helper.signed.ok_or_else(not_signed)?;
    Ok(Signed { bytes, ..signed })
}

/// Verifies a signature that stands apart from the bytes that are signed, at the moment `now` in seconds since 1970.
///
/// # Errors
///
/// It does not hold, or is something else.
pub fn verify_detached(
    keyring: &Keyring,
    bytes: &[u8],
    signature: &[u8],
    now: i64,
) -> Result<Signed, Refusal> {
    if signature.first().is_none_or(|first| first & 0x80 == 0) {
        return Err(Refusal::NotSigned("it is not binary".to_owned()));
    }
    detached(keyring, bytes, signature, now)
}

/// Verifies a signature that stands apart, and may be armored, as those of git are.
pub(crate) fn detached(
    keyring: &Keyring,
    bytes: &[u8],
    signature: &[u8],
    now: i64,
) -> Result<Signed, Refusal> {
    let policy = policy(now);
    let helper = Helper {
        keyring,
        now,
        next: Next::Signature,
        signed: None,
    };
    let read = |error: openpgp::anyhow::Error| match error.downcast::<Refusal>() {
        Ok(refusal) => refusal,
        Err(error) => Refusal::NotSigned(format!("{error:#}")),
    };
    let verifier = DetachedVerifierBuilder::from_bytes(signature)
        .and_then(|builder| builder.with_policy(&policy, time(now), helper));
    let mut verifier = verifier.map_err(read)?;
    verifier.verify_bytes(bytes).map_err(read)?;
    let not_signed = || Refusal::NotSigned("there is no signature in it".to_owned());
    let signed = verifier.into_helper().signed.ok_or_else(not_signed)?;
    Ok(Signed {
        bytes: bytes.to_owned(),
        ..signed
    })
}

/// The key that made a signature.
type Key<'a> = ValidErasedKeyAmalgamation<'a, PublicParts>;

/// Who answers while a message is read.
struct Helper<'a> {
    keyring: &'a Keyring,
    now: i64,
    next: Next,
    signed: Option<Signed>,
}

/// What comes next in a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    /// A compressed message, or the announcement of a signature.
    First,
    /// The announcement.
    Announcement,
    /// What is signed.
    Contents,
    /// The signature.
    Signature,
    /// Nothing.
    End,
}

impl Next {
    /// Returns what comes after a packet, if that may be there.
    fn after(self, packet: &Packet) -> Result<Self, Refusal> {
        match (self, packet) {
            (Self::First, Packet::CompressedData(_)) => Ok(Self::Announcement),
            (Self::First | Self::Announcement, Packet::OnePassSig(_)) => Ok(Self::Contents),
            (Self::Contents, Packet::Literal(_)) => Ok(Self::Signature),
            (Self::Signature, Packet::Signature(_)) => Ok(Self::End),
            (Self::Contents, Packet::OnePassSig(_)) | (Self::End, Packet::Signature(_)) => {
                Err(Refusal::Several)
            }
            (_, packet) => {
                let expected = match self {
                    Self::First | Self::Announcement => "the announcement of a signature",
                    Self::Contents => "what is signed",
                    Self::Signature => "the signature",
                    Self::End => "the end",
                };
                let why = format!("it has {} where {expected} is expected", packet.tag());
                Err(Refusal::NotSigned(why))
            }
        }
    }
}

impl VerificationHelper for Helper<'_> {
    fn inspect(&mut self, parser: &PacketParser<'_>) -> openpgp::Result<()> {
        self.next = self.next.after(&parser.packet)?;
        Ok(())
    }

    fn get_certs(&mut self, ids: &[KeyHandle]) -> openpgp::Result<Vec<Cert>> {
        Ok(self.keyring.with_keys(ids))
    }

    fn check(&mut self, structure: MessageStructure<'_>) -> openpgp::Result<()> {
        let mut results = Vec::new();
        for layer in structure {
            match layer {
                MessageLayer::Compression { .. } => {}
                MessageLayer::Encryption { .. } => {
                    return Err(Refusal::NotSigned("it is encrypted".to_owned()).into());
                }
                MessageLayer::SignatureGroup { results: group } => results.extend(group),
            }
        }
        let result = results.pop();
        if !results.is_empty() {
            return Err(Refusal::Several.into());
        }
        if let Some(result) = result {
            let good = result.map_err(|error| refused(&error))?;
            self.signed = Some(self.good(&good)?);
        }
        Ok(())
    }
}

impl Helper<'_> {
    /// Looks at a signature whose numbers are right.
    fn good(&self, good: &GoodChecksum<'_>) -> Result<Signed, Refusal> {
        let GoodChecksum { sig, ka } = good;
        if sig.typ() != SignatureType::Binary {
            return Err(Refusal::Kind(match sig.typ() {
                SignatureType::Text => "text".to_owned(),
                other => other.to_string(),
            }));
        }
        let key = ka.key().fingerprint();
        let mut certificates = self.keyring.owners(&key);
        let key = fingerprint(&key);
        let Some(certificate) = certificates.pop() else {
            return Err(Refusal::UnknownKey(vec![key.to_string()]));
        };
        if !certificates.is_empty() {
            certificates.push(certificate);
            return Err(Refusal::SharedKey { key, certificates });
        }
        if let Some(revoked) = hard_revocation(ka) {
            return Err(Refusal::Revoked(revoked));
        }
        Ok(Signed {
            bytes: Vec::new(),
            certificate,
            key,
            made: sig.signature_creation_time().map_or(0, seconds),
            lapse: lapse(ka, &policy(self.now), self.now),
        })
    }
}

/// Returns what is revoked for good: the certificate, or the key in it.
fn hard_revocation(key: &Key<'_>) -> Option<Fingerprint> {
    if is_hard(key.cert().primary_key().self_revocations()) {
        return Some(fingerprint(&key.cert().fingerprint()));
    }
    is_hard(key.amalgamation().self_revocations()).then(|| fingerprint(&key.key().fingerprint()))
}

/// Returns what makes a key no longer good, if something does.
fn lapse(key: &Key<'_>, policy: &StandardPolicy<'_>, now: i64) -> Option<Lapse> {
    let moment = time(now);
    let retired = |status: &_| {
        let since = revoked_since(status)?;
        Some(Lapse {
            why: "was retired",
            since,
        })
    };
    // What cannot be said any more was never there: no evidence is older.
    let gone = Lapse {
        why: "is no longer a part of its certificate",
        since: 0,
    };
    let Ok(valid) = key.cert().with_policy(policy, moment) else {
        return Some(gone);
    };
    let Ok(now_key) = key.amalgamation().clone().with_policy(policy, moment) else {
        return Some(gone);
    };
    let expired = |expires: Option<std::time::SystemTime>| {
        let since = expires.map(seconds).filter(|since| *since <= now)?;
        Some(Lapse {
            why: "expired",
            since,
        })
    };
    let lapses = [
        retired(&valid.revocation_status()),
        retired(&now_key.revocation_status()),
        expired(valid.primary_key().key_expiration_time()),
        expired(now_key.key_expiration_time()),
        (!now_key.for_signing()).then_some(Lapse {
            why: "lost its right to sign",
            since: 0,
        }),
    ];
    lapses.into_iter().flatten().min_by_key(|lapse| lapse.since)
}

/// Returns why a signature does not hold.
fn refused(error: &VerificationError<'_>) -> Refusal {
    match error {
        VerificationError::MissingKey { sig } => {
            let issuers = sig.get_issuers();
            Refusal::UnknownKey(issuers.iter().map(KeyHandle::to_hex).collect())
        }
        VerificationError::UnboundKey { error, .. } => Refusal::Key(format!("{error:#}")),
        VerificationError::BadKey { ka, error, .. } => match hard_revocation(ka) {
            Some(revoked) => Refusal::Revoked(revoked),
            None => Refusal::Key(format!("{error:#}")),
        },
        VerificationError::BadSignature { error, .. }
        | VerificationError::MalformedSignature { error, .. } => Refusal::Bad(format!("{error:#}")),
        VerificationError::UnknownSignature { sig } => Refusal::Bad(sig.error().to_string()),
        other => Refusal::Bad(other.to_string()),
    }
}
