//! What in a Containerfile lets a build notice which engine runs it, as far as a reader can see.
//!
//! It knows instructions and the words of shell commands. It runs nothing, and no engine.

use containerfile::{Instruction, Span, Statement};

use crate::finding::Finding;
use crate::rule::Rule;
use crate::subject::Subject;
use crate::table::{DEVICES, HEREDOC_NAME, HOST_NAME, LIMITS, NETWORK_FILES, ROOT};
use crate::words::{Word, words};

pub(super) fn check(subject: &Subject<'_>, found: &mut Vec<Finding>) {
    for (_, statement) in subject.statements() {
        let before = found.len();
        of_statement(subject, statement, found);
        // Of several on one line the first is enough.
        let mut new = found.split_off(before);
        let line = |finding: &Finding| finding.position().map(|(line, _)| line);
        new.dedup_by(|a, b| a.rule == b.rule && line(a) == line(b));
        found.extend(new);
    }
}

fn of_statement(subject: &Subject<'_>, statement: &Statement, found: &mut Vec<Finding>) {
    let source = &subject.containerfile;
    match &statement.instruction {
        Instruction::Run(_) => {
            let words = words(statement.span.of(source.text));
            for (place, word) in words.iter().enumerate() {
                let is_path = || !is_part(statement.span.of(source.text), *word);
                if let Some(rule) = rule(&words, place).filter(|_| is_path()) {
                    let start = statement.span.start + word.start;
                    let end = start + word.text.len();
                    let message = format!("`{}`: {}", word.text, rule.reason);
                    found.push(source.finding(rule, Span { start, end }, message));
                }
            }
        }
        Instruction::Copy(copy) => {
            let sources = &copy.sources;
            let is_odd = sources
                .heredocs
                .iter()
                .any(|heredoc| !heredoc.name.is_ascii())
                || (!sources.heredocs.is_empty() && !sources.destination.is_ascii());
            if is_odd {
                let message = format!("`{}`: {}", sources.destination, HEREDOC_NAME.reason);
                found.push(source.finding(&HEREDOC_NAME, statement.span, message));
            }
        }
        _ => {}
    }
}

/// Tells whether a word is only a part of a path, as in `/{}`, or of one that is left out.
fn is_part(text: &str, word: Word<'_>) -> bool {
    let before = text[..word.start].trim_end_matches(['"', '\'', '=', ' ']);
    let end = word.start + word.text.len();
    text[end..].starts_with('{') || before.ends_with("--exclude")
}

/// Returns the rule that the word at `place` falls under, if there is one.
fn rule(words: &[Word<'_>], place: usize) -> Option<&'static Rule> {
    let word = words[place];
    let next = words.get(place + 1).filter(|next| !next.leads);
    let command = words[..=place].iter().rev().find(|word| word.leads)?;
    match word.text {
        "hostname" if word.leads => Some(&HOST_NAME),
        "$HOSTNAME" => Some(&HOST_NAME),
        "uname" if word.leads && next.is_some_and(|next| names_the_node(next.text)) => {
            Some(&HOST_NAME)
        }
        "/etc/hosts" | "/etc/hostname" | "/etc/resolv.conf" => Some(&NETWORK_FILES),
        "/dev" | "/dev/" | "/dev/*" => Some(&DEVICES),
        "/" if ["ls", "stat", "find", "du"].contains(&command.text) => Some(&ROOT),
        "/proc/self/limits" => Some(&LIMITS),
        _ => None,
    }
}

/// Tells whether these options of uname print the host's name.
fn names_the_node(options: &str) -> bool {
    options == "--nodename"
        || options == "--all"
        || options
            .strip_prefix('-')
            .is_some_and(|flags| !flags.starts_with('-') && flags.contains(['n', 'a']))
}
