//! How what was built compares with what is recorded: `stagex digests`.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Digest, VerifiedPackage, Version};

/// How what was built compares with what is recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Digests {
    /// Raised when a field changes its meaning or goes away.
    pub version: Version<1>,
    /// An element for each package, and one for each further platform of it.
    pub packages: Vec<SignedComparison>,
}

/// How an image compares with what is recorded of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Comparison {
    /// The package's full name, `<stage>-<name>`.
    pub name: String,
    /// The digest that `digests/` had before, if it had one.
    pub recorded: Option<Digest>,
    /// The digest of what lies in `out/`, if anything does.
    pub built: Option<Digest>,
    /// The platform; absent for the package's first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub platform: Option<String>,
}

/// How an image compares with what is recorded of it, and who has signed that.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct SignedComparison {
    /// How it compares.
    #[serde(flatten)]
    pub compared: Comparison,
    /// Who has signed the recorded digest; absent unless that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed: Option<SignedBy>,
}

/// Who has signed a recorded digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct SignedBy {
    /// Whether enough people have, and nothing speaks against it.
    pub verified: bool,
    /// The names of the people who count.
    pub people: Vec<String>,
    /// How many people are missing.
    pub missing: u32,
}

impl SignedBy {
    /// Returns who has signed all images of a package: each of its platforms.
    pub fn all<'a>(images: impl IntoIterator<Item = &'a VerifiedPackage>) -> Option<Self> {
        let of_each = images.into_iter().map(Self::from);
        of_each.reduce(|mut all, one| {
            all.verified &= one.verified;
            all.people.retain(|person| one.people.contains(person));
            all.missing = all.missing.max(one.missing);
            all
        })
    }

    /// Returns the names of the people who count.
    pub fn names(&self) -> String {
        match self.people.as_slice() {
            [] => "nobody who counts".to_owned(),
            people => people.join(", "),
        }
    }
}

impl fmt::Display for SignedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.names())?;
        match self.missing {
            0 if self.verified => Ok(()),
            0 => f.write_str("; not verified"),
            missing => write!(f, "; {missing} missing"),
        }
    }
}

impl From<&VerifiedPackage> for SignedBy {
    fn from(image: &VerifiedPackage) -> Self {
        Self {
            verified: image.verified,
            people: image.people.clone(),
            missing: image.missing,
        }
    }
}
