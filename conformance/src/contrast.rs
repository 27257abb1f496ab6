//! The first thing in which two images differ, in words.

use oci_image::{Digest, LayerDifference};

/// The first thing in which two images differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contrast {
    /// Where: an entry of a layer and its field, or a place in config or manifest.
    pub place: String,
    /// What was expected there.
    pub expected: String,
    /// What is there.
    pub found: String,
}

impl Contrast {
    /// Returns that the digests differ, where nothing more is known.
    pub(crate) fn of_digests(expected: Digest, found: Digest) -> Self {
        Self {
            place: "digest".to_owned(),
            expected: expected.hex(),
            found: found.hex(),
        }
    }
}

impl From<&oci_image::Difference> for Contrast {
    fn from(difference: &oci_image::Difference) -> Self {
        use oci_image::Difference as D;
        let contrast = |place: String, expected: &str, found: &str| Self {
            place,
            expected: expected.to_owned(),
            found: found.to_owned(),
        };
        match difference {
            D::LayerCount { expected, found } => {
                let number = "number of layers".to_owned();
                contrast(number, &expected.to_string(), &found.to_string())
            }
            D::Compression { layer } => {
                let place = format!("layer {layer}: compression");
                contrast(place, "as canonical", "in another way")
            }
            D::Json {
                document,
                place,
                expected,
                found,
            } => contrast(format!("{document}: {place}"), expected, found),
            D::Layer { layer, difference } => match difference {
                LayerDifference::Entry { expected, found } => {
                    let name = |name: &Option<String>| {
                        name.clone()
                            .unwrap_or_else(|| "the end of the layer".to_owned())
                    };
                    contrast(
                        format!("layer {layer}: entry"),
                        &name(expected),
                        &name(found),
                    )
                }
                LayerDifference::Field {
                    entry,
                    field,
                    expected,
                    found,
                } => contrast(format!("layer {layer}: {entry}: {field}"), expected, found),
                LayerDifference::Encoding { position } => contrast(
                    format!("layer {layer}: encoding at byte {position}"),
                    "as canonical",
                    "in another way",
                ),
            },
        }
    }
}
