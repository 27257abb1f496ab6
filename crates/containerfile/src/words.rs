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
pub(crate) fn split<'line>(line: &'line Line, escape: char) -> Parts<'line> {
    let text = &*line.text;
    let (start, keyword_end) = keyword_range(text);
    let (flags, arguments_start) = flags(line, keyword_end, escape);
    let arguments = text[arguments_start..].trim();
    let begin = arguments_start + text[arguments_start..].len()
        - text[arguments_start..].trim_start().len();
    Parts {
        keyword: &text[start..keyword_end],
        flags,
        arguments,
        arguments_at: begin,
        keyword_span: line.span_of(start, keyword_end),
        arguments_span: line.span_of(begin, begin + arguments.len()),
    }
}

/// The blanks that separate plain words; a newline cannot stand in a line.
fn is_blank(character: char) -> bool {
    matches!(character, '\t' | '\u{b}' | '\u{c}' | '\r' | ' ')
}

/// Reads flags from `start` on; returns them, and where the arguments begin.
fn flags<'line>(line: &'line Line, start: usize, escape: char) -> (Vec<Flag<'line>>, usize) {
    let text = &*line.text;
    let mut flags = Vec::new();
    let mut at = start;
    loop {
        let rest = &text[at..];
        let begin = at + rest.len() - rest.trim_start().len();
        if !text[begin..].starts_with("--") {
            return (flags, begin);
        }
        let (word, length) = flag_word(&text[begin..], escape);
        at = begin + length;
        if word == "--" {
            return (flags, at);
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
    let word = word.trim_start_matches("--");
    match word.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (word, None),
    }
}

/// Reads one flag up to the next blank; returns it without quotes and escapes, and its length in bytes.
fn flag_word(text: &str, escape: char) -> (Cow<'_, str>, usize) {
    let ends = |character: char| {
        character.is_whitespace() || matches!(character, '\'' | '"') || character == escape
    };
    let plain = text.find(ends).unwrap_or(text.len());
    if !text[plain..].starts_with(['\'', '"', escape]) {
        return (text[..plain].into(), plain);
    }
    let mut word = String::new();
    let mut quote = None;
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        if character == escape {
            word.extend(characters.next().map(|(_, escaped)| escaped));
        } else if quote == Some(character) {
            quote = None;
        } else if quote.is_none() && character.is_whitespace() {
            return (word.into(), at);
        } else if quote.is_none() && matches!(character, '\'' | '"') {
            quote = Some(character);
        } else {
            word.push(character);
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
    let Ok(values) = serde_json::from_str::<Vec<serde_json::Value>>(text) else {
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
    fn a_line_splits(
        #[case] text: &str,
        #[case] keyword: &str,
        #[case] flags: &[&str],
        #[case] arguments: &str,
    ) {
        let line = line(text);
        let parts = split(&line, '\\');
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
