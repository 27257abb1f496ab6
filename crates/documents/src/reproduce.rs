//! What came of building packages again: `stagex reproduce`.

use serde::{Deserialize, Serialize};

use crate::{AttemptFailure, AttemptRuntime, AttemptVerdict, Digest, Version};

/// What came of a reproduction.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Reproduce {
    /// Raised when a field changes its meaning or goes away.
    pub version: Version<1>,
    /// Its name: 16 hex digits, which all of its attempts in the ledger have.
    pub reproduction: String,
    /// Whether it went on where an earlier run of the same command was interrupted.
    pub resumed: bool,
    /// Whether it was interrupted.
    pub interrupted: bool,
    /// The runtimes.
    pub runtimes: Vec<AttemptRuntime>,
    /// The images, in the order in which they can be built.
    pub images: Vec<ReproducedImage>,
    /// The packages whose recorded images were taken as they are, to build others from them; empty where everything that
    /// the packages need was reproduced as well.
    pub assumed: Vec<String>,
    /// Whether every package of the bootstrap has one digest from at least two runtimes; null where there is no package
    /// of the bootstrap.
    pub bootstrap_proven: Option<bool>,
}

/// An image that was built again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ReproducedImage {
    /// The package's full name, `<stage>-<name>`.
    pub package: String,
    /// The platform, if it is not the package's first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub platform: Option<String>,
    /// The digest in `digests/*.txt`, or null.
    pub recorded: Option<Digest>,
    /// Whether every runtime made the recorded image, or as many as have to.
    pub reproduced: bool,
    /// Whether runtimes made different images.
    pub disagree: bool,
    /// The digest that as many runtimes made as `--agree` asks for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agreed: Option<Digest>,
    /// What each runtime made of it.
    pub runtimes: Vec<ReproducedBy>,
}

/// What a runtime made of an image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ReproducedBy {
    /// The runtime, with its label.
    pub runtime: String,
    /// What its server calls the worker that built it, where one did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub worker: Option<String>,
    /// What came of it; null where it was not tried, because something that it needs is not there.
    pub verdict: Option<AttemptVerdict>,
    /// Whether that was found out in this run, and not in an earlier one.
    pub now: bool,
    /// The digest that it has, if it has one.
    pub digest: Option<Digest>,
    /// How long it took, in seconds.
    pub seconds: Option<f64>,
    /// The variation that changes the image, where rounds differ and it was found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub broken_by: Option<String>,
    /// Why it could not be built.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<AttemptFailure>,
    /// The log of its build.
    pub log: Option<String>,
}
