//! JSON as Go's `encoding/json` writes it: what every blob of an image is written in.
//!
//! It knows escaping and white space. The order of fields is the order of the structs that are
//! written, and it does not know what they mean.

use std::io;

use serde::Serialize;
use serde_json::ser::{CharEscape, CompactFormatter, Formatter, PrettyFormatter, Serializer};

/// Returns `value` as Go's `json.Marshal` writes it: no white space, no newline at the end.
///
/// # Panics
///
/// If `value` is something that JSON cannot say, such as a map whose keys are not text.
pub fn compact<T: Serialize>(value: &T) -> Vec<u8> {
    write(value, CompactFormatter)
}

/// Returns `value` as Go's `json.MarshalIndent` writes it with two spaces: no newline at the end.
///
/// # Panics
///
/// If `value` is something that JSON cannot say, such as a map whose keys are not text.
pub fn indented<T: Serialize>(value: &T) -> Vec<u8> {
    write(value, PrettyFormatter::new())
}

fn write<T: Serialize>(value: &T, layout: impl Formatter) -> Vec<u8> {
    let mut written = Vec::new();
    let mut serializer = Serializer::with_formatter(&mut written, GoFormatter { layout });
    value
        .serialize(&mut serializer)
        .expect("the types of an image are all text, numbers, lists and maps keyed by text");
    written
}

/// The white space of `layout` with the escapes of Go.
struct GoFormatter<L> {
    layout: L,
}

/// The characters beside those of JSON that Go escapes, so that its output can stand in HTML
/// and in JavaScript.
const ESCAPED_BY_GO: [char; 5] = ['<', '>', '&', '\u{2028}', '\u{2029}'];

impl<L: Formatter> Formatter for GoFormatter<L> {
    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let mut rest = fragment;
        while let Some(at) = rest.find(ESCAPED_BY_GO) {
            let (before, after) = rest.split_at(at);
            writer.write_all(before.as_bytes())?;
            let mut characters = after.chars();
            if let Some(character) = characters.next() {
                write!(writer, "\\u{:04x}", u32::from(character))?;
            }
            rest = characters.as_str();
        }
        writer.write_all(rest.as_bytes())
    }

    fn write_char_escape<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        escape: CharEscape,
    ) -> io::Result<()> {
        // Short forms for backspace and form feed (Go has them since 1.22), as serde_json.
        self.layout.write_char_escape(writer, escape)
    }

    fn begin_array<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.layout.begin_array(writer)
    }

    fn end_array<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.layout.end_array(writer)
    }

    fn begin_array_value<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        self.layout.begin_array_value(writer, first)
    }

    fn end_array_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.layout.end_array_value(writer)
    }

    fn begin_object<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.layout.begin_object(writer)
    }

    fn end_object<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.layout.end_object(writer)
    }

    fn begin_object_key<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        self.layout.begin_object_key(writer, first)
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.layout.begin_object_value(writer)
    }

    fn end_object_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.layout.end_object_value(writer)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use rstest::rstest;
    use serde::Serialize;

    use super::{compact, indented};

    /// The expected texts were printed by Go's `json.Marshal`, save for backspace and form feed,
    /// which the installed Go may be too old to shorten.
    #[rstest]
    #[case("plain", r#""plain""#)]
    #[case("a && b <c> \"d\" \\", r#""a \u0026\u0026 b \u003cc\u003e \"d\" \\""#)]
    #[case("\n\r\t", r#""\n\r\t""#)]
    #[case("\u{8}\u{c}", r#""\b\f""#)]
    #[case("\u{0}\u{1}\u{1b}\u{1f}", r#""\u0000\u0001\u001b\u001f""#)]
    #[case("\u{7f}\u{80}", "\"\u{7f}\u{80}\"")]
    #[case("x\u{2028}y\u{2029}\u{2027}", "\"x\\u2028y\\u2029\u{2027}\"")]
    #[case("é\u{fffd}\u{1f980}/", "\"é\u{fffd}\u{1f980}/\"")]
    fn strings_are_escaped_as_in_go(#[case] text: &str, #[case] expected: &str) {
        assert_eq!(String::from_utf8(compact(&text)).unwrap(), expected);
    }

    #[derive(Serialize)]
    struct Sample {
        second: Vec<u64>,
        first: Option<u64>,
        none: Vec<u64>,
        map: BTreeMap<&'static str, &'static str>,
        empty: BTreeMap<&'static str, &'static str>,
    }

    #[test]
    fn white_space_is_as_in_go() {
        let sample = Sample {
            second: vec![1, 2],
            first: None,
            none: Vec::new(),
            map: BTreeMap::from([("b<", "1"), ("a", "2")]),
            empty: BTreeMap::new(),
        };
        assert_eq!(
            String::from_utf8(compact(&sample)).unwrap(),
            r#"{"second":[1,2],"first":null,"none":[],"map":{"a":"2","b\u003c":"1"},"empty":{}}"#
        );
        let expected = "{\n  \"second\": [\n    1,\n    2\n  ],\n  \"first\": null,\n  \"none\": [],\n  \
                        \"map\": {\n    \"a\": \"2\",\n    \"b\\u003c\": \"1\"\n  },\n  \"empty\": {}\n}";
        assert_eq!(String::from_utf8(indented(&sample)).unwrap(), expected);
    }
}
