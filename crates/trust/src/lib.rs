//! Who has signed which package: the payload of a signature, where signatures lie, whose they are, and
//! whether that is enough.
//!
//! It knows bytes and files. It does not know the tree, how anything is asked or printed.

mod diversity;
mod evidence;
mod fingerprint;
mod keyring;
mod lookaside;
mod message;
mod payload;
mod pins;
mod place;
mod podman;
mod policy;
mod quorum;
mod refusal;
mod release_number;
mod releases;
mod repository;
mod signer;
mod ssh;

pub use diversity::{Diversity, Reproduced, STATEMENTS_LIMIT};
pub use evidence::{Doubted, evidence};
pub use fingerprint::{Fingerprint, InvalidFingerprint};
pub use keyring::{Certificate, InvalidKeyring, KEYRING_LIMIT, Keyring, Revoked, SigningKey};
pub use lookaside::{InvalidLookaside, Lookaside};
pub use message::{Lapse, Signed, verify, verify_detached};
pub use payload::{InvalidName, Malformed, Payload, Registry};
pub use pins::{Pins, PinsError};
pub use place::{
    FILE_LIMIT, MOST, Place, StoredSignatures, Stray, file_name, first_free, number_of, numbers,
    places, read,
};
pub use podman::{Difference, NobodyLeft, PodmanPolicy, podman_policy, podman_registries};
pub use policy::{InvalidPolicy, Member, Policy, Reference};
pub use quorum::{Judged, Judgement, Wanted, judge, judge_all};
pub use refusal::Refusal;
pub use release_number::{InvalidReleaseNumber, ReleaseNumber, Releases};
pub use releases::{NoRelease, Release, SignedRelease, digests_of, release, signed_releases};
pub use repository::{Repository, TreeEntry, entries};
pub use signer::{Form, Signer, signer};
pub use ssh::{InvalidSshKey, SshKey};
