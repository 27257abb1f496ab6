//! The image that was built: `stagex build`.

use serde::{Deserialize, Serialize};

use crate::{Digest, Version};

/// The image that `stagex build` built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Build {
    /// Raised when a field changes its meaning or goes away.
    pub version: Version<1>,
    /// The runtime that built it.
    pub runtime: String,
    /// The last part of the image's name.
    pub name: String,
    /// The digest of its manifest, or of its index if it has several platforms.
    pub digest: Digest,
    /// Where it went, in the order in which that was asked for.
    pub outputs: Vec<BuildOutput>,
}

/// What was written into a Containerfile whose images of packages had no digests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Lock {
    /// Raised when a field changes its meaning or goes away.
    pub version: Version<1>,
    /// The images that have digests now.
    pub images: Vec<LockedImage>,
}

/// An image that a Containerfile names by its digest now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct LockedImage {
    /// As it was named before.
    pub reference: String,
    /// As it is named now.
    pub locked: String,
    /// The names of the people who have signed that digest.
    pub people: Vec<String>,
}

/// What was done with a built image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct BuildOutput {
    /// What it is there.
    pub kind: BuildOutputKind,
    /// The path, the engine, or the image's name in the registry with its digest.
    pub destination: String,
}

/// What a built image is where it went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum BuildOutputKind {
    /// A tar of an OCI layout.
    Archive,
    /// A tar of an OCI layout that `docker load` reads as well.
    DockerArchive,
    /// An OCI layout.
    Layout,
    /// The image's files.
    Files,
    /// An image in an engine's store.
    Store,
    /// An image in a registry.
    Registry,
}

impl BuildOutputKind {
    /// Tells whether it is at a path.
    pub fn is_path(self) -> bool {
        !matches!(self, Self::Store | Self::Registry)
    }
}

/// What `stagex build --metadata-file` writes of an image. The format is that of `docker buildx build`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageMetadata {
    /// The digest of its configuration, if it has one platform.
    #[serde(
        rename = "containerimage.config.digest",
        skip_serializing_if = "Option::is_none"
    )]
    pub config: Option<Digest>,
    /// What leads to it.
    #[serde(rename = "containerimage.descriptor")]
    pub descriptor: ImageDescriptor,
    /// The digest of its manifest, or of its index if it has several platforms.
    #[serde(rename = "containerimage.digest")]
    pub digest: Digest,
    /// Its name and tag.
    #[serde(rename = "image.name")]
    pub name: String,
}

/// What leads to an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageDescriptor {
    /// What kind of document it is.
    pub media_type: String,
    /// Its digest.
    pub digest: Digest,
    /// How many bytes it has.
    pub size: u64,
}
