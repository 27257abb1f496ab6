//! An attempt to reproduce a package: what `stagex reproduce` found out, and the ledger keeps.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Digest, ErrorKind, RecordedSeed, Version};

/// An attempt to reproduce one image of one package.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Attempt {
    /// Raised when a field changes its meaning or goes away.
    pub version: Version<1>,
    /// The reproduction that it is a part of: 16 hex digits, the same for all attempts of one.
    pub reproduction: String,
    /// The package's full name, `<stage>-<name>`.
    pub package: String,
    /// The platform, if it is not the package's first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<String>,
    /// The version in `package.toml`, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package_version: Option<String>,
    /// The SHA-256 over all inputs, as 64 lower-case hex digits; null where a package could not even be prepared.
    pub key: Option<String>,
    /// The encoding of the image, such as `stagex-2026`.
    pub profile: String,
    /// The tree.
    pub tree: AttemptTree,
    /// What built it.
    pub runtime: AttemptRuntime,
    /// Where it was built.
    pub machine: AttemptMachine,
    /// The version of `stagex`.
    pub stagex: String,
    /// When it began: RFC 3339, UTC, whole seconds.
    pub started: String,
    /// How long it took, in seconds, all rounds together.
    pub seconds: f64,
    /// What its dependencies were.
    pub dependencies: DependencyOrigin,
    /// What it was built from.
    pub materials: Vec<Material>,
    /// The seeds that gave the image, each by builds of its own; absent for most packages.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub seeds: Vec<RecordedSeed>,
    /// How often it was built, and what was varied. The first round varies nothing.
    pub rounds: Vec<Round>,
    /// The digest in `digests/*.txt`, if there is one.
    pub recorded: Option<Digest>,
    /// The digest that all rounds have, if they agree.
    pub digest: Option<Digest>,
    /// What came of it.
    pub verdict: AttemptVerdict,
    /// Why it could not be built; null where it could.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<AttemptFailure>,
    /// The variation that changes the image, where rounds differ and it was found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broken_by: Option<String>,
    /// The log of the last build, as a path on the machine where it was built.
    pub log: Option<String>,
}

/// The tree that an attempt was made in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct AttemptTree {
    /// The commit that is checked out; null where it is no clone of Git.
    pub commit: Option<String>,
    /// Whether files that Git tracks differ from that commit.
    pub dirty: bool,
}

/// The runtime that an attempt was made with.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct AttemptRuntime {
    /// Its name, and the label where several of one name were asked for: `docker`, `docker@trixie`.
    pub name: String,
    /// The version of its program.
    pub version: String,
}

impl AttemptRuntime {
    /// Returns the name of its engine, without a label.
    pub fn engine(&self) -> &str {
        let engine = self.name.split_once('@');
        engine.map_or(&self.name, |(engine, _)| engine)
    }
}

/// The machine that an attempt was made on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct AttemptMachine {
    /// Who says so: whose the attempt is where it was imported, and the server where it was built by one. Null for attempts
    /// of this machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub whose: Option<String>,
    /// What the server calls the worker that built it; absent where no server did, or where it did not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker: Option<String>,
    /// The kernel's release; empty where nobody here can know it.
    pub kernel: String,
    /// The architecture, as the kernel calls it: `x86_64`.
    pub architecture: String,
    /// The vendor of the processor, as it says itself: `GenuineIntel`; empty where it does not say.
    pub cpu_vendor: String,
    /// The model of the processor; empty where it does not say.
    pub cpu_model: String,
    /// How many processors there are; 0 where nobody here can know it.
    pub processors: u32,
}

/// What the dependencies of an attempt were.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum DependencyOrigin {
    /// They were built in the same reproduction, by the same runtime.
    Built,
    /// They were images with the recorded digests, wherever they came from.
    Recorded,
}

/// Something that a package was built from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Material {
    /// What it is.
    pub kind: MaterialKind,
    /// The path in the tree of a file or a source, or the full name of a dependency.
    pub name: String,
    /// Its digest.
    pub digest: Digest,
    /// Where a source can be fetched from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mirrors: Vec<String>,
}

/// What a material is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum MaterialKind {
    /// The Containerfile.
    Containerfile,
    /// Another file of the package's directory.
    File,
    /// A source.
    Source,
    /// The image of a package that it is built from.
    Dependency,
}

/// One build of an attempt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Round {
    /// What was varied, by its name in docs/reproduce.md, and to what.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub variations: BTreeMap<String, String>,
    /// The digest of the image; null where there is none.
    pub digest: Option<Digest>,
    /// How long it took, in seconds.
    pub seconds: f64,
}

/// What came of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum AttemptVerdict {
    /// Every round has the recorded digest.
    Reproduced,
    /// All rounds have one digest, and it is not the recorded one.
    Differs,
    /// All rounds have one digest, and none is recorded.
    NotRecorded,
    /// The rounds do not have one digest.
    Unstable,
    /// It could not be built.
    Failed,
}

impl AttemptVerdict {
    /// Returns it as it is printed.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Reproduced => "reproduced",
            Self::Differs => "differs",
            Self::NotRecorded => "not recorded",
            Self::Unstable => "unstable",
            Self::Failed => "failed",
        }
    }
}

/// Why a package could not be built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct AttemptFailure {
    /// The kind of the error.
    pub kind: ErrorKind,
    /// One sentence.
    pub message: String,
    /// What the user can do about it; absent where nothing is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// The last lines of the log.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub last_lines: Vec<String>,
}

/// What the ledger lists: `stagex ledger`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Ledger {
    /// Raised when a field changes its meaning or goes away.
    pub version: Version<1>,
    /// The attempts, in the order in which they were recorded.
    pub attempts: Vec<Attempt>,
    /// What was signed, in the order in which it was.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub signings: Vec<Signing>,
}

/// That this user has signed an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Signing {
    /// Raised when a field changes its meaning or goes away.
    pub version: Version<1>,
    /// The package's full name, `<stage>-<name>`.
    pub package: String,
    /// The platform, if it is not the package's first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<String>,
    /// What is signed is the reference of, such as `stagex/core-musl:1.2.5`.
    pub reference: String,
    /// The digest that is signed.
    pub digest: Digest,
    /// The fingerprint of the certificate's primary key.
    pub certificate: String,
    /// The fingerprint of the key that signed.
    pub key: String,
    /// When: RFC 3339, UTC, whole seconds.
    pub signed: String,
    /// The names of the runtimes whose attempts speak for it.
    pub reproduced_by: Vec<String>,
    /// Why it was signed though something spoke against that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forced: Option<String>,
    /// What spoke against it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub against: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_has_no_label() {
        for (name, engine) in [
            ("docker", "docker"),
            ("docker@trixie", "docker"),
            ("docker@a@b", "docker"),
            ("native", "native"),
        ] {
            let runtime = AttemptRuntime {
                name: name.to_owned(),
                version: "1".to_owned(),
            };
            assert_eq!(runtime.engine(), engine);
        }
    }
}
