//! Text that tells whether it is whole: its last line is the sha256 over all others.
//!
//! It keeps out what was cut off or edited, not who wants to deceive. It does not know what the
//! text says.

use oci_image::Digest;

/// Adds the last line to `text`, whose lines all end.
pub(crate) fn seal(text: &str) -> String {
    let sum = Digest::of(text.as_bytes()).hex();
    format!("{text}{sum}\n")
}

/// Returns the text without its last line, if it is whole.
pub(crate) fn open(text: &str) -> Option<&str> {
    let (body, sum) = text.strip_suffix('\n')?.rsplit_once('\n')?;
    let body = &text[..=body.len()];
    (Digest::of(body.as_bytes()).hex() == sum).then_some(body)
}
