//! What `stagex check` finds, for people: each finding with its line of the source, and the table of rules.
//!
//! It does not know what is wrong where.

use std::fmt::Write as _;

use lint::{Finding, Outcome, Place, RULES, Rule, RuleSet, Severity};

use super::words::count;
use crate::failure::print_problem_at;

/// How much of a line is shown, in characters.
const WIDEST: usize = 120;

/// How much of a line is shown before the place, where it is too long, in characters.
const BEFORE: usize = 40;

/// Prints a finding to standard error.
pub(crate) fn print(finding: &Finding) {
    let message = format!(
        "{}: {} [{}]",
        position(finding),
        finding.message,
        finding.rule
    );
    let excerpt = finding.place.as_ref().map(excerpt).unwrap_or_default();
    let severity = finding.rule.severity.word();
    print_problem_at(severity, &message, &excerpt, Some(&finding.advice));
}

/// Returns a finding as one line that editors read.
pub(crate) fn line(finding: &Finding) -> String {
    let (line, column) = finding.position().unwrap_or((1, 1));
    let text = format!(
        "{}:{line}:{column}: {}: {} [{}]",
        finding.file,
        finding.rule.severity.word(),
        finding.message,
        finding.rule
    );
    printable::line(&text).into_owned()
}

fn position(finding: &Finding) -> String {
    match finding.position() {
        Some((line, column)) => format!("{}:{line}:{column}", finding.file),
        None => finding.file.to_string(),
    }
}

/// Returns the line of a place, and below it carets under the place.
fn excerpt(place: &Place) -> Vec<String> {
    let characters: Vec<char> = place.source.chars().collect();
    if characters.iter().all(|character| character.is_whitespace()) {
        return Vec::new();
    }
    let at = (place.column - 1).min(characters.len());
    let first = if characters.len() > WIDEST {
        at.saturating_sub(BEFORE)
    } else {
        0
    };
    let shown = characters.iter().skip(first).take(WIDEST);
    // A tab has no width of its own.
    let shown: String = shown
        .map(|&each| if each == '\t' { ' ' } else { each })
        .collect();
    let number = place.line.to_string();
    let length = (place.end - place.column).clamp(1, WIDEST);
    let length = length.min((first + WIDEST).saturating_sub(at).max(1));
    vec![
        format!("  {number} | {}", shown.trim_end()),
        format!(
            "  {:width$} | {:before$}{}",
            "",
            "",
            "^".repeat(length),
            width = number.len(),
            before = at - first
        ),
    ]
}

/// Returns how much was found.
pub(crate) fn summary(outcome: &Outcome, fixed: Option<usize>) -> String {
    let mut text = format!("{} checked", count(outcome.files, "Containerfile"));
    for severity in [Severity::Error, Severity::Warning, Severity::Note] {
        let number = outcome.count(severity);
        if severity == Severity::Warning || number > 0 {
            let _ = write!(text, ", {}", count(number, severity.word()));
        }
    }
    if outcome.suppressed > 0 {
        let _ = write!(text, ", {} suppressed", outcome.suppressed);
    }
    if let Some(fixed) = fixed {
        let _ = write!(text, ", {fixed} repaired");
    }
    text
}

/// Returns the table of rules.
pub(crate) fn rules() -> String {
    let mut text = String::new();
    for rule in RULES {
        let _ = writeln!(
            text,
            "{} ({}; {})\n    {}\n    {}",
            rule.id,
            rule.severity.word(),
            sets(rule).join(", "),
            rule.reason,
            rule.advice
        );
    }
    text
}

/// Returns the names of the rule sets that have a rule, and whether it can be repaired.
fn sets(rule: &Rule) -> Vec<&'static str> {
    let sets = rule.sets.iter().copied().map(RuleSet::name);
    sets.chain(rule.has_fix.then_some("--fix")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(source: &str, column: usize, end: usize) -> Vec<String> {
        excerpt(&Place {
            line: 7,
            column,
            end,
            source: source.to_owned(),
        })
    }

    #[test]
    fn carets_stand_below_the_place() {
        assert_eq!(place("\tRUN x", 2, 5), ["  7 |  RUN x", "    |  ^^^"]);
        assert_eq!(place("", 1, 2), [""; 0]);
    }

    #[test]
    fn of_a_long_line_the_place_is_shown() {
        let source = format!("{}HERE{}", "a".repeat(500), "b".repeat(500));
        let [line, carets] = &place(&source, 501, 505)[..] else {
            panic!("no excerpt");
        };
        let at = carets.find('^').unwrap();
        assert_eq!(&line[at..at + 4], "HERE");
        assert!(line.len() < 140 && carets.ends_with("^^^^") && !carets.ends_with("^^^^^"));
    }
}
