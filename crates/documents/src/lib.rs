//! What `stagex` prints and writes for programs: each JSON document as a type, and the kinds of
//! errors with their exit codes.
//!
//! It knows shapes and words. It does not know where the facts come from, nor how they are rendered
//! for people. The schemas in `docs/schema/` are made from these types, and `docs/json.md` is compared
//! with them.

mod attempt;
mod attestation;
mod build;
mod canon;
mod check;
mod clean;
mod config;
mod conformance;
mod contents;
mod diff;
mod digest;
mod digests;
mod document;
mod explanations;
mod fetch;
mod graph;
mod history;
mod import;
mod kind;
mod make;
mod mirrors;
mod moment;
mod plan;
mod preseed;
mod publish;
mod pull;
mod reason;
mod record;
mod release;
mod report;
mod reproduce;
mod runtimes;
mod seed;
mod sign;
mod trust;
mod verify;
mod version;

#[cfg(test)]
mod tests;

pub use attempt::{
    Attempt, AttemptFailure, AttemptMachine, AttemptRuntime, AttemptTree, AttemptVerdict,
    DependencyOrigin, Ledger, Material, MaterialKind, Round, Signing,
};
pub use attestation::{
    Attestations, BuildDefinition, BuildMetadata, BuildParameters, Builder, Envelope,
    EnvelopeSignature, Predicate, Provenance, Reproduction, ResourceDescriptor, RunDetails,
    Statement,
};
pub use build::{
    Build, BuildOutput, BuildOutputKind, ImageDescriptor, ImageMetadata, Lock, LockedImage,
};
pub use canon::{
    Canon, CanonChange, CanonLayer, CanonPart, CanonWhat, Explain, ExplainCause, ExplainReason,
    ExplainVerdict, LayerWriter,
};
pub use check::{Check, Finding, RuleDescription, Rules, Severity};
pub use clean::Clean;
pub use config::{Config, Setting, SettingValue};
pub use conformance::{
    Answer, Cell, Column, ConformanceCells, ConformanceGenerated, ConformanceReport, Contrast,
    GeneratedFinding, GeneratedReason, GeneratedTally, Levelled, ListedCell, Subject, Verdict,
};
pub use contents::{ContentEntry, ContentFile, ContentKind, ContentLayer, Contents};
pub use diff::{
    Diff, DiffCause, DiffClass, DiffContent, DiffContentKind, DiffContentPart, DiffCount,
    DiffEvidence, DiffImage, DiffMode, DiffPart, DiffSide, Difference, LikelyCause,
};
pub use digest::{Digest, InvalidDigest};
pub use digests::{Comparison, Digests, SignedBy, SignedComparison};
pub use document::Document;
pub use explanations::{Explanation, Explanations, MissingSource};
pub use fetch::{FailedMirror, Fetch, FetchedSource, SourceOutcome};
pub use graph::{
    ChangedFile, Graph, GraphBuild, GraphClosure, GraphCriticalPath, GraphEdge, GraphMoved,
    GraphNode, GraphRun, GraphSimulation, GraphSimulations, GraphWhy, SizedPackage, TimedPackage,
};
pub use history::{CommitSignature, History, HistoryChange, HistoryMerge, SignatureForm};
pub use import::{Import, ImportedImage};
pub use kind::ErrorKind;
pub use make::{MadeByServer, MadePackage, Make, Outcome, PlatformImage};
pub use mirrors::{FetchMirrors, MirrorCheck, MirrorCheckState};
pub use moment::{rfc3339, seconds_of};
pub use plan::{Plan, PlannedPackage, Seed, Source};
pub use preseed::{Preseed, PreseedOutcome, PreseedPackage};
pub use publish::{Publish, PublishOutcome, PublishedPackage, PublishedParts, PublishedTo};
pub use pull::Pull;
pub use reason::{DEPENDENCY, Reason};
pub use record::{Record, RecordedSeed};
pub use release::{Release, ReleaseBy, ReleaseState, ReleaseStep, ReleaseStepName};
pub use report::{
    Report, ReportAnswer, ReportChange, ReportCounts, ReportPackage, ReportRuntime, ReportState,
};
pub use reproduce::{Reproduce, ReproducedBy, ReproducedImage};
pub use runtimes::{
    Capabilities, Dialect, LayerRecord, ReadyRuntime, Runtime, Runtimes, UnavailableReason,
    UnavailableRuntime,
};
pub use seed::{FetchExport, FetchImport};
pub use sign::{
    BatchImage, RecordedSince, Sign, SignBatch, SignOutcome, SignedImage, SignedWhat, SinceRelease,
};
pub use trust::{
    CertificateState, KeyState, Keys, Person, SignatureRefusal, VerifiedPackage, VerifiedRelease,
    VerifiedSignature, Verify,
};
pub use verify::{DamageOutcome, DamagedSource, FetchHashes, FetchVerify, FoundHash};
pub use version::Version;
