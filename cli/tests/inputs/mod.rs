//! Files that are no files: links to devices and to secrets, named pipes, what is far too large. Each is
//! refused by name, at once, and nothing of what a link leads to is said. No engine is needed.
//!
//! A program that waited for a pipe would not end, and neither would its test.

use std::fs::File;
use std::os::unix::fs::symlink;
use std::path::Path;

use rustix::fs::{CWD, Mode};

use crate::printing::runtime;
use crate::program::{Ran, command, ran, sample, tree};

/// What a secret has in it. As TOML, as a list of patterns and as a Containerfile it is wrong, so
/// that each would be told of it.
const SECRET: &str = "[root:$6$hash\n";

/// What is put in the place of a file: its name, what it is, and what is said of it.
type Trick = (&'static str, fn(&Path, &Path), &'static str);

const TRICKS: [Trick; 5] = [
    ("device", |_, at| symlink("/dev/zero", at).unwrap(), ""),
    ("secret", |secret, at| symlink(secret, at).unwrap(), ""),
    ("pipe", |_, at| pipe(at), "named pipe"),
    (
        "directory",
        |_, at| std::fs::create_dir(at).unwrap(),
        "directory",
    ),
    ("large", |_, at| large(at), "larger than 4194304 bytes"),
];

fn pipe(at: &Path) {
    rustix::fs::mkfifoat(CWD, at, Mode::RWXU).unwrap();
}

fn large(at: &Path) {
    File::create(at).unwrap().set_len((4 << 20) + 1).unwrap();
}

/// A file of a tree, and the words that have it read.
const INPUTS: [(&str, &[&str]); 8] = [
    ("packages/core/musl/Containerfile", &["make", "--dry-run"]),
    ("packages/core/musl/package.toml", &["make", "--dry-run"]),
    ("packages/core/musl/Containerfile", &["check"]),
    ("packages/core/musl/package.toml", &["make", "digests"]),
    ("stagex.toml", &["config"]),
    ("stagex.toml", &["make", "--dry-run"]),
    ("packages/core/musl/.dockerignore", &["make"]),
    ("packages/core/musl/Containerfile.dockerignore", &["make"]),
];

/// Runs the program with two gigabytes at most: what reads zeros without end is killed soon, and not
/// the machine.
fn bounded(root: &Path, arguments: &[&str]) -> Ran {
    let command = command(root, arguments);
    let program = command.get_program().to_owned();
    let words: Vec<_> = command.get_args().map(ToOwned::to_owned).collect();
    let mut shell = std::process::Command::new("sh");
    shell
        .args(["-c", "ulimit -v 4000000 && exec \"$@\"", "sh"])
        .arg(program)
        .args(words)
        .env_remove("STAGEX_RUNTIME")
        .env("XDG_CONFIG_HOME", root.join("configuration"));
    ran(&mut shell)
}

#[test]
fn an_input_of_a_tree_is_a_regular_file_of_bounded_size() {
    for (file, arguments) in INPUTS {
        for (trick, put, expected) in TRICKS {
            let tree = sample();
            let at = tree.path().join(file);
            if at.exists() {
                std::fs::remove_file(&at).unwrap();
            }
            let secret = tree.path().join("secret");
            std::fs::write(&secret, SECRET).unwrap();
            put(&secret, &at);
            let runtime = runtime(tree.path(), true);
            let words = runtime.iter().map(String::as_str);
            let words: Vec<_> = words.chain(arguments.iter().copied()).collect();
            let ran = bounded(tree.path(), &words);
            let case = format!("{file}, {trick}, {arguments:?}: {}", ran.stderr);
            assert!((1..=5).contains(&ran.code), "{case}");
            let name = file.rsplit('/').next().unwrap();
            // A check goes on with the rest, and counts what it found.
            let is_quiet = ran.stdout.is_empty() || arguments.contains(&"check");
            assert!(ran.stderr.contains(name) && is_quiet, "{case}");
            assert_eq!(ran.stderr.matches("error:").count(), 1, "{case}");
            // Of a link to a directory's file, that it is one; of all else what it is.
            let expected = if expected.is_empty() {
                "symbolic link"
            } else {
                expected
            };
            assert!(ran.stderr.contains(expected), "{case}");
            assert!(!(ran.stdout + &ran.stderr).contains("hash"), "{case}");
        }
    }
}

