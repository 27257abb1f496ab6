//! `stagex graph` as a user meets it: each question as text and as a document, and what is refused. No engine
//! is there.

#![expect(
    clippy::unwrap_used,
    reason = "in a test, what cannot be made is a failure"
)]
#![expect(clippy::disallowed_types, reason = "git is run, and the program")]

mod program;
mod schema;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use program::{NO_ENGINES, Ran, command, ran, stagex};
use rstest::rstest;
use schema::printed;
use serde_json::Value;
use tempfile::TempDir;

/// core-musl <- core-make <- user-tool; core-musl <- user-tool, which has a source.
fn sample() -> TempDir {
    let tree = program::sample();
    let tool = tree.path().join("packages/user/tool");
    fs::create_dir_all(&tool).unwrap();
    let hash = "0".repeat(64);
    let manifest = format!(
        "[package]\nname = \"tool\"\n[sources.a]\nhash = \"{hash}\"\nfile = \"a.tar\"\n\
         mirrors = [\"https://a.org/a.tar\"]\n"
    );
    fs::write(tool.join("package.toml"), manifest).unwrap();
    let containerfile = "FROM stagex/core-make\nCOPY --from=stagex/core-musl / /\n";
    fs::write(tool.join("Containerfile"), containerfile).unwrap();
    tree
}

fn graph(root: &Path, words: &[&str]) -> Ran {
    stagex(root, &[&NO_ENGINES[..], &["graph"], words].concat())
}

fn said(root: &Path, words: &[&str]) -> String {
    let ran = graph(root, words);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    ran.stdout
}

fn document(root: &Path, name: &str, words: &[&str]) -> Value {
    let words = [words, &["--format", "json"]].concat();
    printed(name, &said(root, &words))
}

#[test]
fn it_is_a_tree_a_drawing_and_a_document() {
    let tree = sample();
    let root = tree.path();
    let text = "user-tool\n├── core-make\n│   └── core-musl\n└── core-musl\n";
    assert_eq!(said(root, &[]), text);
    assert_eq!(said(root, &["core-make"]), "core-make\n└── core-musl\n");
    assert!(said(root, &["--as", "dot"]).contains("\"user-tool\" -> \"core-make\""));
    assert!(said(root, &["--as", "mermaid"]).starts_with("flowchart LR\n"));
    let document = document(
        root,
        "graph",
        &["--highlight", "make", "--depth", "0", "user"],
    );
    assert_eq!(document["nodes"][0]["hidden"], 2);
    assert_eq!(
        said(root, &["--collapse", "stage"]),
        "user, packages: 1\n└── core, edges: 2\n"
    );
    assert_eq!(
        said(root, &["--without", "*-make"]),
        "user-tool\n└── core-musl\n"
    );
    assert_eq!(said(root, &["--only", "nothing*"]), "");
}

#[test]
fn each_question_has_its_text_and_its_document() {
    let tree = sample();
    let root = tree.path();
    let why = ["--why", "tool", "musl"];
    assert_eq!(
        said(root, &why),
        "user-tool -> core-musl\nand 1 more, longer\n"
    );
    let found = document(root, "graph-why", &why);
    assert_eq!(
        (&found["as_short"], &found["all"]),
        (&"1".into(), &"2".into())
    );
    let not = ["--why", "musl", "tool"];
    assert_eq!(said(root, &not), "core-musl does not need user-tool\n");
    assert_eq!(document(root, "graph-why", &not)["all"], "0");
    assert!(said(root, &["--why", "tool", "musl", "--as", "dot"]).contains("core-make"));

    assert_eq!(
        said(root, &["--rdeps", "core-make"]),
        "core-make\n└── user-tool\n"
    );
    assert_eq!(
        said(root, &["--levels"]),
        "1: core-musl\n2: core-make\n3: user-tool\n"
    );
    let found = document(root, "graph", &["--levels"]);
    assert_eq!(found["nodes"][2]["level"], 3);
}

/// `core-a` is a target for both outputs of the package, and the name of one of them.
#[test]
fn the_name_of_an_output_is_that_of_one_package() {
    let containerfile = "FROM scratch AS package-a\nFROM scratch AS package-b\n";
    let tree = program::tree(&[
        (
            "core/a",
            "[package]\nname = \"a\"\nsubpackages = [\"a\", \"b\"]",
            containerfile,
        ),
        ("core/c", "[package]\nname = \"c\"", "FROM stagex/core-a\n"),
    ]);
    let found = said(tree.path(), &["--why", "core-c", "core-a"]);
    assert_eq!(found, "core-c -> core-a\n");
    let found = said(tree.path(), &["--why", "core-a", "core-b"]);
    assert_eq!(found, "core-a does not need core-b\n");
}

