//! The media types of what an image is made of.

/// The media type of a manifest.
pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// The media type of an index.
pub(crate) const INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// The media type of a config.
pub(crate) const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
/// The media type of a layer.
pub(crate) const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// The media types of what an image is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MediaTypes {
    /// Of the index.
    pub index: &'static str,
    /// Of a platform's manifest.
    pub manifest: &'static str,
    /// Of its configuration.
    pub config: &'static str,
    /// Of a layer.
    pub layer: &'static str,
}
