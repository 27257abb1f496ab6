//! Logical lines: directives, comments, continuations and heredoc bodies, with the way back to the source.
//!
//! It does not know any instruction.

use std::borrow::Cow;

use crate::error::{ErrorKind, Fault};
use crate::span::Span;

/// One of the parser directives at the top of the file: `# name=value`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directive {
    /// `syntax`, `escape` or `check`.
    pub name: String,
    /// The text after `=`, without blanks around it.
    pub value: String,
    /// The whole line.
    pub span: Span,
}

/// An instruction's text with its continuations joined, and comments and empty lines between them dropped.
#[derive(Debug, Clone)]
pub(crate) struct Line<'source> {
    pub(crate) text: Cow<'source, str>,
    /// For each piece behind the first: where it begins in `text`, and where in the source.
    joined: Vec<(usize, usize)>,
    pub(crate) span: Span,
}

impl Line<'_> {
    /// Returns the part of the line that begins at `at`.
    pub(crate) fn tail(&self, at: usize) -> Line<'_> {
        let later = self.joined.iter().filter(|(begin, _)| *begin > at);
        Line {
            text: Cow::Borrowed(&self.text[at..]),
            joined: later.map(|(begin, source)| (begin - at, *source)).collect(),
            span: Span {
                start: self.offset(at),
                ..self.span
            },
        }
    }

    /// Returns the offset in the source of the byte at `at` of the text.
    pub(crate) fn offset(&self, at: usize) -> usize {
        let after = self.joined.partition_point(|(begin, _)| *begin <= at);
        let (begin, source) = match after.checked_sub(1) {
            Some(index) => self.joined[index],
            None => (0, self.span.start),
        };
        (source + at - begin).min(self.span.end)
    }

    /// Returns the span in the source of a range of the text.
    pub(crate) fn span_of(&self, start: usize, end: usize) -> Span {
        Span {
            start: self.offset(start),
            end: if end > start {
                (self.offset(end - 1) + 1).min(self.span.end)
            } else {
                self.offset(start)
            },
        }
    }
}

/// Reads a source line by line.
pub(crate) struct Lines<'source> {
    source: &'source str,
    at: usize,
    in_directives: bool,
    pub(crate) escape: char,
    pub(crate) directives: Vec<Directive>,
    /// The empty lines within instructions, with their ends.
    pub(crate) empty_continuations: Vec<Span>,
}

/// A physical line without its end, and where it begins.
struct Physical<'source> {
    text: &'source str,
    start: usize,
}

impl<'source> Lines<'source> {
    pub(crate) fn new(source: &'source str) -> Self {
        Self {
            source,
            at: if source.starts_with('\u{feff}') { 3 } else { 0 },
            in_directives: true,
            escape: '\\',
            directives: Vec::new(),
            empty_continuations: Vec::new(),
        }
    }

    fn physical(&mut self) -> Option<Physical<'source>> {
        let start = self.at;
        let rest = self.source.get(start..).filter(|rest| !rest.is_empty())?;
        let length = rest.find('\n').map_or(rest.len(), |newline| newline + 1);
        self.at += length;
        Some(Physical {
            text: rest[..length].trim_end_matches(['\r', '\n']),
            start,
        })
    }

    /// Returns the next instruction's line, or nothing at the end of the file.
    pub(crate) fn next(&mut self) -> Result<Option<Line<'source>>, Fault> {
        while let Some(physical) = self.physical() {
            let text = physical.text.trim_start();
            let start = physical.start + physical.text.len() - text.len();
            let span = Span {
                start,
                end: start + text.len(),
            };
            self.directive(text, span)?;
            if text.is_empty() || text.starts_with('#') {
                continue;
            }
            let (text, mut continues) = self.without_continuation(text);
            let mut line = Line {
                text: Cow::Borrowed(text),
                joined: Vec::new(),
                span,
            };
            while continues {
                let Some(physical) = self.physical() else {
                    break;
                };
                let bare = physical.text.trim_start();
                if bare.is_empty() {
                    self.empty_continuations.push(Span {
                        start: physical.start,
                        end: self.at,
                    });
                    continue;
                }
                if bare.starts_with('#') {
                    continue;
                }
                line.span.end = physical.start + physical.text.len();
                line.joined.push((line.text.len(), physical.start));
                let (text, more) = self.without_continuation(physical.text);
                line.text.to_mut().push_str(text);
                continues = more;
            }
            if line.text.trim().is_empty() {
                // Nothing is continued, and that is no instruction.
                let kind = ErrorKind::UnknownInstruction {
                    keyword: String::new(),
                    nearest: None,
                };
                return Err(Fault::new(kind, line.span));
            }
            return Ok(Some(line));
        }
        Ok(None)
    }

    /// Cuts the continuation off: an escape at the end that no other escape stands before.
    fn without_continuation<'text>(&self, text: &'text str) -> (&'text str, bool) {
        let bare = text.trim_end_matches([' ', '\t']);
        match bare.strip_suffix(self.escape) {
            Some(rest) if !rest.ends_with(self.escape) => (rest, true),
            _ => (text, false),
        }
    }

    fn directive(&mut self, text: &str, span: Span) -> Result<(), Fault> {
        if !self.in_directives {
            return Ok(());
        }
        let Some((name, value)) = directive(text) else {
            self.in_directives = false;
            return Ok(());
        };
        if self.directives.iter().any(|other| other.name == name) {
            return Err(Fault::new(ErrorKind::RepeatedDirective(name), span));
        }
        if name == "escape" {
            self.escape = match value {
                "\\" => '\\',
                "`" => '`',
                other => {
                    let kind = ErrorKind::BadEscapeDirective(other.to_owned());
                    return Err(Fault::new(kind, span));
                }
            };
        }
        self.directives.push(Directive {
            name,
            value: value.to_owned(),
            span,
        });
        Ok(())
    }

    /// Reads the body of a heredoc whose mark stands in `line`; returns it, and where the line
    /// that ends it ends.
    pub(crate) fn heredoc_body(
        &mut self,
        line: &Line,
        name: &str,
        strip_tabs: bool,
    ) -> Result<(&'source str, usize), Fault> {
        let begin = self.at;
        while let Some(Physical { text, start }) = self.physical() {
            let candidate = if strip_tabs {
                text.trim_start_matches('\t')
            } else {
                text
            };
            if candidate == name {
                return Ok((&self.source[begin..start], start + text.len()));
            }
        }
        Err(Fault::new(
            ErrorKind::UnterminatedHeredoc(name.to_owned()),
            line.span_of(0, line.text.len()),
        ))
    }
}