/// What was never built takes a second.
#[test]
fn times_and_sizes_say_what_is_not_known() {
    let tree = sample();
    let root = tree.path();
    let ran = graph(root, &["--critical-path"]);
    assert!(ran.stdout.ends_with("3.0 s  together\n"), "{}", ran.stdout);
    assert!(
        ran.stderr
            .contains("the duration of 0 of 3 packages is recorded"),
        "{}",
        ran.stderr
    );
    let found = document(root, "graph-critical-path", &["--critical-path"]);
    assert_eq!(
        (&found["seconds"], &found["measured"]),
        (&3.0.into(), &0.into())
    );
    let found = document(root, "graph-simulation", &["--simulate", "2"]);
    assert_eq!(found["packages"][2]["start"], 2.0);
    assert_eq!(
        (&found["longest"], &found["shared"], &found["speed_up"]),
        (&3.0.into(), &1.5.into(), &1.0.into())
    );
    let moved = |images: &str, files: usize, unknown: usize| {
        let (moved, unknown) = (&found[images], Value::from(unknown));
        (moved["files"] == files, &moved["unknown"]) == (true, &unknown)
    };
    assert!(
        moved("uploaded", 1, 1) && moved("downloaded", 3, 3),
        "{found}"
    );
    let ran = graph(root, &["--simulate", "2"]);
    assert!(ran.stdout.ends_with("user-tool~\n"), "{}", ran.stdout);
    let bound = "the longest chain takes 3.0 s, and the work, shared out, 1.5 s";
    assert!(ran.stderr.contains(bound), "{}", ran.stderr);
    assert!(
        ran.stderr.contains("1 source, whose size"),
        "{}",
        ran.stderr
    );

    let found = document(
        root,
        "graph-simulation",
        &["--simulate", "2,2", "--without-chain"],
    );
    assert_eq!(
        (&found["seconds"], &found["speeds"][1]),
        (&1.0.into(), &1.0.into())
    );
    let found = document(root, "graph-simulations", &["--simulate", "1..4"]);
    let runs = found["runs"].as_array().unwrap().iter();
    let runs: Vec<_> = runs.map(|run| (&run["workers"], &run["chain"])).collect();
    let expected = [1, 1, 2, 2, 4, 4].map(Value::from);
    assert!(
        runs.iter().map(|(workers, _)| *workers).eq(&expected),
        "{runs:?}"
    );
    assert!(
        runs.chunks(2)
            .all(|both| (both[0].1, both[1].1) == (&true.into(), &false.into()))
    );
    let text = said(root, &["--simulate", "1..4"]);
    assert_eq!(text.lines().count(), 5, "{text}");

    fs::create_dir_all(root.join("fetch/user/tool")).unwrap();
    let found = document(root, "graph-closure", &["--closure"]);
    assert_eq!(
        (&found["missing_images"], &found["missing_sources"]),
        (&3.into(), &1.into())
    );
    fs::write(root.join("fetch/user/tool/a.tar"), "12345").unwrap();
    let found = document(root, "graph-closure", &["--closure"]);
    assert_eq!(
        (&found["sources"], &found["missing_sources"]),
        (&5.into(), &0.into())
    );
    let ran = graph(root, &["--closure"]);
    assert!(
        ran.stderr.contains("not in out/: 3 images"),
        "{}",
        ran.stderr
    );
}

#[test]
fn a_file_affects_what_it_is_an_input_of_and_all_that_needs_that() {
    let tree = sample();
    let root = tree.path();
    let affected = |file: &str| {
        let file = root.join(file);
        graph(root, &["--affected-by", file.to_str().unwrap()])
    };
    let names = |file: &str| affected(file).stdout;
    assert_eq!(names("packages/core/make/gone"), "core-make\nuser-tool\n");
    assert_eq!(names("fetch/user/tool/a.tar"), "user-tool\n");
    let ran = affected("README.md");
    assert_eq!((ran.code, ran.stdout.as_str()), (0, ""));
    assert!(
        ran.stderr.contains("README.md is an input of no package"),
        "{}",
        ran.stderr
    );
    let ran = graph(root, &["--affected-by", "/nowhere/file"]);
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("is not in the tree"), "{}", ran.stderr);
    // A relative path begins where the program was started.
    let mut relative = command(root, &["graph", "--affected-by", "Containerfile"]);
    let ran = ran_in(&mut relative, &root.join("packages/core/musl"));
    assert_eq!(ran.stdout, "core-musl\ncore-make\nuser-tool\n");
    let file = root.join("packages/core/make/Containerfile");
    let found = document(root, "graph", &["--affected-by", file.to_str().unwrap()]);
    assert_eq!(
        found["files"][0]["path"],
        "packages/core/make/Containerfile"
    );
    assert_eq!(found["nodes"][0]["requested"], true);
    assert_eq!(found["edges"][0]["from"], "user-tool");
}

fn ran_in(command: &mut Command, directory: &Path) -> Ran {
    ran(command.current_dir(directory))
}

