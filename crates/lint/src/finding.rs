//! A finding: which rule is broken where, with the line of the source, and how it can be repaired.
//!
//! It does not know how findings are shown.

use std::ops::Range;

use camino::{Utf8Path, Utf8PathBuf};
use containerfile::{Position, Span};

use crate::rule::Rule;

/// How much of a source line, or of what was found, is kept, in bytes.
const LONGEST: usize = 4096;

/// A breach of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The rule.
    pub rule: &'static Rule,
    /// The file, relative to the tree's root.
    pub file: Utf8PathBuf,
    /// Where in the file, if it is about a part of it.
    pub place: Option<Place>,
    /// What is wrong there.
    pub message: String,
    /// What to do about it.
    pub advice: String,
    /// How it is repaired without a change to any image, if it can be.
    pub fix: Option<Edit>,
}

/// A place in a file, on one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// The column after the last character.
    pub end: usize,
    /// The line, without its end.
    pub source: String,
}

/// A change to a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// The bytes that are replaced.
    pub range: Range<usize>,
    /// What stands there then.
    pub text: String,
}

/// A text that rules look at, and its path.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Source<'a> {
    pub(crate) path: &'a Utf8Path,
    pub(crate) text: &'a str,
}

impl Source<'_> {
    /// Makes a finding about a part of it.
    pub(crate) fn finding(
        &self,
        rule: &'static Rule,
        span: Span,
        message: impl Into<String>,
    ) -> Finding {
        Finding {
            place: Some(self.place(span)),
            ..self.whole(rule, message)
        }
    }

    /// Makes a finding about all of it.
    pub(crate) fn whole(&self, rule: &'static Rule, message: impl Into<String>) -> Finding {
        Finding {
            rule,
            file: self.path.to_owned(),
            place: None,
            message: message.into(),
            advice: rule.advice.to_owned(),
            fix: None,
        }
    }

    /// Returns the place of a span, as far as that is on its first line.
    fn place(&self, span: Span) -> Place {
        let Position { line, column } = Position::in_source(self.text, span.start);
        let found = span.of(self.text);
        let found = found.lines().next().unwrap_or_default();
        Place {
            line,
            column,
            end: column + found.chars().count().max(1),
            source: self.line(line),
        }
    }

    /// Returns a place that somebody else counted.
    pub(crate) fn place_at(&self, (line, column): (usize, usize)) -> Place {
        Place {
            line,
            column,
            end: column + 1,
            source: self.line(line),
        }
    }

    fn line(&self, line: usize) -> String {
        let text = self.text.lines().nth(line - 1).unwrap_or_default();
        let mut end = text.len().min(LONGEST);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text[..end].to_owned()
    }
}

impl Finding {
    /// Says what to do, where that is more than the rule says.
    pub(crate) fn advice(mut self, advice: impl Into<String>) -> Self {
        self.advice = advice.into();
        self
    }

    /// Says how it is repaired.
    pub(crate) fn fix(mut self, span: Span, text: impl Into<String>) -> Self {
        self.fix = Some(Edit {
            range: span.start..span.end,
            text: text.into(),
        });
        self
    }

    /// Returns what findings are sorted by.
    pub(crate) fn order(&self) -> (&Utf8Path, usize, usize, &str, &str) {
        let (line, column) = self.position().unwrap_or_default();
        (&self.file, line, column, self.rule.id, &self.message)
    }

    /// Returns the line and the column.
    pub fn position(&self) -> Option<(usize, usize)> {
        self.place.as_ref().map(|place| (place.line, place.column))
    }
}
