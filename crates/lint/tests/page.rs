//! `docs/lint.md`, the page for people, has the table of rules as it is in the code.

#![expect(
    clippy::unwrap_used,
    reason = "in a test, what cannot be made is a failure"
)]

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use lint::RULES;

/// Set it to write the table.
const WRITE: &str = "STAGEX_WRITE_RULES";

const BEGIN: &str = "<!-- rules -->\n";
const END: &str = "<!-- /rules -->\n";

fn table() -> String {
    let mut table =
        "| rule | severity | why | what to do | rule sets |\n|---|---|---|---|---|\n".to_owned();
    for rule in RULES {
        let mut sets: Vec<_> = rule.sets.iter().map(|set| set.name()).collect();
        sets.extend(rule.has_fix.then_some("`--fix`"));
        writeln!(
            table,
            "| `{}` | {} | {} | {} | {} |",
            rule.id,
            rule.severity.word(),
            // What would be HTML in a page is code there.
            rule.reason.replace('<', "&lt;"),
            rule.advice.replace('<', "&lt;"),
            sets.join(", ")
        )
        .unwrap();
    }
    table
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "whoever changes a rule asks for a new table with a variable"
)]
fn the_page_has_every_rule_as_it_is() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/lint.md");
    let page = fs::read_to_string(&path).unwrap();
    let (before, rest) = page.split_once(BEGIN).unwrap();
    let (found, after) = rest.split_once(END).unwrap();
    let table = table();
    if std::env::var_os(WRITE).is_some() {
        fs::write(&path, format!("{before}{BEGIN}{table}{END}{after}")).unwrap();
        return;
    }
    assert!(
        found == table,
        "docs/lint.md has another table than the code: write it with `{WRITE}=1 cargo test -p lint --test page`"
    );
}

#[test]
fn every_rule_says_why_in_one_sentence() {
    for rule in RULES {
        for text in [rule.reason, rule.advice] {
            assert!(!text.ends_with('.') && text.len() > 10, "{rule}: {text}");
            assert!(
                !text.contains('|') && !text.contains('\n'),
                "{rule}: {text}"
            );
        }
        assert!(!rule.sets.is_empty(), "{rule}");
    }
}
