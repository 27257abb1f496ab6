//! Who has signed bytes apart from them, as commits and tags of git are signed: with OpenPGP or with SSH.
//!
//! It does not know what is signed.

use crate::keyring::Keyring;
use crate::message::detached;
use crate::policy::{Member, Policy};
use crate::refusal::Refusal;
use crate::ssh::SshSignature;

/// What each form of a signature begins with, and ends with.
const OPENPGP: [&str; 2] = [
    "-----BEGIN PGP SIGNATURE-----",
    "-----END PGP SIGNATURE-----",
];
const SSH: [&str; 2] = [
    "-----BEGIN SSH SIGNATURE-----",
    "-----END SSH SIGNATURE-----",
];
const X509: &str = "-----BEGIN SIGNED MESSAGE-----";

/// What a signature is made with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// OpenPGP.
    OpenPgp,
    /// SSH.
    Ssh,
}

/// What is known of who has signed something.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Signer {
    /// What it is made with, if there is one.
    pub form: Option<Form>,
    /// The key: its fingerprint, if it is known.
    pub key: Option<String>,
    /// When the signer says that it was made, in seconds since 1970, if it says so.
    pub made: Option<i64>,
    /// Whose it is, if it is somebody's in the policy.
    pub person: Option<String>,
    /// Why it does not count, if it does not.
    pub refusal: Option<Refusal>,
}

impl Signer {
    /// Returns who has signed, if that counts.
    pub fn counted(&self) -> Option<&str> {
        self.person.as_deref().filter(|_| self.refusal.is_none())
    }

    fn is(&mut self, member: &Member) -> Result<(), Refusal> {
        self.person = Some(member.name.clone());
        if member.machine {
            return Err(Refusal::Machine(member.name.clone()));
        }
        Ok(())
    }
}

impl From<Refusal> for Signer {
    fn from(refusal: Refusal) -> Self {
        Self {
            refusal: Some(refusal),
            ..Self::default()
        }
    }
}

/// Finds out who has made an armored signature of bytes, at the moment `now` in seconds since 1970. A key that has lapsed
/// since then counts nothing.
pub fn signer(
    policy: &Policy,
    keyring: &Keyring,
    bytes: &[u8],
    signature: &[u8],
    now: i64,
) -> Signer {
    let mut signer = Signer::default();
    signer.refusal = find(&mut signer, policy, keyring, (bytes, signature), now).err();
    signer
}

fn find(
    signer: &mut Signer,
    policy: &Policy,
    keyring: &Keyring,
    (bytes, signature): (&[u8], &[u8]),
    now: i64,
) -> Result<(), Refusal> {
    let text = String::from_utf8_lossy(signature);
    let begins = |form: [&str; 2]| text.lines().next() == Some(form[0]);
    if begins(OPENPGP) {
        signer.form = Some(Form::OpenPgp);
        is_whole(&text, OPENPGP)?;
        let signed = detached(keyring, bytes, signature, now).map_err(|refusal| match refusal {
            Refusal::NotSigned(why) => Refusal::Bad(why),
            other => other,
        })?;
        signer.key = Some(signed.key.to_string());
        signer.made = Some(signed.made);
        let Some(member) = policy.owner(&signed.certificate) else {
            return Err(Refusal::Unlisted(signed.certificate));
        };
        signer.is(member)?;
        return match signed.lapse {
            None => Ok(()),
            Some(lapse) => Err(Refusal::Lapsed {
                why: lapse.why,
                since: lapse.since,
            }),
        };
    }
    if begins(SSH) {
        signer.form = Some(Form::Ssh);
        is_whole(&text, SSH)?;
        let signature = SshSignature::read(signature)?;
        let key = signature.key();
        signer.key = Some(key.to_string());
        let Some(member) = policy.ssh_owner(&key) else {
            return Err(Refusal::UnlistedSsh(key.to_string()));
        };
        signature.verify(bytes)?;
        return signer.is(member);
    }
    Err(Refusal::Form(if text.starts_with(X509) {
        "it is a signature of X.509"
    } else {
        "it is no signature that is known"
    }))
}

/// Refuses what has anything behind the signature, or several.
fn is_whole(text: &str, form: [&str; 2]) -> Result<(), Refusal> {
    let beginnings = text.lines().filter(|line| line.starts_with("-----BEGIN "));
    if beginnings.count() > 1 {
        return Err(Refusal::Several);
    }
    if text.trim_end().lines().next_back() != Some(form[1]) {
        let why = "it does not end where its armor does".to_owned();
        return Err(Refusal::Bad(why));
    }
    Ok(())
}
