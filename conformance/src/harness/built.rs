//! What came of an input on one side: an image, or why there is none.

use oci_image::ImageSet;

/// What came of an input on one side.
#[derive(Debug)]
pub(crate) enum Built {
    /// An image.
    Image(ImageSet),
    /// No image, which may be right.
    Refused(Refusal),
    /// The user interrupted it.
    Interrupted,
    /// It could not be tried.
    Broken(String),
}

/// Why there is no image.
#[derive(Debug, Clone)]
pub(crate) struct Refusal {
    /// Why.
    pub(crate) message: String,
    /// The same without the place in the Containerfile, where that is known.
    pub(crate) reason: String,
    /// Whether it was refused before any engine was started.
    pub(crate) while_planning: bool,
    /// The last lines of what was printed.
    pub(crate) output: Vec<String>,
}
