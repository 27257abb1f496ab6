//! What was published: `stagex publish`.

use serde::{Deserialize, Serialize};

use crate::{Digest, ErrorKind, Version};

/// What `stagex publish` did, or with `--dry-run` what it would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Publish {
    /// Raised when a field changes its meaning or goes away.
    pub version: Version<1>,
    /// Whether nothing was to be sent.
    pub dry_run: bool,
    /// Whether all packages had to be verified, as `stagex verify` does it.
    pub quorum: bool,
    /// Whether it was interrupted.
    pub interrupted: bool,
    /// The registries, in the order of the command line.
    pub registries: Vec<PublishedTo>,
}

/// What came of one registry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct PublishedTo {
    /// The registry, as it was named: `HOST[:PORT][/NAME]`.
    pub registry: String,
    /// Whether it has all packages now, with their tags.
    pub complete: bool,
    /// The packages, in the order of the plan.
    pub packages: Vec<PublishedPackage>,
}

/// A package, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct PublishedPackage {
    /// The package's full name, `<stage>-<name>`.
    pub package: String,
    /// Its name in the registry: `HOST/NAME:TAG`, or `HOST/NAME` if it has no version.
    pub image: String,
    /// The digest of its manifest, or of its index if it has several platforms.
    pub digest: Digest,
    /// What came of it.
    #[serde(flatten)]
    pub outcome: PublishOutcome,
}

/// What came of a package that was to be published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum PublishOutcome {
    /// It is there now, or with `--dry-run` all of it that was missing would be.
    Published {
        /// What was sent, or null with `--dry-run`.
        sent: Option<PublishedParts>,
    },
    /// All of it was there.
    Unchanged,
    /// It is not published: something else failed before its tags were set, or it was interrupted.
    Unpublished {
        /// What was sent all the same, or null if nothing was.
        sent: Option<PublishedParts>,
    },
    /// It is not published.
    Failed {
        /// Of which kind the failure is.
        kind: ErrorKind,
        /// Why.
        message: String,
        /// What can be done about it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        hint: Option<String>,
    },
}

/// What was sent of a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct PublishedParts {
    /// How many blobs were sent.
    pub blobs: usize,
    /// How many bytes those have.
    pub bytes: u64,
    /// How many blobs were mounted from another repository of the registry.
    pub mounted: usize,
    /// How many blobs were there.
    pub there: usize,
    /// How many signatures, statements and bills of materials were added.
    pub referrers: usize,
}
