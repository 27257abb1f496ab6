//! Two JSON documents side by side: where they say something else, and whether they are written in another way. It
//! does not know what they are about.

use documents::{DiffClass, DiffPart, Difference};
use serde_json::Value;

use crate::cause;
use crate::findings::Findings;

/// How much of a value is shown, in characters.
const LONGEST: usize = 300;
/// How much of the name of a field, in characters.
const NAME: usize = 80;
/// What every digest begins with.
const ALGORITHM: &[u8] = b"sha256:";
/// How many hex digits follow.
const DIGITS: usize = 64;

/// Where in an image a document is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Paper {
    pub(crate) part: DiffPart,
    pub(crate) class: DiffClass,
    /// Where in the document what is compared begins.
    pub(crate) top: &'static str,
}

impl Paper {
    fn difference(self, place: &str, left: Option<&Value>, right: Option<&Value>) -> Difference {
        Difference {
            platform: None,
            part: self.part,
            layer: None,
            path: None,
            class: self.class,
            what: printable::line(place).into_owned(),
            left: left.map(shown),
            right: right.map(shown),
            content: None,
        }
    }

    /// Takes every place at which two documents say something else.
    pub(crate) fn compare(self, left: &Value, right: &Value, findings: &mut Findings) {
        self.values(self.top, Some(left), Some(right), findings);
    }

    fn values(
        self,
        place: &str,
        left: Option<&Value>,
        right: Option<&Value>,
        findings: &mut Findings,
    ) {
        match (left, right) {
            (left, right) if left == right => {}
            (Some(Value::Object(left)), Some(Value::Object(right))) => {
                let more = right.keys().filter(|name| !left.contains_key(*name));
                for name in left.keys().chain(more) {
                    let place = format!("{place}.{}", beginning(name));
                    self.values(&place, left.get(name), right.get(name), findings);
                }
            }
            (Some(Value::Array(left)), Some(Value::Array(right))) => {
                for at in 0..left.len().max(right.len()) {
                    let place = format!("{place}[{at}]");
                    self.values(&place, left.get(at), right.get(at), findings);
                }
            }
            (left, right) => {
                let place = if place.is_empty() { "." } else { place };
                let difference = self.difference(place, left, right);
                let of = format!("{}{place}", self.name());
                cause::of_values(
                    &of,
                    difference.left.as_deref(),
                    difference.right.as_deref(),
                    findings,
                );
                findings.add(difference);
            }
        }
    }

    /// Takes it if two documents that say the same are written in another way. What they say of other blobs, which
    /// are compared themselves, is passed over.
    pub(crate) fn spelling(self, left: &[u8], right: &[u8], findings: &mut Findings) {
        let (left, right) = (skeleton(left), skeleton(right));
        if left == right {
            return;
        }
        let same = left.iter().zip(&right).take_while(|(a, b)| a == b).count();
        let around = |bytes: &[u8]| {
            let start = same.saturating_sub(20);
            let end = bytes.len().min(same + 20);
            let text = String::from_utf8_lossy(&bytes[start..end]).into_owned();
            Some(format!("{text:?}"))
        };
        let mut difference = self.difference("spelling", None, None);
        (difference.left, difference.right) = (around(&left), around(&right));
        findings.add(difference);
    }

    fn name(self) -> &'static str {
        match self.part {
            DiffPart::Index => "index",
            DiffPart::Manifest => "manifest",
            DiffPart::Config | DiffPart::Layer | DiffPart::Tree => "config",
        }
    }
}

/// Returns the name of a field as far as it is shown.
fn beginning(name: &str) -> &str {
    let end = name.char_indices().nth(NAME);
    end.map_or(name, |(end, _)| &name[..end])
}

/// Returns a value as far as it is shown.
fn shown(value: &Value) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let end = text.char_indices().nth(LONGEST);
    let text = match end {
        Some((end, _)) => format!("{}\u{2026}", &text[..end]),
        None => text,
    };
    printable::line(&text).into_owned()
}

/// Returns a document without its digests and sizes.
fn skeleton(bytes: &[u8]) -> Vec<u8> {
    let mut kept = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((first, after)) = rest.split_first() {
        let digits = |rest: &[u8], is_digit: fn(&u8) -> bool| {
            rest.iter().take_while(|byte| is_digit(byte)).count()
        };
        if let Some(hex) = rest.strip_prefix(ALGORITHM)
            && digits(hex, u8::is_ascii_hexdigit) >= DIGITS
        {
            kept.extend_from_slice(ALGORITHM);
            rest = &hex[DIGITS..];
            continue;
        }
        if let Some(number) = rest.strip_prefix(b"\"size\":") {
            kept.extend_from_slice(b"\"size\":");
            let blanks = digits(number, u8::is_ascii_whitespace);
            kept.extend_from_slice(&number[..blanks]);
            let number = &number[blanks..];
            rest = &number[digits(number, u8::is_ascii_digit)..];
            continue;
        }
        kept.push(*first);
        rest = after;
    }
    kept
}

/// Replaces what a document says of blobs that are compared themselves: digests and sizes of what it points to.
pub(crate) fn without_pointers(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            if fields.contains_key("digest") && fields.contains_key("size") {
                fields.shift_remove("digest");
                fields.shift_remove("size");
            }
            fields
                .iter_mut()
                .for_each(|(_, value)| without_pointers(value));
        }
        Value::Array(values) => values.iter_mut().for_each(without_pointers),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_names_blobs_is_left_out_of_a_skeleton() {
        let hex = "ab".repeat(32);
        let document = format!("{{\"digest\":\"sha256:{hex}\", \"size\": 123,\"sizes\":1}}");
        let kept = skeleton(document.as_bytes());
        assert_eq!(
            String::from_utf8(kept).unwrap(),
            "{\"digest\":\"sha256:\", \"size\": ,\"sizes\":1}"
        );
    }
}
