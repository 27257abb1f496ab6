//! Who has signed what, and who may: `stagex verify` and `stagex keys`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Digest, Version};

/// Who has signed which package, and whether that is enough.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Verify {
    /// Raised when a field changes its meaning or goes away.
    pub version: Version<1>,
    /// Where images are published, as signatures say it.
    pub registry: String,
    /// How many people must have signed.
    pub threshold: u32,
    /// The release that is checked out, if the policy asks for one, and it is one that counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<VerifiedRelease>,
    /// An element for each image: each platform of each package, in the order of the plan.
    pub packages: Vec<VerifiedPackage>,
}

impl Verify {
    /// Returns the images of each package.
    pub fn by_package(&self) -> BTreeMap<&str, Vec<&VerifiedPackage>> {
        let mut packages: BTreeMap<&str, Vec<&VerifiedPackage>> = BTreeMap::new();
        for image in &self.packages {
            packages.entry(&image.name).or_default().push(image);
        }
        packages
    }
}

/// A release whose tag somebody of the policy has signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct VerifiedRelease {
    /// What it is called.
    pub name: String,
    /// Who has signed it.
    pub person: String,
    /// When they say that they did.
    pub made: String,
}

/// Who has signed an image of a package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct VerifiedPackage {
    /// The package's full name, `<stage>-<name>`.
    pub name: String,
    /// The platform, if it is not the package's first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<String>,
    /// The recorded digest, if one is.
    pub digest: Option<Digest>,
    /// Whether enough people have signed it, and nothing speaks against it.
    pub verified: bool,
    /// Whether this machine has reproduced this digest, as its ledger says.
    pub reproduced: bool,
    /// The names of the people who count.
    pub people: Vec<String>,
    /// How many people are missing.
    pub missing: u32,
    /// The vendors of processors on which the people who count say that they have reproduced it.
    pub cpu_vendors: Vec<String>,
    /// The runtimes with which they say that they have.
    pub runtimes: Vec<String>,
    /// What speaks against it, or does not count, besides signatures.
    pub problems: Vec<String>,
    /// Every signature that was looked at.
    pub signatures: Vec<VerifiedSignature>,
}

/// What came of a signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct VerifiedSignature {
    /// Its number: that of `signature-<N>`.
    pub number: u32,
    /// The fingerprint of its certificate, if it holds.
    pub certificate: Option<String>,
    /// The fingerprint of its key, if it holds.
    pub key: Option<String>,
    /// When the signer says that it was made, if it holds.
    pub made: Option<String>,
    /// Whose it is, if it is somebody's in the policy.
    pub person: Option<String>,
    /// Why it does not count; null if it does.
    pub refusal: Option<SignatureRefusal>,
    /// The same for people.
    pub message: Option<String>,
}

/// Why a signature does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum SignatureRefusal {
    /// It is no signed message, or has more in it.
    NotSigned,
    /// More is signed than a payload has.
    TooLarge,
    /// There are several signatures in it.
    Several,
    /// It is not a signature of bytes.
    Kind,
    /// No certificate in the keyring has its key.
    UnknownKey,
    /// Several certificates have its key.
    SharedKey,
    /// Its key could not sign when it was made.
    Key,
    /// Its key is revoked, and nothing that it signed counts.
    Revoked,
    /// It does not hold.
    Bad,
    /// What is signed is no payload.
    Payload,
    /// It is of another package or digest.
    Moved,
    /// It is of another version.
    Tag,
    /// Its key expired or was retired later, and nothing else says that it was made before.
    Lapsed,
    /// Its certificate, or its SSH key, is nobody's in the policy.
    Unlisted,
    /// A commit has no signature.
    Unsigned,
    /// A commit is not one as git writes it.
    Malformed,
    /// It is neither one of OpenPGP nor of SSH.
    Form,
    /// Its signer may not sign this package.
    NotAllowed,
    /// Its signer is counted already.
    Again,
    /// Its signer is a machine.
    Machine,
}

/// Who may sign, by which certificates, and who signed how much.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Keys {
    /// Raised when a field changes its meaning or goes away.
    pub version: Version<1>,
    /// Where images are published, as signatures say it.
    pub registry: String,
    /// How many people must have signed.
    pub threshold: u32,
    /// The people, in the order of the policy.
    pub people: Vec<Person>,
    /// Certificates of the keyring that are nobody's.
    pub unlisted: Vec<CertificateState>,
}

/// Somebody who may sign.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Person {
    /// The name.
    pub name: String,
    /// Whether it is a machine, which never counts toward a quorum.
    pub machine: bool,
    /// What may be signed; all packages if there is nothing here.
    pub packages: Vec<String>,
    /// How many packages the signatures are of that hold; null where signatures are on a server, which lists nothing.
    pub signed: Option<u32>,
    /// The certificates.
    pub certificates: Vec<CertificateState>,
    /// The fingerprints of the SSH keys, which sign commits and no packages.
    pub ssh: Vec<String>,
}

/// What a certificate says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct CertificateState {
    /// The fingerprint.
    pub fingerprint: String,
    /// Whether it is in the keyring; if not, nothing else is known.
    pub found: bool,
    /// Whose it is, as it says.
    pub user_ids: Vec<String>,
    /// When it was made.
    pub made: Option<String>,
    /// When it expires, if it does.
    pub expires: Option<String>,
    /// Whether it can sign now.
    pub state: KeyState,
    /// The fingerprints of its keys that can sign now.
    pub signing_keys: Vec<String>,
}

/// Whether a certificate can sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum KeyState {
    /// It can.
    Good,
    /// It expired.
    Expired,
    /// It was retired or superseded.
    Retired,
    /// It was revoked, and nothing that it signed counts.
    Revoked,
    /// It has no key that can sign.
    Unable,
    /// It is not in the keyring.
    Missing,
}
