//! What is compared, and what of an image is refused because it is too large. How far the files that differ are looked
//! into is said beside the code that looks, and each file of which something was left out is noted.

use documents::DiffMode;

use crate::diffoscope::Diffoscope;

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Options<'a> {
    /// What is compared.
    pub mode: DiffMode,
    /// The platform, as `os/architecture[/variant]`; none for all.
    pub platform: Option<&'a str>,
    /// How many differences of each class are kept.
    pub shown: usize,
    /// What is too large.
    pub limits: Limits,
    /// Another program that is asked of the first files that differ, if it is.
    pub diffoscope: Option<&'a Diffoscope>,
}

/// What is refused because it is too large, and what is not looked into. Sizes are in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// What is refused of an image.
    pub images: images::Limits,
    /// How many entries a layer, or a file system that layers make, may have.
    pub entries: usize,
    /// How much their names, targets and attributes may take, all together.
    pub names: usize,
    /// How large a file may be whose kind is looked at. Of a larger one the bytes are compared, piece by piece.
    pub content: u64,
    /// How many files that differ are looked into for each layer.
    pub files: usize,
}

impl Limits {
    /// What `stagex` takes.
    pub const DEFAULT: Self = Self {
        images: images::Limits::DEFAULT,
        entries: 2_000_000,
        names: 256 << 20,
        content: 16 << 20,
        files: 100,
    };
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}
