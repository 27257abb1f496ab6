//! What suppresses findings: comments in a file, and entries of the tree's settings.
//!
//! It knows lines, and not what rules look at.

use std::cell::Cell;
use std::ops::Range;

use camino::Utf8Path;
use containerfile::{Containerfile, Position, Span};

use crate::finding::{Finding, Source};
use crate::rule::{Rule, RuleSet};
use crate::table::{BAD_ALLOW, UNUSED_ALLOW, rule};

/// What a comment that suppresses findings begins with, behind its `#`.
const MARK: &str = "stagex:";

/// An entry of the tree's settings that suppresses the findings of a rule in some files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allow {
    /// The rule's name, which exists.
    pub rule: String,
    /// A pattern, relative to the tree's root, for files, or for directories with all that is in them.
    pub path: String,
    /// Why.
    pub reason: String,
    /// The line of `stagex.toml` on which it stands.
    pub line: usize,
}

impl Allow {
    /// Tells whether it suppresses a finding.
    pub(crate) fn covers(&self, finding: &Finding) -> bool {
        let is_it = |path: &Utf8Path| {
            let matches = patterns::matches(self.path.as_bytes(), path.as_str().as_bytes());
            path == self.path || matches.unwrap_or_default()
        };
        self.rule == finding.rule.id && finding.file.ancestors().any(is_it)
    }
}

/// A rule that a comment names, and the lines that it is about.
#[derive(Debug)]
struct Comment {
    rule: &'static Rule,
    lines: Range<usize>,
    /// The rule's name in the comment.
    span: Span,
    /// The whole line, with its end, if it can be removed.
    removable: Option<Span>,
    is_used: Cell<bool>,
}

/// The comments of a file.
#[derive(Debug)]
pub(crate) struct Comments<'a> {
    source: Source<'a>,
    comments: Vec<Comment>,
}

impl<'a> Comments<'a> {
    /// Reads the comments of a Containerfile. Notes those that are wrong.
    pub(crate) fn of_containerfile(
        source: Source<'a>,
        file: &Containerfile,
        found: &mut Vec<Finding>,
    ) -> Self {
        let stages = file.stages.iter();
        let spans = stages.flat_map(|stage| {
            let statements = stage.statements.iter().map(|statement| statement.span);
            [stage.span].into_iter().chain(statements)
        });
        let mut spans: Vec<Span> = spans
            .chain(file.arguments.iter().map(|argument| argument.span))
            .collect();
        spans.sort();
        Self::read(source, &spans, found)
    }

    /// Reads the comments of a `package.toml`. Notes those that are wrong.
    pub(crate) fn of_manifest(source: Source<'a>, found: &mut Vec<Finding>) -> Self {
        // A comment before the head of a table is about the whole table.
        let mut spans: Vec<Span> = Vec::new();
        for (start, line) in lines(source.text) {
            if line.starts_with('[') {
                if let Some(before) = spans.last_mut() {
                    before.end = start;
                }
                let end = source.text.len();
                spans.push(Span { start, end });
            }
        }
        Self::read(source, &spans, found)
    }

    /// Reads the comments. Each is about the part that begins on the next line with something on it; if none
    /// begins there, about that line.
    fn read(source: Source<'a>, parts: &[Span], found: &mut Vec<Finding>) -> Self {
        let mut comments = Vec::new();
        if !source.text.contains(MARK) {
            return Self { source, comments };
        }
        let all: Vec<_> = lines(source.text).collect();
        for (number, &(start, line)) in all.iter().enumerate() {
            let Some(text) = line.trim().strip_prefix('#') else {
                continue;
            };
            let Some(text) = text.trim_start().strip_prefix(MARK) else {
                continue;
            };
            let span = Span {
                start: start + line.len() - line.trim_start().len(),
                end: start + line.trim_end().len(),
            };
            let rules = match rules(text.trim()) {
                Ok(rules) => rules,
                Err(message) => {
                    found.push(source.finding(&BAD_ALLOW, span, message));
                    continue;
                }
            };
            let is_about = |line: &str| !line.trim().is_empty() && !line.trim().starts_with('#');
            let next = all[number + 1..]
                .iter()
                .position(|(_, line)| is_about(line));
            let next = next.map_or(number + 1, |next| number + 1 + next);
            let (at, text) = all.get(next).copied().unwrap_or((source.text.len(), ""));
            let part = parts
                .iter()
                .find(|part| (at..=at + text.len()).contains(&part.start));
            let first = next + 1;
            let last = part.map_or(first, |part| {
                let last = part.end.saturating_sub(1).max(part.start);
                Position::in_source(source.text, last).line
            });
            let is_inside = |part: &Span| (part.start..part.end).contains(&span.start);
            // In the lines of an instruction it may be part of a file.
            let is_own = source.path.extension() == Some("toml") || !parts.iter().any(is_inside);
            let whole = Span {
                start,
                end: (start + line.len() + 1).min(source.text.len()),
            };
            for name in &rules {
                let offset = source.text[span.start..span.end]
                    .find(name.id)
                    .unwrap_or_default();
                comments.push(Comment {
                    rule: name,
                    lines: first..last + 1,
                    span: Span {
                        start: span.start + offset,
                        end: span.start + offset + name.id.len(),
                    },
                    removable: (is_own && rules.len() == 1).then_some(whole),
                    is_used: Cell::new(false),
                });
            }
        }
        Self { source, comments }
    }

    /// Tells whether one of them suppresses a finding, and takes note of that.
    pub(crate) fn cover(&self, finding: &Finding) -> bool {
        let line = finding.place.as_ref().map_or(0, |place| place.line);
        let is_about = |comment: &&Comment| {
            comment.rule == finding.rule
                && finding.file == self.source.path
                && comment.lines.contains(&line)
        };
        let about = self.comments.iter().filter(is_about);
        about.map(|comment| comment.is_used.set(true)).count() > 0
    }

    /// Returns a finding for each that suppresses nothing, although its rule is in the set.
    pub(crate) fn unused(&self, set: RuleSet) -> Vec<Finding> {
        let comments = self.comments.iter();
        let unused =
            comments.filter(|comment| !comment.is_used.get() && comment.rule.sets.contains(&set));
        unused
            .map(|comment| {
                let message = format!("nothing here breaks `{}`", comment.rule);
                let finding = self.source.finding(&UNUSED_ALLOW, comment.span, message);
                match comment.removable {
                    Some(span) => finding.fix(span, ""),
                    None => finding,
                }
            })
            .collect()
    }
}

/// Returns each line without its end, and where it begins.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut start = 0;
    text.split('\n').map(move |line| {
        let at = start;
        start += line.len() + 1;
        (at, line)
    })
}

/// Reads `allow(RULE, RULE) REASON`.
fn rules(text: &str) -> Result<Vec<&'static Rule>, String> {
    let expected =
        || format!("`{MARK} {text}` is not what is expected: `{MARK} allow(RULE) REASON`");
    let rest = text.strip_prefix("allow(").ok_or_else(expected)?;
    let (names, reason) = rest.split_once(')').ok_or_else(expected)?;
    let named = names.split(',').map(str::trim);
    let rules = named.map(|name| rule(name).ok_or_else(|| format!("there is no rule `{name}`")));
    let rules = rules.collect::<Result<Vec<_>, _>>()?;
    if reason.trim().is_empty() {
        return Err(format!("a reason is missing behind `allow({names})`"));
    }
    Ok(rules)
}
