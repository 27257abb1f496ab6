//! The table of rules: what may stand for a symbol, and how often it does.
//!
//! A rule is a line of `grammar.txt`: the symbol, its weight, a tag in brackets where the rule has a name, and behind
//! the `|` what stands for it. That is text with symbols in it: `<symbol>`, `<symbol?>` in half of the cases,
//! `<symbol*>` up to four times, each as an instruction of its own, and `<symbol+>` one to three times with blanks between.
//! `\n`, `\t` and `\x20` are a new line, a tab and a blank, `\\` is a backslash, and `\&` is the end of an instruction.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

/// The rules.
const GRAMMAR: &str = include_str!("grammar.txt");
/// What stands between two instructions while a Containerfile is made.
pub(crate) const END: char = '\u{1e}';

/// A rule.
#[derive(Debug)]
pub(crate) struct Rule {
    /// How often it is taken, beside the others of its symbol.
    pub(crate) weight: usize,
    /// Its name, if it has one.
    pub(crate) tag: Option<&'static str>,
    /// What stands for the symbol.
    pub(crate) parts: Vec<Part>,
}

/// A part of what stands for a symbol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Part {
    /// This text.
    Text(String),
    /// A symbol.
    Symbol(&'static str, Times),
}

/// How often a symbol stands at its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Times {
    /// Once.
    Once,
    /// Once or not at all.
    Perhaps,
    /// Some times, each as an instruction of its own.
    Instructions,
    /// Some times, with blanks between.
    Words,
}

/// The rules of each symbol.
pub(crate) type Table = BTreeMap<&'static str, Vec<Rule>>;

/// Returns the table.
pub(crate) fn table() -> &'static Table {
    static TABLE: OnceLock<Table> = OnceLock::new();
    TABLE.get_or_init(|| {
        let mut table = Table::new();
        let lines = GRAMMAR.lines().filter(|line| !line.starts_with('#'));
        for line in lines.filter(|line| !line.is_empty()) {
            let (symbol, rule) = rule(line).expect("the grammar is well-formed");
            table.entry(symbol).or_default().push(rule);
        }
        table
    })
}

/// Returns the names of the rules that have one.
pub(crate) fn names() -> BTreeSet<&'static str> {
    let rules = table().values().flatten();
    rules.filter_map(|rule| rule.tag).collect()
}

/// Reads a line of the table.
fn rule(line: &'static str) -> Option<(&'static str, Rule)> {
    let (head, text) = line.split_once("| ").or_else(|| line.split_once('|'))?;
    let mut words = head.split_whitespace();
    let symbol = words.next()?;
    let weight = words.next()?.parse().ok()?;
    let tag = words.next();
    let tag = match tag {
        Some(tag) => Some(tag.strip_prefix('[')?.strip_suffix(']')?),
        None => None,
    };
    let rule = Rule {
        weight,
        tag,
        parts: parts(text),
    };
    words.next().is_none().then_some((symbol, rule))
}

/// Takes apart what stands for a symbol.
fn parts(text: &'static str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut plain = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if let Some((symbol, times, after)) = symbol(rest) {
            if !plain.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut plain)));
            }
            parts.push(Part::Symbol(symbol, times));
            rest = after;
            continue;
        }
        let escaped = [
            ("\\\\", '\\'),
            ("\\n", '\n'),
            ("\\t", '\t'),
            ("\\x20", ' '),
            ("\\&", END),
        ];
        let escaped = escaped
            .iter()
            .find_map(|(name, what)| Some((*what, rest.strip_prefix(name)?)));
        let (what, after) = escaped.unwrap_or((first, &rest[first.len_utf8()..]));
        plain.push(what);
        rest = after;
    }
    if !plain.is_empty() {
        parts.push(Part::Text(plain));
    }
    parts
}

/// Reads a symbol at the beginning of a text. A heredoc's `<<` is none: symbols are in small letters.
fn symbol(text: &'static str) -> Option<(&'static str, Times, &'static str)> {
    let inner = text.strip_prefix('<')?;
    let (name, after) = inner.split_once('>')?;
    let (name, times) = [
        ('?', Times::Perhaps),
        ('*', Times::Instructions),
        ('+', Times::Words),
    ]
    .iter()
    .find_map(|(sign, times)| Some((name.strip_suffix(*sign)?, *times)))
    .unwrap_or((name, Times::Once));
    let fits = |c: char| c.is_ascii_lowercase() || c == '-';
    (!name.is_empty() && name.chars().all(fits)).then_some((name, times, after))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generator::BUILT_IN;

    #[test]
    fn every_symbol_has_rules_and_is_used() {
        let table = table();
        let mut used = BTreeSet::from([
            "head",
            "stage",
            "build-arg",
            "ignore",
            "w-source",
            "base-source",
        ]);
        for rule in table.values().flatten() {
            for part in &rule.parts {
                if let Part::Symbol(name, _) = part {
                    used.insert(name);
                    let known = table.contains_key(name) || BUILT_IN.contains(name);
                    assert!(known, "<{name}> has no rule");
                }
            }
        }
        let unused: Vec<_> = table.keys().filter(|name| !used.contains(*name)).collect();
        assert!(unused.is_empty(), "{unused:?} are never used");
        let built_in: BTreeSet<_> = BUILT_IN.into_iter().collect();
        let missing: Vec<_> = built_in.difference(&used).collect();
        assert!(missing.is_empty(), "{missing:?} are never used");
    }

    #[test]
    fn a_rule_is_taken_apart() {
        let (symbol, rule) =
            rule("copy 3 [a-tag] | COPY <flag+> <<EOF /x\\n<body?>\\nEOF").unwrap();
        assert_eq!((symbol, rule.weight, rule.tag), ("copy", 3, Some("a-tag")));
        let text = |text: &str| Part::Text(text.to_owned());
        let expected = [
            text("COPY "),
            Part::Symbol("flag", Times::Words),
            text(" <<EOF /x\n"),
            Part::Symbol("body", Times::Perhaps),
            text("\nEOF"),
        ];
        assert_eq!(rule.parts, expected);
    }
}
