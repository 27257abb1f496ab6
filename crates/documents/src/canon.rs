//! What became of an image that was made canonical, and why one is not: `stagex canon` and `stagex explain`.

use serde::{Deserialize, Serialize};

use crate::{Digest, Version};

/// What `stagex canon` did to an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Canon {
    /// Raised when a field changes its meaning or goes away.
    pub version: Version<1>,
    /// The image as it was named.
    pub input: String,
    /// The form that it has: `OCI layout`, `oci-archive`, `docker-archive` or `registry`.
    pub form: String,
    /// Its platform, `os/architecture[/variant]`.
    pub platform: String,
    /// The repository that it is canonical under, such as `stagex/core-musl`.
    pub repository: String,
    /// The tag that it is canonical under.
    pub tag: String,
    /// The encoding.
    pub profile: String,
    /// The digest of its manifest as it was; null where it has none.
    pub before: Option<Digest>,
    /// The digest of the canonical manifest.
    pub digest: Digest,
    /// Whether these two are one.
    pub is_canonical: bool,
    /// Where the canonical image was written; null if it was not asked for.
    pub output: Option<String>,
    /// Its layers, from the lowest up.
    pub layers: Vec<CanonLayer>,
    /// What is other than it was.
    pub changes: Vec<CanonChange>,
}

/// A layer of an image that was made canonical.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct CanonLayer {
    /// Whether it is one of the image that the build began with.
    pub is_of_base: bool,
    /// What wrote the bytes that are stored.
    pub writer: LayerWriter,
    /// The digest of the bytes that were stored; null where they have none.
    pub before: Option<Digest>,
    /// The digest of the canonical blob.
    pub digest: Digest,
    /// The digest of the tar as it was.
    pub diff_id_before: Digest,
    /// The digest of the canonical tar.
    pub diff_id: Digest,
}

/// What compressed a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum LayerWriter {
    /// Go's `compress/gzip`, up to Go 1.26.
    Go,
    /// Go's `compress/gzip`, from Go 1.27 on.
    NewerGo,
    /// `klauspost/pgzip`, with which Podman and Buildah write.
    Pgzip,
    /// `zlib`, or the program `gzip`.
    Zlib,
    /// zstd.
    Zstd,
    /// Nothing: it is not compressed.
    Nothing,
    /// Something else.
    Unknown,
}

/// Something that is other in the canonical image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct CanonChange {
    /// In which part of the image.
    pub part: CanonPart,
    /// In which layer, from 1 for the lowest; absent elsewhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layer: Option<u64>,
    /// What kind of change it is.
    pub what: CanonWhat,
    /// In how many entries, fields or texts.
    pub count: u64,
    /// What it is in words; absent where nothing more is to be said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// A part of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum CanonPart {
    /// A layer.
    Layer,
    /// The config.
    Config,
    /// The manifest.
    Manifest,
    /// What leads to the manifest.
    Index,
}

/// A kind of change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum CanonWhat {
    /// The same tar was compressed by another encoder.
    Compression,
    /// Times later than the epoch became the epoch.
    Times,
    /// Fractions of seconds, and times of access or change, were dropped.
    FineTimes,
    /// The names of owners and groups were dropped.
    OwnerNames,
    /// Extended attributes were dropped.
    Attributes,
    /// Headers were written in another form: GNU's, PAX without need, a mode with the bits of a type.
    Headers,
    /// Names were written in another way: with `./`, or a directory without its slash.
    Names,
    /// The root's own entry was dropped.
    Root,
    /// Whiteouts got the time 0, and neither owner nor mode.
    Whiteouts,
    /// Opaque directories became whiteouts.
    Opaque,
    /// Entries were put into order.
    Order,
    /// Entries were dropped that equal what is below.
    Dropped,
    /// Entries were added: directories above others, or whiteouts.
    Added,
    /// Directories that a COPY made on its way got the permissions that `--chmod` says.
    MadeDirectories,
    /// What an engine left behind was dropped.
    Leftovers,
    /// It could not be told whether an entry was written again: what was decided is in `detail`.
    Ambiguous,
    /// The tar is another one for none of these reasons, such as bytes behind its end.
    Form,
    /// Texts of the history were written as `BuildKit` 0.26 writes them.
    History,
    /// Times of the history or of the image became the epoch.
    Created,
    /// Fields were dropped, added, or have other values.
    Fields,
    /// The same JSON was written in another form.
    Json,
    /// Annotations were added, dropped or changed.
    Annotations,
    /// Media types became those of OCI.
    MediaTypes,
    /// An index was added, or dropped, between `index.json` and the manifest.
    Indexes,
}

