//! How large what is read may be: all limits of this crate, in one place.

/// What is refused because it is too large. Sizes are in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// An index, a manifest, a config, or a docker-archive's `manifest.json`.
    pub document: u64,
    /// A blob as it is stored, and an archive that is compressed as a whole, once it is decompressed.
    pub blob: u64,
    /// A layer once it is decompressed.
    pub layer: u64,
    /// How many files an archive of images may have.
    pub members: usize,
    /// How many entries a layer may have.
    pub entries: u64,
    /// How many images one source may have.
    pub images: usize,
    /// How many layers an image may have.
    pub layers: usize,
    /// How many indexes may lead to an image.
    pub depth: usize,
    /// How long the extended header of an entry in a tar may be.
    pub extended_header: u64,
}

impl Limits {
    /// What `stagex` takes: several times what the largest published images have.
    pub const DEFAULT: Self = Self {
        document: beneath::MANIFEST,
        blob: 64 << 30,
        layer: 64 << 30,
        members: 100_000,
        entries: 10_000_000,
        images: 1_000,
        layers: 1_000,
        depth: 4,
        extended_header: 1 << 20,
    };
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}
