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
    /// How many entries a layer, or any other tar, may have.
    pub entries: u64,
    /// How many images one source may have, and how many documents may have to be read to find them.
    pub images: usize,
    /// How many descriptors the indexes of one source may have, all together; one that is reached in several ways
    /// counts as often.
    pub descriptors: usize,
    /// How many bytes the names may have that the indexes of one source give to its images, all together.
    pub names: usize,
    /// How many layers an image may have.
    pub layers: usize,
    /// How many indexes may lead to an image.
    pub depth: usize,
    /// How long the extended headers of an entry in a tar may be, all together.
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
        descriptors: 20_000,
        names: 4 << 20,
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
