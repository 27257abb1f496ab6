//! Splitting a logical line: keyword, flags, and arguments as quoted words, plain words or JSON.
//!
//! It does not know what an instruction does with its words, and it expands nothing.

use std::borrow::Cow;

use crate::error::{ErrorKind, Fault};
use crate::lines::Line;
use crate::span::Span;

/// A flag as it was written.
#[derive(Debug, Clone)]
pub(crate) struct Flag<'line> {
    pub(crate) name: Cow<'line, str>,
    /// The text after `=`, without quotes and escapes.
    pub(crate) value: Option<Cow<'line, str>>,
    pub(crate) span: Span,
}

/// A line in its three parts.
#[derive(Debug)]
pub(crate) struct Parts<'line> {
    pub(crate) keyword: &'line str,
    pub(crate) flags: Vec<Flag<'line>>,
    /// What follows the flags, without blanks around it.
    pub(crate) arguments: &'line str,
    /// Where the arguments begin in the line's text.
    pub(crate) arguments_at: usize,
    pub(crate) keyword_span: Span,
    pub(crate) arguments_span: Span,
}

/// Returns the word that a line begins with, and where it stands.
pub(crate) fn keyword<'line>(line: &'line Line) -> (&'line str, Span) {
    let (start, end) = keyword_range(&line.text);
    (&line.text[start..end], line.span_of(start, end))
}

fn keyword_range(text: &str) -> (usize, usize) {
    let start = text.len() - text.trim_start().len();
    let length = text[start..].find(is_blank);
    (start, length.map_or(text.len(), |length| start + length))
}

/// Splits a line at its keyword and its flags.
pub(crate) fn split<'line>(line: &'line Line, escape: char) -> Result<Parts<'line>, Fault> {
    let text = &*line.text;
    let (start, keyword_end) = keyword_range(text);
    let (flags, arguments_start) = flags(line, keyword_end, escape)?;
    let arguments = text[arguments_start..].trim();
    let begin = arguments_start + text[arguments_start..].len()
        - text[arguments_start..].trim_start().len();
    Ok(Parts {
        keyword: &text[start..keyword_end],
        flags,
        arguments,
        arguments_at: begin,
        keyword_span: line.span_of(start, keyword_end),
        arguments_span: line.span_of(begin, begin + arguments.len()),
    })
}

/// The blanks that separate plain words; a newline cannot stand in a line.
pub(crate) fn is_blank(character: char) -> bool {
    matches!(character, '\t' | '\u{b}' | '\u{c}' | '\r' | ' ')
}

/// The bytes that separate flags. `BuildKit` takes flags apart byte by byte, each as a character of its own, and so the
/// last two are blanks as well, which are parts of characters in UTF-8.
fn separates_flags(byte: u8) -> bool {
    matches!(byte, b'\t'..=b'\r' | b' ' | 0x85 | 0xa0)
}

/// Reads flags from `start` on; returns them, and where the arguments begin.
fn flags<'line>(
    line: &'line Line,
    start: usize,
    escape: char,
) -> Result<(Vec<Flag<'line>>, usize), Fault> {
    let text = &*line.text;
    let mut flags = Vec::new();
    let mut at = start;
    loop {
        let blanks = text.as_bytes()[at..].iter();
        let begin = at + blanks.take_while(|byte| separates_flags(**byte)).count();
        if !text.is_char_boundary(begin) {
            return Err(Fault::new(
                ErrorKind::SplitCharacter,
                line.span_of(at, begin),
            ));
        }
        if !text[begin..].starts_with("--") {
            return Ok((flags, begin));
        }
        let (word, length) = flag_word(&text[begin..], escape);
        at = begin + length;
        if word == "--" {
            if !text.is_char_boundary(at) {
                return Err(Fault::new(
                    ErrorKind::SplitCharacter,
                    line.span_of(begin, at),
                ));
            }
            return Ok((flags, at));
        }
        let (name, value) = match word {
            Cow::Borrowed(word) => {
                let (name, value) = name_and_value(word);
                (name.into(), value.map(Cow::from))
            }
            Cow::Owned(word) => {
                let (name, value) = name_and_value(&word);
                (
                    name.to_owned().into(),
                    value.map(|value| value.to_owned().into()),
                )
            }
        };
        flags.push(Flag {
            name,
            value,
            span: line.span_of(begin, at),
        });
    }
}

fn name_and_value(word: &str) -> (&str, Option<&str>) {
    let word = word.strip_prefix("--").unwrap_or(word);
    match word.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (word, None),
    }
}