/// Splits `# name=value` where the name is that of a parser directive.
fn directive(text: &str) -> Option<(String, &str)> {
    let (name, value) = text.strip_prefix('#')?.split_once('=')?;
    let name = name.trim().to_ascii_lowercase();
    let value = value.trim();
    let known = ["syntax", "escape", "check"].contains(&name.as_str());
    (known && !value.is_empty()).then_some((name, value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn texts(source: &str) -> Vec<String> {
        let mut lines = Lines::new(source);
        std::iter::from_fn(|| lines.next().unwrap())
            .map(|line| line.text.into_owned())
            .collect()
    }

    #[rstest]
    #[case("RUN a\nRUN b", &["RUN a", "RUN b"])]
    #[case("RUN a\r\nRUN b\r\n", &["RUN a", "RUN b"])]
    #[case("\u{feff}RUN a", &["RUN a"])]
    #[case("  RUN a\n\n# no\n  # no\nRUN b", &["RUN a", "RUN b"])]
    #[case("RUN a \\\n  b", &["RUN a   b"])]
    #[case("RUN a \\  \n b", &["RUN a  b"])]
    #[case("RUN a \\\n# comment\n\n  # comment\n b \\\nc", &["RUN a  b c"])]
    #[case("RUN a \\\\\nRUN b", &["RUN a \\\\", "RUN b"])]
    #[case("RUN a \\", &["RUN a "])]
    #[case("\\\nRUN a", &["RUN a"])]
    #[case("# escape=`\nRUN a \\\nRUN b `\nc", &["RUN a \\", "RUN b c"])]
    fn lines_are_joined(#[case] source: &str, #[case] expected: &[&str]) {
        assert_eq!(texts(source), expected);
    }

    #[test]
    fn a_joined_line_knows_its_source() {
        let source = "RUN one \\\n# gone\n\ttwo";
        let mut lines = Lines::new(source);
        let line = lines.next().unwrap().unwrap();
        let at = line.text.find("two").unwrap();
        assert_eq!(line.span_of(at, at + 3).of(source), "two");
        assert_eq!(line.span.of(source), source);
    }

    #[test]
    fn directives_stand_at_the_top_only() {
        let mut lines = Lines::new("#syntax = a/b:1\n# Check=skip=x\n# other=1\n# escape=`\nRUN");
        lines.next().unwrap();
        let found: Vec<_> = lines
            .directives
            .iter()
            .map(|directive| (directive.name.as_str(), directive.value.as_str()))
            .collect();
        assert_eq!(found, [("syntax", "a/b:1"), ("check", "skip=x")]);
        assert_eq!(lines.escape, '\\');
    }

    #[rstest]
    #[case("# escape=x\nRUN", ErrorKind::BadEscapeDirective("x".to_owned()))]
    #[case("# check=a\n# check=b\nRUN", ErrorKind::RepeatedDirective("check".to_owned()))]
    fn bad_directives_are_refused(#[case] source: &str, #[case] expected: ErrorKind) {
        assert_eq!(Lines::new(source).next().unwrap_err().kind, expected);
    }

    #[test]
    fn a_heredoc_ends_at_its_name() {
        let mut lines = Lines::new("RUN <<-EOF\n\ta\n EOF\n\t\tEOF\nRUN b");
        let line = lines.next().unwrap().unwrap();
        let body = lines.heredoc_body(&line, "EOF", true).unwrap();
        assert_eq!(
            body,
            ("\ta\n EOF\n", "RUN <<-EOF\n\ta\n EOF\n\t\tEOF".len())
        );
        assert_eq!(lines.next().unwrap().unwrap().text, "RUN b");
    }
}
