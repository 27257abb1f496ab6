//! Who has signed and who has merged what touches packages: `stagex verify --history`.

use serde::{Deserialize, Serialize};

use crate::{SignatureRefusal, Version};

/// Which commits of a range touch packages, who has signed each of them, and who has merged it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct History {
    /// Raised when a field changes its meaning or goes away.
    pub version: Version<1>,
    /// The commit before the range; null if it is all of history.
    pub from: Option<String>,
    /// The last commit of the range.
    pub to: String,
    /// How many commits there are in the range.
    pub commits: u64,
    /// Whether each change is verified, and nothing is missing.
    pub verified: bool,
    /// The commits that touch packages, the last first.
    pub changes: Vec<HistoryChange>,
    /// Commits and trees that are needed and are not in the clone, or are not what their names say.
    pub missing: Vec<String>,
}

/// A commit that touches packages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct HistoryChange {
    /// Its name.
    pub commit: String,
    /// The first line of its message.
    pub subject: String,
    /// Whether it is a merge, which touches packages itself.
    pub is_merge: bool,
    /// Whether one person has signed it, and another one has merged it.
    pub verified: bool,
    /// Its signature.
    pub signature: CommitSignature,
    /// The merge that brought it in; null if none did.
    pub merged: Option<HistoryMerge>,
    /// What speaks against it, for people; null if nothing does.
    pub problem: Option<String>,
}

/// The merge that brought in a commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct HistoryMerge {
    /// Its name.
    pub commit: String,
    /// Its signature.
    pub signature: CommitSignature,
}

/// What came of the signature of a commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct CommitSignature {
    /// What it is made with; null if there is none, or it is of an unknown form.
    pub form: Option<SignatureForm>,
    /// The fingerprint of its key, if that is known.
    pub key: Option<String>,
    /// When the signer says that it was made; null if it does not hold, and for SSH.
    pub made: Option<String>,
    /// Whose it is, if it is somebody's in the policy.
    pub person: Option<String>,
    /// Why it does not count; null if it does.
    pub refusal: Option<SignatureRefusal>,
    /// The same for people.
    pub message: Option<String>,
}

/// What a signature is made with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum SignatureForm {
    /// OpenPGP.
    Openpgp,
    /// SSH.
    Ssh,
}
