//! Attestations: what an attempt to reproduce a package says to others, as in-toto statements (`stagex attest`). The
//! names of the fields of a statement and of its provenance are those of in-toto and of SLSA.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    AttemptMachine, AttemptRuntime, AttemptTree, AttemptVerdict, DependencyOrigin, Digest,
    RecordedSeed, Round, Version,
};

/// The attestations of the last attempts that succeeded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Attestations {
    /// Raised when a field changes its meaning or goes away.
    pub version: Version<1>,
    /// The statements: of each attempt its provenance, and then its reproduction.
    pub statements: Vec<Statement>,
}

/// An in-toto statement, version 1. It is not signed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Statement {
    /// The type of the statement: `https://in-toto.io/Statement/v1`.
    #[serde(rename = "_type")]
    pub statement_type: String,
    /// The image that it is about.
    pub subject: Vec<ResourceDescriptor>,
    /// What kind of predicate it has, as a URI.
    pub predicate_type: String,
    /// What it says of the image.
    pub predicate: Predicate,
}

/// A statement with signatures: an envelope as DSSE defines it, version 1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Envelope {
    /// The type of what is signed.
    pub payload_type: String,
    /// What is signed, as Base64.
    pub payload: String,
    /// The signatures.
    pub signatures: Vec<EnvelopeSignature>,
}

/// A signature in an envelope.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnvelopeSignature {
    /// What says which key signed.
    #[serde(default)]
    pub keyid: String,
    /// The signature, as Base64.
    pub sig: String,
}

/// What a statement says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum Predicate {
    /// What the image was built from, and by what.
    Provenance(Box<Provenance>),
    /// How it was built again, and what came of it.
    Reproduction(Box<Reproduction>),
}

/// Something with a digest, as in-toto describes it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ResourceDescriptor {
    /// What it is called.
    pub name: String,
    /// Where it can be had; absent where that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
    /// Its digests in hex, by algorithm: `sha256`, and `gitCommit` of the tree.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub digest: BTreeMap<String, String>,
    /// What else there is to say of it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// SLSA provenance, version 1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Provenance {
    /// What was built, and from what.
    pub build_definition: BuildDefinition,
    /// What built it.
    pub run_details: RunDetails,
}

/// What was built, and from what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct BuildDefinition {
    /// How the parameters are to be understood, as a URI.
    pub build_type: String,
    /// What was asked for.
    pub external_parameters: BuildParameters,
    /// Everything that it was built from.
    pub resolved_dependencies: Vec<ResourceDescriptor>,
}

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct BuildParameters {
    /// The full name of the package.
    pub package: String,
    /// Its version, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package_version: Option<String>,
    /// The platform, if it is not the package's first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<String>,
    /// The encoding of the image.
    pub profile: String,
}

/// What built an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct RunDetails {
    /// The builder.
    pub builder: Builder,
    /// When it was built.
    pub metadata: BuildMetadata,
}

/// A builder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Builder {
    /// Which it is, as a URI.
    pub id: String,
    /// The versions of what it consists of: `stagex` and the runtime.
    pub version: BTreeMap<String, String>,
}

/// When an image was built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct BuildMetadata {
    /// The reproduction that it is a part of.
    pub invocation_id: String,
    /// When it began: RFC 3339, UTC.
    pub started_on: String,
    /// When it ended; absent where that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_on: Option<String>,
}

/// The predicate of a reproduction: how an image was built again, and what came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Reproduction {
    /// Raised when a field changes its meaning or goes away.
    pub version: Version<1>,
    /// The reproduction that it is a part of.
    pub reproduction: String,
    /// The SHA-256 over all inputs, as 64 lower-case hex digits, or null.
    pub key: Option<String>,
    /// The encoding of the image.
    pub profile: String,
    /// The tree.
    pub tree: AttemptTree,
    /// What built it.
    pub runtime: AttemptRuntime,
    /// Where it was built.
    pub machine: AttemptMachine,
    /// The version of `stagex`.
    pub stagex: String,
    /// When it began: RFC 3339, UTC.
    pub started: String,
    /// How long it took, in seconds, all rounds together.
    pub seconds: f64,
    /// What its dependencies were.
    pub dependencies: DependencyOrigin,
    /// The seeds that gave the image, each by builds of its own; absent for most packages.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub seeds: Vec<RecordedSeed>,
    /// How often it was built, and what was varied.
    pub rounds: Vec<Round>,
    /// The digest that is recorded, if one is.
    pub recorded: Option<Digest>,
    /// The digest that all rounds have.
    pub digest: Digest,
    /// What came of it.
    pub verdict: AttemptVerdict,
}
