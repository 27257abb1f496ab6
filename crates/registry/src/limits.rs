//! How large what a registry sends may be, and what it is sent at once: all limits of this crate, in one place.

/// What is refused because it is too large. Sizes are in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// An index, a manifest or a config.
    pub document: u64,
    /// A layer, as it is stored.
    pub blob: u64,
    /// All layers of an image, or of all images of an index.
    pub total: u64,
    /// How many documents an index may lead to, itself among them.
    pub images: usize,
    /// How many layers an image may have.
    pub layers: usize,
    /// How many indexes may lead to an image.
    pub depth: usize,
    /// The answer of a token server, and a file with credentials.
    pub answer: u64,
    /// What is sent of a blob at once.
    pub chunk: usize,
    /// The most that is sent at once where a registry takes no less.
    pub largest_chunk: usize,
}

impl Limits {
    /// What `stagex` takes: several times what the largest published images have.
    pub const DEFAULT: Self = Self {
        document: beneath::MANIFEST,
        blob: 32 << 30,
        total: 128 << 30,
        images: 1_000,
        layers: 1_000,
        depth: 4,
        answer: 1 << 18,
        chunk: 8 << 20,
        largest_chunk: 64 << 20,
    };
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}
