//! Text that tells whether it is whole: its last line is the sha256 over all others.
//!
//! It keeps out what was cut off or edited, not who wants to deceive. It does not know what the
//! text says.

use oci_image::Digest;

/// Adds the last line to `text`, whose lines all end and whose first one says what it is.
pub(crate) fn seal(text: &str) -> String {
    let sum = Digest::of(text.as_bytes()).hex();
    format!("{text}{sum}\n")
}

/// Returns the lines between the first, which must be `header`, and the last, if the text is whole.
pub(crate) fn open<'a>(text: &'a str, header: &str) -> Option<impl Iterator<Item = &'a str>> {
    let (body, sum) = text.strip_suffix('\n')?.rsplit_once('\n')?;
    let body = &text[..=body.len()];
    let mut lines = body.lines();
    let is_whole = Digest::of(body.as_bytes()).hex() == sum;
    (is_whole && lines.next() == Some(header)).then_some(lines)
}