/// Reads one flag up to the next blank; returns it without quotes and escapes, and its length in bytes. Of a character
/// that is no ASCII each byte becomes one of its own, as in `BuildKit`.
fn flag_word(text: &str, escape: char) -> (Cow<'_, str>, usize) {
    let bytes = text.as_bytes();
    let is_escape = |byte: u8| char::from(byte) == escape;
    let ends = |byte: &u8| {
        separates_flags(*byte)
            || matches!(*byte, b'\'' | b'"')
            || is_escape(*byte)
            || !byte.is_ascii()
    };
    let plain = bytes.iter().position(ends).unwrap_or(bytes.len());
    if bytes
        .get(plain)
        .is_none_or(|byte| byte.is_ascii() && separates_flags(*byte))
    {
        return (text[..plain].into(), plain);
    }
    let mut word = String::new();
    let mut quote = None;
    let mut bytes = bytes.iter().copied().enumerate();
    while let Some((at, byte)) = bytes.next() {
        if is_escape(byte) {
            word.extend(bytes.next().map(|(_, escaped)| char::from(escaped)));
        } else if quote == Some(byte) {
            quote = None;
        } else if quote.is_none() && separates_flags(byte) {
            return (word.into(), at);
        } else if quote.is_none() && matches!(byte, b'\'' | b'"') {
            quote = Some(byte);
        } else {
            word.push(char::from(byte));
        }
    }
    (word.into(), text.len())
}

/// Splits at blanks, without regard to quotes.
pub(crate) fn plain(text: &str) -> impl Iterator<Item = &str> {
    text.split(is_blank).filter(|word| !word.is_empty())
}

/// Splits at blanks that stand neither in quotes nor behind an escape; quotes and escapes stay.
pub(crate) fn quoted(text: &str, escape: char) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quote = None;
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        if quote.is_none() && character.is_whitespace() {
            if !word.is_empty() {
                words.push(std::mem::take(&mut word));
            }
        } else if character == escape && quote != Some('\'') {
            // An escape at the very end escapes nothing, and goes.
            if let Some(escaped) = characters.next() {
                word.push(character);
                word.push(escaped);
            }
        } else {
            if quote == Some(character) {
                quote = None;
            } else if quote.is_none() && matches!(character, '\'' | '"') {
                quote = Some(character);
            }
            word.push(character);
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

/// Reads a JSON array of strings; nothing where the text is no JSON array.
pub(crate) fn json(text: &str, span: Span) -> Result<Option<Vec<String>>, Fault> {
    if !text.starts_with('[') {
        return Ok(None);
    }
    let text = with_whole_characters(text);
    let Ok(values) = serde_json::from_str::<Vec<serde_json::Value>>(&text) else {
        return Ok(None);
    };
    values
        .into_iter()
        .map(|value| match value {
            serde_json::Value::String(word) => Ok(word),
            _ => Err(Fault::new(ErrorKind::NotStrings, span)),
        })
        .collect::<Result<_, _>>()
        .map(Some)
}

/// Writes the replacement character for each half of a pair of surrogates that stands alone, as Go reads it.
fn with_whole_characters(text: &str) -> Cow<'_, str> {
    const LENGTH: usize = "\\u0000".len();
    let unit = |at: usize| {
        let digits = text.get(at..at + LENGTH)?.strip_prefix("\\u")?;
        let is_hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_hex.then(|| u16::from_str_radix(digits, 16).ok())?
    };
    let mut whole = String::new();
    let (mut at, mut done) = (0, 0);
    while let Some(found) = text[at..].find('\\') {
        at += found;
        let high = |unit: u16| (0xd800..0xdc00).contains(&unit);
        let low = |unit: u16| (0xdc00..0xe000).contains(&unit);
        let length = match unit(at) {
            Some(first) if high(first) && unit(at + LENGTH).is_some_and(low) => 2 * LENGTH,
            Some(first) if high(first) || low(first) => {
                whole.push_str(&text[done..at]);
                whole.push_str("\\ufffd");
                done = at + LENGTH;
                LENGTH
            }
            _ => {
                let escaped = text[at + 1..].chars().next();
                1 + escaped.map_or(0, char::len_utf8)
            }
        };
        at += length;
    }
    if done == 0 {
        return text.into();
    }
    whole.push_str(&text[done..]);
    whole.into()
}

