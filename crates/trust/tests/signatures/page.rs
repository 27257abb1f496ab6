//! `docs/trust.md`: each test that its table of threats names is there, and each test of signatures is named.

use std::collections::BTreeSet;

const PAGE: &str = include_str!("../../../../docs/trust.md");

/// The tests that the table names.
const SIGNATURES: [&str; 4] = [
    include_str!("main.rs"),
    include_str!("crafted.rs"),
    include_str!("evidence.rs"),
    include_str!("server.rs"),
];
const OTHERS: [&str; 15] = [
    include_str!("../../src/payload.rs"),
    include_str!("../../src/place.rs"),
    include_str!("../../src/pins.rs"),
    include_str!("../../src/policy.rs"),
    include_str!("../../src/releases.rs"),
    include_str!("../../src/ssh.rs"),
    include_str!("../../../history/src/commit.rs"),
    include_str!("../../../history/src/merge.rs"),
    include_str!("../../../../cli/tests/commits/mod.rs"),
    include_str!("../../../../cli/tests/trust.rs"),
    include_str!("../../../../cli/tests/believed/mod.rs"),
    include_str!("../../../../cli/tests/verified/mod.rs"),
    include_str!("../../../../cli/tests/released/mod.rs"),
    include_str!("../../../../cli/tests/sign.rs"),
    include_str!("../../../../cli/tests/unsigned/mod.rs"),
];

/// Tests that show that something works, and no threat.
const OF_NO_THREAT: [&str; 4] = [
    "all_forms_that_gpg_writes_are_read",
    "what_is_crafted_here_counts_otherwise",
    "what_is_no_server_is_not_asked",
    "a_server_without_a_last_number_is_left_after_many",
];

/// Returns the names of the tests in a source.
fn tests(source: &str) -> BTreeSet<&str> {
    let marks = ["\n#[test]\n", "\n#[rstest]\n"].into_iter();
    let parts = marks.flat_map(|mark| source.split(mark).skip(1));
    let functions = parts.filter_map(|part| part.split_once("fn "));
    let names = functions.filter_map(|(_, function)| function.split_once('('));
    names.map(|(name, _)| name).collect()
}

#[test]
fn the_table_of_threats_has_every_test_and_no_other() {
    let table = PAGE.split("\n| threat |").nth(1).unwrap();
    let rows = table
        .lines()
        .skip(2)
        .take_while(|line| line.starts_with('|'));
    let mut named = BTreeSet::new();
    for row in rows {
        let cell = row.trim_end_matches(" |").rsplit(" | ").next().unwrap();
        let words = cell.split('`').skip(1).step_by(2);
        let before = named.len();
        named.extend(words);
        assert!(
            named.len() > before,
            "a threat without a test of its own: {row}"
        );
    }
    let of_signatures: BTreeSet<&str> =
        SIGNATURES.iter().flat_map(|source| tests(source)).collect();
    for name in &named {
        let is_there = |source: &&str| source.contains(&format!("fn {name}("));
        assert!(SIGNATURES.iter().chain(&OTHERS).any(is_there), "{name}");
    }
    let expected: BTreeSet<&str> = named.iter().copied().chain(OF_NO_THREAT).collect();
    let unnamed: Vec<_> = of_signatures.difference(&expected).collect();
    assert!(unnamed.is_empty(), "not in docs/trust.md: {unnamed:?}");
}
