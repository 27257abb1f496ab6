//! What was signed: `stagex sign`.

use serde::{Deserialize, Serialize};

use crate::Digest;
use crate::Version;

/// What `stagex sign` did, or with `--dry-run` what it would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Sign {
    /// Raised when a field changes its meaning or goes away.
    pub version: Version<1>,
    /// The fingerprint of the certificate's primary key; null where nobody was asked to sign.
    pub certificate: Option<String>,
    /// Whether it was interrupted, so that some of it is not signed.
    pub interrupted: bool,
    /// The images, in the order of the plan.
    pub images: Vec<SignedImage>,
}

/// An image, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct SignedImage {
    /// The package's full name, `<stage>-<name>`.
    pub package: String,
    /// The platform, if it is not the package's first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<String>,
    /// What came of it.
    #[serde(flatten)]
    pub outcome: SignOutcome,
}

/// What came of an image that was to be signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum SignOutcome {
    /// It was signed.
    Signed {
        /// What is signed.
        #[serde(flatten)]
        what: SignedWhat,
        /// The path of the signature, below the directory of signatures.
        path: String,
        /// The fingerprint of the key that signed.
        key: String,
    },
    /// The same certificate had signed it before.
    Already {
        /// What is signed.
        #[serde(flatten)]
        what: SignedWhat,
        /// The path of the signature, below the directory of signatures.
        path: String,
    },
    /// It may be signed, and was not: with `--dry-run`, with `--export`, or after an interruption.
    Unsigned {
        /// What would be signed.
        #[serde(flatten)]
        what: SignedWhat,
    },
    /// It may not be signed.
    Refused {
        /// Why not.
        message: String,
        /// What can be done about it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        hint: Option<String>,
    },
}

/// What is signed, and what speaks for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct SignedWhat {
    /// The image's reference, such as `stagex/core-musl:1.2.5`.
    pub reference: String,
    /// The digest of its manifest.
    pub digest: Digest,
    /// The labels of the runtimes that reproduced it here.
    pub reproduced_by: Vec<String>,
    /// Why it is signed though something speaks against that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forced: Option<String>,
    /// What speaks against it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub against: Option<String>,
    /// The commit since which this digest is recorded, if one has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<RecordedSince>,
}

/// What has become of a package since a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SinceRelease {
    /// The release: the last one before that somebody of the policy has signed.
    pub release: String,
    /// The digest that it has of the image, if it has one.
    pub digest: Option<Digest>,
    /// The files of the package that have changed since, relative to the tree.
    pub changed: Vec<String>,
}

/// The commit that a recorded digest came with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RecordedSince {
    /// The commit, in hex.
    pub commit: String,
    /// When it was committed: RFC 3339.
    pub date: String,
}

/// What is carried to a machine that signs and has no network: `batch.json` of `stagex sign --export`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SignBatch {
    /// Raised when a field changes its meaning or goes away.
    pub version: Version<1>,
    /// The images, each of which has a payload.
    pub images: Vec<BatchImage>,
}

/// An image that is to be signed elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct BatchImage {
    /// The package's full name, `<stage>-<name>`.
    pub package: String,
    /// The platform, if it is not the package's first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<String>,
    /// The image's reference.
    pub reference: String,
    /// The digest of its manifest.
    pub digest: Digest,
    /// The path of the bytes that are signed, in the batch.
    pub payload: String,
    /// The labels of the runtimes that reproduced it.
    pub reproduced_by: Vec<String>,
    /// Why it is to be signed though something speaks against that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forced: Option<String>,
    /// What speaks against it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub against: Option<String>,
    /// The commit since which this digest is recorded, if one has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<RecordedSince>,
    /// What has become of it since the last release, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub released: Option<SinceRelease>,
}