/// Why an image is not canonical, or which variant of one has a digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Explain {
    /// Raised when a field changes its meaning or goes away.
    pub version: Version<1>,
    /// What was to be explained: an image as it was named, or a digest.
    pub subject: String,
    /// The answer.
    pub verdict: ExplainVerdict,
    /// The answer in one sentence.
    pub sentence: String,
    /// The reasons, the weightiest first.
    pub causes: Vec<ExplainCause>,
    /// How many digests of variants were computed, where a digest was to be explained.
    pub tried: u64,
    /// The image that was looked at, and its canonical form; null if that cannot be known.
    pub canon: Option<Canon>,
    /// Why its canonical form cannot be known; null if it is.
    pub refused: Option<String>,
    /// What helps to know it; null if it is known, or if nothing does.
    pub refused_hint: Option<String>,
}

/// How an explanation came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum ExplainVerdict {
    /// The image is canonical, or the digest is that of the canonical image.
    Canonical,
    /// It is not, and it is known why.
    Explained,
    /// It is not, and it is not known why.
    Unexplained,
}

/// A reason why an image is not canonical.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ExplainCause {
    /// What it is.
    pub cause: ExplainReason,
    /// The same as a sentence.
    pub sentence: String,
    /// Which layers it is seen in, from 1 for the lowest.
    pub layers: Vec<u64>,
}

/// What makes an image another one than the canonical one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum ExplainReason {
    /// Buildah or Podman built it.
    Buildah,
    /// Docker built it without `BuildKit`.
    ClassicDocker,
    /// Go 1.27 or later compressed its layers.
    NewerGo,
    /// Podman or Buildah compressed its layers.
    Pgzip,
    /// `zlib` or `gzip` compressed its layers.
    Zlib,
    /// Its layers are compressed with zstd.
    Zstd,
    /// Its layers are not compressed.
    Uncompressed,
    /// Something that is not known compressed its layers.
    UnknownEncoder,
    /// The times of its files are not the epoch.
    Times,
    /// Its whiteouts have a time.
    Whiteouts,
    /// Directories that a COPY made have other modes than `--chmod` says.
    MadeDirectories,
    /// Its layers list what was touched, not what was changed.
    Touched,
    /// EXPOSE is written as a Go map.
    ExposeText,
    /// An ARG has no value in its history.
    ArgumentText,
    /// The times of its history are not the epoch.
    Created,
    /// Its annotations are those of StageX 2024.
    #[serde(rename = "annotations-2024")]
    Annotations2024,
    /// Its annotations are those of StageX 2025.02.
    #[serde(rename = "annotations-2025.02")]
    Annotations202502,
    /// Its annotations are those of StageX 2025.03 to 2025.10.
    #[serde(rename = "annotations-2025.03")]
    Annotations202503,
    /// It has no annotations, or others.
    Annotations,
    /// Its manifest has media types of Docker.
    MediaTypes,
    /// Not the times of its layers' files are noted as rewritten.
    NotNoted,
    /// The times of its base's layers' files are noted as rewritten, too.
    NotedOfBase,
    /// Fields of its config are others.
    Config,
    /// It is the digest of the index, not of the manifest.
    Index,
    /// It is the digest of the config.
    ConfigDigest,
    /// It is the digest of a layer.
    LayerDigest,
    /// The same documents are written in another form.
    Form,
}