#[test]
fn a_file_that_a_user_names_is_regular_and_bounded_too() {
    let tree = sample();
    let root = tree.path();
    std::fs::create_dir(root.join("context")).unwrap();
    std::fs::create_dir_all(root.join("configuration/stagex")).unwrap();
    let (file, settings) = (
        root.join("file"),
        root.join("configuration/stagex/stagex.toml"),
    );
    let build = [
        "build",
        "--check",
        "-f",
        "file",
        "-t",
        "a:1",
        "-o",
        "type=oci,dest=x.tar",
        "context",
    ];
    for (at, arguments) in [(&file, &build[..]), (&settings, &["config"])] {
        for (trick, put, expected) in TRICKS {
            if trick == "secret" {
                // Whoever names a file names what it leads to.
                continue;
            }
            put(Path::new("none"), at);
            let expected = match (trick, arguments[0]) {
                // In a tree no link is followed, whoever names it.
                ("device", "build") => "symbolic link",
                ("device", _) => "device",
                _ => expected,
            };
            let ran = bounded(root, arguments);
            let case = format!("{trick}, {arguments:?}: {}", ran.stderr);
            assert!((1..=5).contains(&ran.code), "{case}");
            assert!(ran.stderr.contains(expected), "{case}");
            if trick == "directory" {
                std::fs::remove_dir(at).unwrap();
            } else {
                std::fs::remove_file(at).unwrap();
            }
        }
    }
}

#[test]
fn a_link_of_a_tree_is_not_built_from() {
    let tree = sample();
    let root = tree.path();
    std::fs::create_dir(root.join("context")).unwrap();
    let secret = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(secret.path(), SECRET).unwrap();
    symlink(secret.path(), root.join("context/Containerfile")).unwrap();
    let whole = root.join("context/Containerfile");
    for file in ["context/Containerfile", whole.to_str().unwrap()] {
        for check in [&["--check"][..], &[]] {
            let runtime = runtime(root, true);
            let words = runtime.iter().map(String::as_str);
            let build = [
                "build",
                "-f",
                file,
                "-t",
                "a:1",
                "-o",
                "type=oci,dest=x.tar",
                "context",
            ];
            let words: Vec<_> = words.chain(build).chain(check.iter().copied()).collect();
            let ran = bounded(root, &words);
            let all = ran.stdout + &ran.stderr;
            assert!((1..=5).contains(&ran.code), "{words:?}: {all}");
            assert!(
                all.contains("symbolic link") && !all.contains("hash"),
                "{words:?}: {all}"
            );
        }
    }
}

#[test]
fn a_link_that_a_user_names_is_followed() {
    let tree = sample();
    let root = tree.path();
    std::fs::create_dir_all(root.join("configuration/stagex")).unwrap();
    std::fs::write(root.join("mine.toml"), "jobs = 3\n").unwrap();
    symlink(
        "../../mine.toml",
        root.join("configuration/stagex/stagex.toml"),
    )
    .unwrap();
    let ran = bounded(root, &["config", "--format", "json"]);
    assert!(
        ran.stdout.contains("\"value\": 3"),
        "{}{}",
        ran.stdout,
        ran.stderr
    );
}

#[test]
fn what_grows_without_end_is_refused() {
    let lines = (1..60).map(|n| format!("ENV a{n}=${{a{0}}}${{a{0}}}\n", n - 1));
    let lines: Vec<_> = lines.collect();
    let containerfile = format!("FROM scratch\nENV a0=xxxxxxxx\n{}", lines.concat());
    let manifest = "[package]\nname = \"bomb\"\n";
    let tree = tree(&[("core/bomb", manifest, &containerfile)]);
    let runtime = runtime(tree.path(), true);
    let words: Vec<_> = runtime.iter().map(String::as_str).chain(["make"]).collect();
    let ran = bounded(tree.path(), &words);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    assert!(
        ran.stderr.contains("expands to more than 4194304 bytes"),
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.contains("hint:"), "{}", ran.stderr);
}

#[test]
fn names_that_would_forge_lines_are_refused() {
    for (directory, expected) in [
        ("core/a\ncore-b", "is not a valid name for a package"),
        ("core/a\u{1b}[2J", "is not a valid name for a package"),
        ("core/A", "is not a valid name for a package"),
        ("co\u{202e}re/a", "is not a valid name for a stage"),
    ] {
        let name = directory.split_once('/').unwrap().1;
        let name = name.replace('\n', "\\n").replace('\u{1b}', "\\u001b");
        let manifest = format!("[package]\nname = \"{name}\"\n");
        let tree = tree(&[(directory, &manifest, "FROM scratch\n")]);
        for arguments in [
            &["make", "--dry-run"][..],
            &["digests"],
            &["make", "--dry-run", "--format", "json"],
        ] {
            let ran = bounded(tree.path(), arguments);
            let all = ran.stdout.clone() + &ran.stderr;
            assert_eq!(ran.code, 3, "{directory:?}: {all}");
            assert!(ran.stderr.contains(expected), "{directory:?}: {all}");
            assert!(
                !all.contains(['\u{1b}', '\u{202e}']),
                "{directory:?}: {all}"
            );
            let line = |line: &str| line.starts_with("error: ") || line.starts_with(' ');
            assert!(ran.stderr.lines().all(line), "{directory:?}: {all}");
        }
    }
}