#[test]
fn commits_affect_what_they_deleted_and_renamed() {
    let tree = sample();
    let root = tree.path();
    let git = |words: &[&str]| {
        let settings = [
            "-c",
            "user.name=x",
            "-c",
            "user.email=x@y",
            "-c",
            "commit.gpgSign=false",
        ];
        let mut git = Command::new("git");
        let output = git.arg("-C").arg(root).args(settings).args(words).output();
        let output = output.unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    };
    fs::write(root.join("packages/core/make/file"), "text\n").unwrap();
    fs::write(root.join("notes"), "text\n").unwrap();
    git(&["init", "-q"]);
    git(&["add", "packages", "notes"]);
    git(&["commit", "-q", "-m", "x"]);
    fs::rename(
        root.join("packages/core/make/file"),
        root.join("packages/user/tool/file"),
    )
    .unwrap();
    fs::remove_file(root.join("notes")).unwrap();
    git(&["add", "packages", "notes"]);
    git(&["commit", "-q", "-m", "x"]);
    let ran = graph(root, &["--affected-by-git", "HEAD~1..HEAD"]);
    assert_eq!(
        (ran.code, ran.stdout.as_str()),
        (0, "core-make\nuser-tool\n"),
        "{}",
        ran.stderr
    );
    assert!(
        ran.stderr.contains("notes is an input of no package"),
        "{}",
        ran.stderr
    );
    let ran = graph(root, &["--affected-by-git", "HEAD"]);
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    let ran = graph(root, &["--affected-by-git", "HEAD..nowhere"]);
    assert_eq!(ran.code, 5, "{}", ran.stderr);
}

/// A stand-in for Graphviz shows that it is given the graph, and what becomes of its failure.
/// What Graphviz itself makes of a graph.
#[test]
fn a_drawing_shows_the_packages() {
    let tree = sample();
    let drawn = graph(tree.path(), &["--as", "svg"]);
    assert_eq!(drawn.code, 0, "{}", drawn.stderr);
    assert!(drawn.stdout.starts_with("<?xml") && drawn.stdout.trim_end().ends_with("</svg>"));
    for expected in [
        "<title>core&#45;make</title>",
        "user&#45;tool&#45;&gt;core&#45;make",
    ] {
        assert!(drawn.stdout.contains(expected), "{}", drawn.stdout);
    }
}

#[test]
fn graphviz_draws_where_it_is_installed() {
    let tree = sample();
    let root = tree.path();
    let programs = root.join("programs");
    fs::create_dir(&programs).unwrap();
    let svg = || ran(command(root, &["graph", "--as", "svg"]).env("PATH", &programs));
    let absent = svg();
    assert_eq!((absent.code, absent.stdout.as_str()), (5, ""));
    assert!(
        absent.stderr.contains("hint: install Graphviz"),
        "{}",
        absent.stderr
    );
    for (script, code, expected) in [
        (
            "test \"$*\" = -Tsvg && read -r first && echo \"<svg> $first\"",
            0,
            "<svg> digraph stagex {\n",
        ),
        ("echo no >&2; exit 1", 5, ""),
    ] {
        let program = programs.join("dot");
        fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        let ran = svg();
        assert_eq!(
            (ran.code, ran.stdout.as_str()),
            (code, expected),
            "{}",
            ran.stderr
        );
    }
}

#[rstest]
#[case::two_questions(&["--levels", "--closure"], "cannot be used with")]
#[case::two_formats(&["--format", "json", "--as", "dot"], "--format json cannot be combined with --as")]
#[case::a_list_is_no_drawing(&["--closure", "--as", "dot"], "cannot be used with")]
#[case::nor_is_it_filtered(&["--simulate", "2", "--only", "x"], "cannot be used with")]
#[case::both_are_shown(&["--simulate", "1..2", "--without-chain"], "cannot be used with several")]
#[case::more_speeds_than_workers(&["--simulate", "1,1,1"], "2 speeds for 1 workers")]
#[case::of_nothing(&["--without-chain"], "--simulate")]
#[case::why_has_its_own_target(&["core", "--why", "tool", "musl"], "cannot be used with")]
#[case::several(&["--why", "core", "musl"], "`core` selects 2 packages")]
#[case::the_same(&["--why", "musl", "core-musl"], "both names are of core-musl")]
#[case::no_pattern(&["--only", "[a"], "`[a` is not a valid pattern")]
#[case::not_planned(&["core", "--rdeps", "tool"], "`tool` is not among what the targets select")]
#[case::not_highlighted(&["core", "--highlight", "tool"], "`tool` is not among what the targets select")]
#[case::unknown(&["--rdeps", "core-tool"], "there is no target `core-tool`")]
fn what_cannot_be_answered_is_refused(#[case] words: &[&str], #[case] expected: &str) {
    let tree = sample();
    let ran = graph(tree.path(), words);
    assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{}", ran.stderr);
    assert!(ran.stderr.contains(expected), "{}", ran.stderr);
}
