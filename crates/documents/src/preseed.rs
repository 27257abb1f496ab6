//! Which packages were taken as others published them: `stagex preseed`.

use serde::{Deserialize, Serialize};

use crate::{Digest, SignedBy, Version};

/// What was taken, on whose word, and what has to be built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Preseed {
    /// Raised when a field changes its meaning or goes away.
    pub version: Version<1>,
    /// An element for each package, in the order of the plan.
    pub packages: Vec<PreseedPackage>,
}

/// What came of a package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct PreseedPackage {
    /// The full name.
    pub name: String,
    /// What came of it.
    pub outcome: PreseedOutcome,
    /// The recorded digests, one for each platform.
    pub digests: Vec<Digest>,
    /// Who has signed all of them.
    pub signed: SignedBy,
    /// What speaks against it besides.
    pub problems: Vec<String>,
}

/// What came of a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum PreseedOutcome {
    /// It was put into `out/`.
    Taken,
    /// It was there.
    There,
    /// It would be taken.
    Trusted,
    /// Not enough people have signed it.
    ToBuild,
}

impl PreseedOutcome {
    /// Returns it as it is printed.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Taken => "taken",
            Self::There => "there",
            Self::Trusted => "trusted",
            Self::ToBuild => "to build",
        }
    }
}