/// Splits `a,"b,c",d` as CSV does: a field in quotes may hold commas, and `""` for a quote.
pub(crate) fn comma_separated(text: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut quoted = false;
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        let field = fields.last_mut().expect("there is always a last field");
        match character {
            '"' if quoted && characters.peek() == Some(&'"') => {
                characters.next();
                field.push('"');
            }
            '"' if quoted || field.is_empty() => quoted = !quoted,
            ',' if !quoted => fields.push(String::new()),
            other => field.push(other),
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lines::Lines;
    use rstest::rstest;

    fn line(text: &str) -> Line<'_> {
        Lines::new(text).next().unwrap().unwrap()
    }

    #[rstest]
    #[case("COPY --from=a --link b c", "COPY", &["from=a", "link"], "b c")]
    #[case("run\t echo  hi ", "run", &[], "echo  hi")]
    #[case("RUN --network=none", "RUN", &["network=none"], "")]
    #[case("CMD", "CMD", &[], "")]
    #[case("RUN --mount='a b',c=\"d e\" x", "RUN", &["mount=a b,c=d e"], "x")]
    #[case(r"RUN --mount=a\ b x", "RUN", &["mount=a b"], "x")]
    #[case("RUN -- --x", "RUN", &[], "--x")]
    #[case("RUN -x --y", "RUN", &[], "-x --y")]
    #[case("COPY ----from=a b c", "COPY", &["--from=a"], "b c")]
    #[case("COPY --exclude=é* é /", "COPY", &["exclude=Ã©*"], "é /")]
    #[case("COPY --chown=jà é /", "COPY", &["chown=jÃ"], "é /")]
    #[case("COPY --chown='é' \u{a0}a /", "COPY", &["chown=Ã©"], "a /")]
    fn a_line_splits(
        #[case] text: &str,
        #[case] keyword: &str,
        #[case] flags: &[&str],
        #[case] arguments: &str,
    ) {
        let line = line(text);
        let parts = split(&line, '\\').unwrap();
        assert_eq!((parts.keyword, parts.arguments), (keyword, arguments));
        let found: Vec<_> = parts
            .flags
            .iter()
            .map(|flag| match &flag.value {
                Some(value) => format!("{}={value}", flag.name),
                None => flag.name.to_string(),
            })
            .collect();
        assert_eq!(found, flags);
    }

    #[rstest]
    #[case(r#"a=1 b="x y" c=x\ y d='\' e"#, &["a=1", r#"b="x y""#, r"c=x\ y", r"d='\'", "e"])]
    #[case(r#"a="x\" y""#, &[r#"a="x\" y""#])]
    #[case(r"a\", &["a"])]
    #[case(r#"a="" b"#, &[r#"a="""#, "b"])]
    fn quoted_words_keep_their_quotes(#[case] text: &str, #[case] expected: &[&str]) {
        assert_eq!(quoted(text, '\\'), expected);
    }

    #[rstest]
    #[case(r#"["a", "b\n"]"#, Some(vec!["a", "b\n"]))]
    #[case("[]", Some(vec![]))]
    #[case(r#"["\ud800x\udc00", "\ud83d\ude00\\ud800"]"#, Some(vec!["\u{fffd}x\u{fffd}", "😀\\ud800"]))]
    #[case(r#"["\ud800\ud83d\ude00"]"#, Some(vec!["\u{fffd}😀"]))]
    #[case("[a]", None)]
    #[case("[ -f x ]", None)]
    #[case(r#"["a"] b"#, None)]
    #[case("a", None)]
    fn arrays_are_told_from_text(#[case] text: &str, #[case] expected: Option<Vec<&str>>) {
        let span = Span { start: 0, end: 0 };
        let words = json(text, span).unwrap();
        assert_eq!(
            words,
            expected.map(|words| words.into_iter().map(str::to_owned).collect())
        );
    }

    #[rstest]
    #[case("[1]")]
    #[case(r#"["a", null]"#)]
    fn arrays_of_other_things_are_refused(#[case] text: &str) {
        let span = Span { start: 0, end: 0 };
        assert_eq!(json(text, span).unwrap_err().kind, ErrorKind::NotStrings);
    }

    #[rstest]
    #[case("type=bind,from=x", &["type=bind", "from=x"])]
    #[case(r#"type=bind,"src=a,b",c="#, &["type=bind", "src=a,b", "c="])]
    #[case(r#""a""b""#, &[r#"a"b"#])]
    fn commas_separate_fields(#[case] text: &str, #[case] expected: &[&str]) {
        assert_eq!(comma_separated(text), expected);
    }
}
