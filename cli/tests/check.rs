//! `stagex check` as a user meets it: what it prints in each format, how it ends, and what it repairs.

#![expect(
    clippy::unwrap_used,
    reason = "in a test, what cannot be made is a failure"
)]

#[expect(dead_code, reason = "this program uses a part of what all share")]
mod program;
mod schema;

use std::fs;
use std::path::Path;

use program::{stagex, tree};
use schema::printed;
use serde_json::Value;

const NAME: &str = "[package]\nname = \"a\"\n";

/// A Containerfile with something of each severity.
const BROKEN: &str = "FROM stagex/core-gone as Package\nRUN a \\\n\n  b\n";

#[test]
fn the_example_tree_obeys_the_rules() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let ran = stagex(top, &["check", "--deny-warnings"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{}", ran.stdout);
}

#[test]
fn what_is_broken_is_found_and_the_rest_is_checked() {
    let tree = tree(&[
        ("core/a", NAME, "FROM scratch\nCPOY a b\n"),
        (
            "core/b",
            "[package]\nname = 1\n",
            "FROM scratch AS package\n",
        ),
        (
            "core/c",
            "[package]\nname = \"c\"\n",
            "FROM scratch AS package\nRUN a\n",
        ),
    ]);
    let ran = stagex(tree.path(), &["check", "--format", "lines"]);
    assert_eq!(ran.code, 3, "{}", ran.stderr);
    for expected in [
        "packages/core/a/Containerfile:2:1: error: unknown instruction `CPOY` [invalid-containerfile]",
        "packages/core/b/package.toml:2:8: error: `name` is an integer, expected a string [invalid-package]",
        "packages/core/c/Containerfile:2:1: warning: this RUN can reach the network [network-in-run]",
    ] {
        assert!(
            ran.stdout.lines().any(|line| line == expected),
            "{}",
            ran.stdout
        );
    }
}

#[test]
fn a_finding_shows_its_line() {
    let hostile = "FROM scratch AS package\nRUN --network=none date \u{1b}[2J\u{202e}\n";
    let tree = tree(&[("core/a", NAME, hostile)]);
    let ran = stagex(tree.path(), &["check"]);
    let expected =
        "  2 | RUN --network=none date \u{fffd}[2J\u{fffd}\n    |                    ^^^^\n hint: ";
    assert!(ran.stderr.contains(expected), "{}", ran.stderr);
    assert_eq!(
        (ran.code, ran.stdout.as_str()),
        (0, "1 Containerfile checked, 1 warning\n")
    );
}

#[test]
fn each_format_has_the_same_findings() {
    let tree = tree(&[("core/a", NAME, BROKEN)]);
    let run = |format: &str| stagex(tree.path(), &["check", "--format", format]);
    let lines = run("lines");
    let count = lines.stdout.lines().count();
    assert!(count >= 4, "{}", lines.stdout);
    let json = printed("check", &run("json").stdout);
    assert_eq!(json["findings"].as_array().unwrap().len(), count);
    let sarif: Value = serde_json::from_str(&run("sarif").stdout).unwrap();
    assert_eq!(sarif["version"], "2.1.0");
    let run = &sarif["runs"][0];
    let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
    let results = run["results"].as_array().unwrap();
    assert_eq!(results.len(), count);
    for (result, finding) in results.iter().zip(json["findings"].as_array().unwrap()) {
        let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(rules[index]["id"], result["ruleId"]);
        assert_eq!(result["ruleId"], finding["rule"]);
        assert_eq!(result["level"], finding["severity"]);
        let place = &result["locations"][0]["physicalLocation"];
        assert_eq!(place["artifactLocation"]["uri"], finding["file"]);
        let region = &place["region"];
        assert_eq!(region["startLine"], finding["line"]);
        assert_eq!(region["startColumn"], finding["column"]);
        assert!(region["endColumn"].as_u64() > region["startColumn"].as_u64());
        assert!(result["message"]["text"].is_string());
    }
}

#[test]
fn only_what_finds_something_has_the_formats_of_findings() {
    let tree = tree(&[("core/a", NAME, BROKEN)]);
    for words in [
        &["config"][..],
        &["make", "--dry-run"],
        &["check", "--list-rules"],
    ] {
        let ran = stagex(tree.path(), &[words, &["--format", "sarif"]].concat());
        assert_eq!(ran.code, 2, "{words:?}");
        assert!(ran.stderr.contains("hint:"), "{}", ran.stderr);
    }
    let ran = stagex(tree.path(), &["check", "--list-rules", "--format", "json"]);
    let rules = printed("rules", &ran.stdout);
    assert!(rules["rules"].as_array().unwrap().len() > 50);
    let ran = stagex(tree.path(), &["check", "--list-rules"]);
    assert!(
        ran.stdout
            .contains("network-in-run (warning; tree-2024, tree-2026)\n")
    );
}

#[test]
fn repairs_are_made_once_and_change_nothing_else() {
    let before = "# a\nfrom --platform=$TARGETPLATFORM scratch AS Build\n# stagex: allow(time) gone\nENV a=b \\\n\n  c=d\n\
        FROM scratch as package\nCOPY --from=Build /a \\\n \t\n  /b\nRUN --network=none <<E\n# stagex: allow(time) x\nE\n";
    let after = "# a\nFROM scratch AS build\nENV a=b \\\n  c=d\n\
        FROM scratch AS package\nCOPY --from=Build /a \\\n  /b\nRUN --network=none <<E\n# stagex: allow(time) x\nE\n";
    let tree = tree(&[("core/a", NAME, before)]);
    let path = tree.path().join("packages/core/a/Containerfile");
    let ran = stagex(tree.path(), &["check", "--fix"]);
    assert_eq!(fs::read_to_string(&path).unwrap(), after, "{}", ran.stderr);
    assert!(ran.stdout.contains(", 7 repaired"), "{}", ran.stdout);
    assert!(
        ran.stderr.contains("their images stay the same"),
        "{}",
        ran.stderr
    );
    // What stands in a heredoc is a part of the image.
    assert!(ran.stderr.contains("[unused-allow]"), "{}", ran.stderr);
    let ran = stagex(tree.path(), &["check", "--fix"]);
    assert_eq!(fs::read_to_string(&path).unwrap(), after);
    assert!(ran.stdout.contains(", 0 repaired"), "{}", ran.stdout);
}

#[test]
fn a_file_that_may_be_in_the_image_is_not_repaired() {
    for copy in [
        "COPY . /a",
        "ADD Con* /a",
        "RUN --network=none --mount=target=/a b",
    ] {
        let text = format!("FROM scratch as package\n{copy}\n");
        let tree = tree(&[("core/a", NAME, &text)]);
        let ran = stagex(tree.path(), &["check", "--fix"]);
        let path = tree.path().join("packages/core/a/Containerfile");
        assert_eq!(fs::read_to_string(&path).unwrap(), text, "{}", ran.stderr);
        assert!(ran.stderr.contains("[FromAsCasing]"), "{}", ran.stderr);
    }
}

#[test]
fn a_finding_is_suppressed_with_a_reason() {
    let containerfile = "FROM scratch AS package\n\
        # stagex: allow(network-in-run, time) it\n# is so\nRUN date\nRUN date\n";
    let tree = tree(&[("core/a", NAME, containerfile)]);
    let settings = tree.path().join("stagex.toml");
    let check = |settings_text: &str, words: &[&str]| {
        fs::write(&settings, settings_text).unwrap();
        stagex(tree.path(), &[&["check"], words].concat())
    };
    let entry = |rule: &str, path: &str, reason: &str| {
        format!(
            "[check]\nallow = [\n{{ rule = \"{rule}\", path = \"{path}\", reason = \"{reason}\" }}]\n"
        )
    };
    let ran = check("", &[]);
    assert_eq!(
        ran.stdout,
        "1 Containerfile checked, 2 warnings, 2 suppressed\n"
    );
    let ran = check(&entry("time", "packages/*/a", "why"), &[]);
    assert_eq!(
        ran.stdout,
        "1 Containerfile checked, 1 warning, 3 suppressed\n"
    );
    let ran = check(&entry("locale", "packages/*/a", "why"), &[]);
    assert!(
        ran.stderr
            .contains("stagex.toml:3:1: nothing in `packages/*/a`"),
        "{}",
        ran.stderr
    );
    // Of a part of the tree nothing is known of the rest.
    let ran = check(&entry("locale", "packages/*/a", "why"), &["core-a"]);
    assert!(!ran.stderr.contains("stagex.toml"), "{}", ran.stderr);
    let ran = check(&entry("time", "packages", " "), &[]);
    assert_eq!(ran.code, 2);
    assert!(
        ran.stderr.contains("stagex.toml:3: `time` is allowed"),
        "{}",
        ran.stderr
    );
}

#[test]
fn a_tree_says_which_rules_it_follows() {
    let tree = tree(&[("core/a", NAME, "FROM scratch AS package\n")]);
    fs::write(tree.path().join("stagex.toml"), "rules = \"tree-2024\"\n").unwrap();
    let ran = stagex(tree.path(), &["check"]);
    assert_eq!(ran.code, 3);
    assert!(
        ran.stderr.contains("there is no stage `install`"),
        "{}",
        ran.stderr
    );
    let ran = stagex(tree.path(), &["check", "--rules", "tree-2026"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    assert_eq!(
        stagex(tree.path(), &["check", "--rules", "tree-2030"]).code,
        2
    );
}

#[test]
fn a_part_of_a_tree_is_checked_by_name_or_by_path() {
    let tree = tree(&[
        ("core/a", NAME, "FROM scratch AS package\nRUN a\n"),
        (
            "core/b",
            "[package]\nname = \"b\"\n",
            "FROM stagex/core-a AS package\n",
        ),
    ]);
    fs::write(
        tree.path().join("Containerfile"),
        "FROM debian\nFROM stagex/core-a\n",
    )
    .unwrap();
    for (target, files, warnings) in [
        ("core-b", "2 Containerfiles", 1),
        ("packages/core/b", "1 Containerfile", 0),
        ("./packages/core/a/Containerfile", "1 Containerfile", 1),
        // In no tree there are no packages: only what is pulled is told of.
        ("Containerfile", "1 Containerfile", 2),
    ] {
        let ran = stagex(tree.path(), &["check", target]);
        let plural = if warnings == 1 { "" } else { "s" };
        let expected = format!("{files} checked, {warnings} warning{plural}\n");
        assert_eq!(ran.stdout, expected, "{target}: {}", ran.stderr);
    }
    for wrong in [
        &["core-c"][..],
        &["packages/core/c"],
        &["Containerfile", "core-a"],
    ] {
        let ran = stagex(tree.path(), &[&["check"], wrong].concat());
        assert_eq!(ran.code, 2, "{wrong:?}: {}", ran.stderr);
    }
}
