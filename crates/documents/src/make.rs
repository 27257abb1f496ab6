//! What became of each package, and what targets asked for beside building: `stagex make`.

use serde::{Deserialize, Serialize};

use crate::{Comparison, Contents, Digest, ErrorKind, Reason, Version};

/// What `stagex make` did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Make {
    /// Raised when a field changes its meaning or goes away.
    pub version: Version<1>,
    /// The runtime that built.
    pub runtime: String,
    /// Whether the work was interrupted.
    pub interrupted: bool,
    /// The packages of the plan, in its order.
    pub packages: Vec<MadePackage>,
    /// What a server has done, where one built.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remote: Option<MadeByServer>,
    /// With the target `digests`: how what was built compares with what was recorded before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digests: Option<Vec<Comparison>>,
    /// With the target `new-digests`: only what differs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new_digests: Option<Vec<Comparison>>,
    /// With targets `digests-X`: the images of those packages, one for each platform.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub images: Option<Vec<PlatformImage>>,
    /// With targets `content-X`: what is in the images of those packages.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contents: Option<Vec<Contents>>,
    /// With targets `import-X`: the names that images have now in the engine's store.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub imported: Option<Vec<String>>,
}

/// What a server has done for `stagex make`, and what was moved for that.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct MadeByServer {
    /// Its address.
    pub server: String,
    /// How many images its workers have built.
    pub built: u64,
    /// How many images it had already.
    pub cached: u64,
    /// How many bytes were sent to it.
    pub sent_bytes: u64,
    /// How many bytes were received from it.
    pub received_bytes: u64,
    /// How often something was lost, and done again.
    pub again: u64,
    /// How long its workers have built, all together, in seconds.
    pub busy_seconds: f64,
    /// How long the whole work took, in seconds.
    pub seconds: f64,
}

/// A package, and what became of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct MadePackage {
    /// Its full name, `<stage>-<name>`.
    pub name: String,
    /// What became of it.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// What became of a package.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum Outcome {
    /// It was there, made from the same inputs.
    Fresh {
        /// The digest of its manifest, or of its index if it has several platforms.
        digest: Digest,
    },
    /// It was built.
    Built {
        /// Why it was built.
        #[serde(skip_serializing_if = "Option::is_none")]
        reasons: Option<Vec<Reason>>,
        /// The digest of its manifest, or of its index if it has several platforms.
        digest: Digest,
        /// How long its build took, in seconds.
        seconds: f64,
    },
    /// It could not be built.
    Failed {
        /// Why its build was begun; absent if it was not.
        #[serde(skip_serializing_if = "Option::is_none")]
        reasons: Option<Vec<Reason>>,
        /// Why it could not be built.
        message: String,
        /// The path of the file with the engine's output.
        log: String,
        /// What kind of error it is.
        kind: ErrorKind,
        /// Whether the same command may succeed if it is run again, and nothing is changed before.
        may_pass: bool,
        /// What can be done about it, if that is known.
        #[serde(skip_serializing_if = "Option::is_none")]
        hint: Option<String>,
    },
    /// It was not tried, or not finished: something that it needs failed, or the work was stopped.
    Skipped {
        /// Why its build was begun; absent if it was not.
        #[serde(skip_serializing_if = "Option::is_none")]
        reasons: Option<Vec<Reason>>,
    },
}

/// The image of a package for one platform.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct PlatformImage {
    /// The package's full name, `<stage>-<name>`.
    pub name: String,
    /// The digest of its manifest.
    pub digest: Digest,
    /// The platform, `os/architecture`.
    pub platform: String,
}
