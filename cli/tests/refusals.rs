//! What the program does with what it cannot use: streams that are full, text that is none, what is
//! not there, builds that fail. No engine is needed.

#![expect(
    clippy::unwrap_used,
    reason = "in a test, what cannot be made is a failure"
)]
#![expect(
    clippy::disallowed_types,
    reason = "the program itself is what is tested"
)]

mod inputs;
mod printing;
mod program;
mod schema;

use std::ffi::OsStr;
use std::fs::{File, Permissions};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;

use program::{NO_ENGINES, command, ran, sample, stagex, stagex_with, tree};

/// Makes a runtime in a directory that is always ready, and returns the words that choose it. Whatever is
/// built with it fails, after a long line.
fn ready(directory: &Path) -> [String; 4] {
    let program = directory.join("ready");
    let script = r#"#!/bin/sh
read asked
case $asked in *'"operation":"build"'*)
    printf '{"type":"output","line":"%5000s"}\n' end
    printf '%s\n' '{"type":"error","kind":"build-failed","message":"at \"RUN one\ntwo\nthree\": exit 3",\
"step":{"stage":0,"index":0}}'
    exit
esac
echo '{"type":"result","protocol":1,"version":"1","capabilities":{"dialect":{"heredocs":true,\
"run_network":true,"named_contexts":true,"workdir_layers":true,"add_zstd":true},\
"offline_builds":true,"layers":"changes","leaves_mount_points":false}}'
"#;
    std::fs::write(&program, script.replace("\\\n\"", "\"")).unwrap();
    std::fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
    let engine = format!("ready={}", program.to_str().unwrap());
    ["--engine", &engine, "--runtime", "ready"].map(str::to_owned)
}

/// Returns where nothing can be written, since it is full.
fn full() -> File {
    File::options().write(true).open("/dev/full").unwrap()
}

#[test]
fn results_that_cannot_be_written_are_one_error() {
    let tree = sample();
    for arguments in [
        &["config"][..],
        &["config", "--format", "json"],
        &["make", "--dry-run"],
        &["make", "help"],
        &["completions", "bash"],
        &["--help"],
        &["--version"],
    ] {
        let ran = ran(command(tree.path(), arguments).stdout(full()));
        assert_eq!(ran.code, 5, "{arguments:?}: {}", ran.stderr);
        let said = "error: cannot write to standard output: No space left";
        assert!(ran.stderr.starts_with(said), "{}", ran.stderr);
        assert_eq!(ran.stderr.matches("error:").count(), 1, "{}", ran.stderr);
    }
}

#[test]
fn what_cannot_be_said_on_standard_error_changes_nothing() {
    let tree = sample();
    for (code, arguments) in [
        (2, &["make", "core-maek"][..]),
        (2, &["--no-such-flag"]),
        (0, &["make", "--dry-run", "clean"]),
        (4, &[&NO_ENGINES[..], &["-vv", "make"]].concat()),
    ] {
        let ran = ran(command(tree.path(), arguments).stderr(full()));
        assert_eq!(ran.code, code, "{arguments:?}");
    }
}

#[test]
fn who_reads_no_further_has_seen_enough() {
    let tree = sample();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let ran = ran(command(tree.path(), &["completions", "bash"]).stdout(writer));
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
}

#[test]
fn what_a_file_says_gives_a_terminal_no_orders() {
    let tree = tree(&[(
        "core/a",
        "[package]\nname = \"a\"",
        "FROM scratch\n\u{1b}[31mRUN\u{1b}]0;x\u{7} y\n",
    )]);
    // As if it were a terminal.
    let colours = [("CLICOLOR_FORCE", "1")];
    let ran = stagex_with(tree.path(), &["make", "--dry-run"], &colours);
    assert_eq!(ran.code, 3, "{}", ran.stderr);
    assert!(!ran.stderr.contains("\u{1b}]") && !ran.stderr.contains('\u{7}'));
    let shown = "unknown instruction `\u{fffd}[31mRUN\u{fffd}]0;x\u{fffd}`";
    assert!(ran.stderr.contains(shown), "{}", ran.stderr);
}

#[test]
fn variables_that_are_no_text_are_refused_by_name() {
    let tree = sample();
    for (name, arguments) in [
        ("STAGEX_RUNTIME", &["config"][..]),
        ("STAGEX_JOBS", &["config"]),
        ("STAGEX_PODMAN", &["config"]),
        ("STAGEX_ENGINES", &["conformance", "--list"]),
    ] {
        let value = OsStr::from_bytes(b"pod\xffman");
        let ran = ran(command(tree.path(), arguments).env(name, value));
        assert_eq!(ran.code, 2, "{}", ran.stderr);
        let said = format!("error: {name} is not UTF-8: pod\u{fffd}man");
        assert!(ran.stderr.starts_with(&said), "{}", ran.stderr);
    }
}

#[test]
fn settings_that_cannot_be_read_say_what_was_expected() {
    let tree = sample();
    for (bytes, said) in [
        (&b"rutime = \"podman\"\n"[..], "hint: did you mean runtime?"),
        (
            b"jobs = \"two\"\n",
            "expected a number of jobs from 1 to 1024",
        ),
        (b"jobs = -1\n", "expected a number of jobs from 1 to 1024"),
        (b"# caf\xe9\n", "stagex.toml"),
    ] {
        std::fs::write(tree.path().join("stagex.toml"), bytes).unwrap();
        let ran = stagex(tree.path(), &["config"]);
        assert_eq!(ran.code, 2, "{}", ran.stderr);
        assert!(ran.stderr.contains(said), "{}", ran.stderr);
    }
}

#[test]
fn a_tree_on_a_path_that_is_no_text_is_refused() {
    let temporary = tempfile::tempdir().unwrap();
    let root = temporary.path().join(OsStr::from_bytes(b"caf\xe9"));
    std::fs::create_dir(&root).unwrap();
    let sample = sample();
    std::fs::rename(sample.path().join("packages"), root.join("packages")).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_stagex"));
    command.args(ready(sample.path())).arg("make");
    let ran = ran(command.current_dir(&root).env_remove("STAGEX_RUNTIME"));
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    assert!(ran.stderr.contains("caf\u{fffd}"), "{}", ran.stderr);
    assert!(ran.stderr.contains("hint:"), "{}", ran.stderr);
}

#[test]
fn a_containerfile_without_package_toml_is_warned_of_where_it_is_selected() {
    let tree = sample();
    let directory = tree.path().join("packages/user/half");
    std::fs::create_dir_all(&directory).unwrap();
    std::fs::write(directory.join("Containerfile"), "FROM scratch\n").unwrap();
    let is_warned = |words: &[&str]| {
        let ran = stagex(tree.path(), words);
        ran.stderr.contains("packages/user/half/Containerfile")
    };
    for words in [
        &["check"][..],
        &["make", "--dry-run"],
        &["make", "--dry-run", "user-half"],
    ] {
        assert!(is_warned(words), "{words:?}");
    }
    for words in [
        &["check", "core"][..],
        &["make", "--dry-run", "core-musl"],
        &["digests"],
        &["clean"],
    ] {
        assert!(!is_warned(words), "{words:?}");
    }
}

#[test]
fn a_build_without_its_sources_says_where_they_belong() {
    let tree = tree(&[(
        "core/a",
        "[package]\nname = \"a\"",
        "FROM scratch\nCOPY --from=fetch a.tar /\n",
    )]);
    let words = [
        "build",
        "-t",
        "stagex/core-a:1",
        "-o",
        "type=oci,dest=image.tar",
        "packages/core/a",
    ];
    let said = || ran(command(tree.path(), &words).args(ready(tree.path()))).stderr;
    let hint =
        "packages/core/a/fetch does not exist: StageX's rules link it to fetch/<stage>/<name>";
    let without = said();
    assert!(without.contains(hint), "{without}");
    std::fs::create_dir(tree.path().join("packages/core/a/fetch")).unwrap();
    let with = said();
    assert!(!with.contains("does not exist"), "{with}");
}

#[test]
fn what_was_not_built_cannot_be_compared() {
    let tree = sample();
    let ran = stagex(tree.path(), &["digests", "--check"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (7, ""));
    assert!(
        ran.stderr.contains("error: nothing was compared"),
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.contains("hint:"), "{}", ran.stderr);

    let ran = stagex(tree.path(), &["digests"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, ""));
    assert!(ran.stderr.contains("nothing is built"), "{}", ran.stderr);
}

#[test]
fn two_digests_of_one_package_are_named_with_both_lines() {
    let tree = sample();
    let directory = tree.path().join("digests");
    std::fs::create_dir(&directory).unwrap();
    let line = |digit: &str, name: &str| format!("{} {name}\n", digit.repeat(64));
    let text = line("a", "core-make") + &line("b", "core-musl") + &line("c", "core-make");
    std::fs::write(directory.join("core.txt"), text).unwrap();
    for words in [&["digests", "--check"][..], &["digests"]] {
        let ran = stagex(tree.path(), words);
        assert_eq!(ran.code, 3, "{}", ran.stderr);
        for place in ["core.txt:3:", "core.txt:1"] {
            assert!(ran.stderr.contains(place), "{}", ran.stderr);
        }
    }
}

#[test]
fn what_a_runtime_cannot_do_with_an_image_is_said_before_it_is_built() {
    let tree = sample();
    let ran = ran(command(tree.path(), &["make", "import-musl"]).args(ready(tree.path())));
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    assert!(ran.stderr.contains("error: ready cannot"), "{}", ran.stderr);
    assert!(
        ran.stderr.contains("hint: use docker, podman"),
        "{}",
        ran.stderr
    );
    assert!(!tree.path().join("out/core-musl").exists());
}

#[test]
fn a_target_that_names_no_package_is_said_as_it_was_written() {
    let tree = sample();
    for word in ["digests-", "content-", "import-"] {
        let ran = stagex(tree.path(), &["make", word]);
        assert_eq!(ran.code, 2, "{}", ran.stderr);
        let said = format!("error: `{word}` has no package after it");
        assert!(ran.stderr.contains(&said), "{}", ran.stderr);
    }
}

#[test]
fn what_a_build_needs_is_looked_for_before_it() {
    let tree = tree(&[]);
    std::fs::write(tree.path().join("Containerfile"), "FROM scratch\n").unwrap();
    for (output, extra, said) in [
        (
            "type=oci,dest=missing/a.tar",
            &[][..],
            "there is no directory `missing`",
        ),
        ("type=oci,dest=", &[], "expected dest=FILE"),
        (
            "type=oci,dest=a.tar",
            &["--file", "nowhere"],
            "there is no file `nowhere`",
        ),
        (
            "type=oci,dest=a.tar",
            &["--target", "nope"],
            "no stage is called `nope`",
        ),
    ] {
        let words = ["build", "-t", "a:1", "-o", output, "."];
        let mut command = command(tree.path(), &[&words[..], extra].concat());
        let ran = ran(command.args(ready(tree.path())));
        assert_eq!(ran.code, 2, "{output} {extra:?}: {}", ran.stderr);
        assert!(ran.stderr.contains(said), "{}", ran.stderr);
    }
}

#[test]
fn paths_of_commands_are_relative_to_where_the_program_was_started() {
    let tree = tree(&[(
        "core/a",
        "[package]\nname = \"a\"\n",
        "FROM scratch\nRUN x\n",
    )]);
    let here = tempfile::tempdir().unwrap();
    let run = |words: &[&str], extra: &[String]| {
        let mut command = command(tree.path(), words);
        ran(command.args(extra).current_dir(&here))
    };
    let ready = ready(tree.path());
    let made = run(&["--out", "images", "make", "core-a"], &ready);
    assert!(made.stderr.contains("exit 3"), "{}", made.stderr);
    let images = std::fs::read_dir(here.path().join("images")).unwrap();
    assert_eq!(images.count(), 1);
    let pages = run(&["manual", "pages/new"], &[]);
    assert_eq!(pages.code, 0, "{}", pages.stderr);
    assert!(here.path().join("pages/new/stagex.1").is_file());
    assert!(!tree.path().join("out").exists() && !tree.path().join("pages").exists());

    // The way that leads into the tree all the same is found out.
    let relative = tree.path().file_name().unwrap().to_str().unwrap();
    let mut inside = command(
        tree.path(),
        &["--out", &format!("{relative}/images"), "clean"],
    );
    let ran = ran(inside.current_dir(tree.path().parent().unwrap()));
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    assert!(ran.stderr.contains("is in the tree"), "{}", ran.stderr);
}

#[test]
fn no_link_in_a_context_or_in_a_clone_decides_what_is_read_or_written() {
    const SECRET: &str = "correct horse battery staple";
    let outside = tempfile::tempdir().unwrap();
    let path = |name: &str| outside.path().join(name);
    for directory in ["plain", "clone/.git", "clone/sub", "here", "other"] {
        std::fs::create_dir_all(path(directory)).unwrap();
    }
    std::fs::write(path("secret"), format!("{SECRET}\n")).unwrap();
    for file in ["clone/sub/Containerfile", "own"] {
        std::fs::write(path(file), "FROM scratch\nRUN x\n").unwrap();
    }
    for link in [
        "plain/Dockerfile",
        "clone/Other",
        "clone/image.tar",
        "clone/dir",
        "clone/context",
    ] {
        let target = match link {
            "clone/dir" => "here",
            "clone/context" => "other",
            _ => "secret",
        };
        symlink(path(target), path(link)).unwrap();
    }
    symlink("own", path("link")).unwrap();
    symlink("clone/sub", path("context")).unwrap();
    let ready = ready(outside.path());
    let run = |tree: &str, words: &[&str]| {
        let all = [&["build", "-t", "a:1"], words].concat();
        ran(command(&path(tree), &all).args(&ready))
    };
    let away = "type=oci,dest=image.tar";
    for (tree, words) in [
        ("here", &["-o", away, "../plain"][..]),
        ("here", &["-o", away, "--check", "../plain"]),
        (
            "here",
            &["-o", away, "-f", "../clone/Other", "../clone/sub"],
        ),
        ("clone/sub", &["-o", away, "-f", "../Other", "."]),
        ("clone/sub", &["-o", "type=oci,dest=../image.tar", "."]),
        ("clone/sub", &["-o", "type=oci,dest=../dir/a.tar", "."]),
        ("clone/sub", &["-o", "type=oci,tar=false,dest=../dir", "."]),
        (
            "here",
            &["-o", "type=oci,dest=../clone/image.tar", "../clone/sub"],
        ),
        ("clone", &["-o", away, "-f", "../own", "context"]),
        ("here", &["-o", away, "-f", "../own", "../clone/context"]),
    ] {
        let ran = run(tree, words);
        assert!(
            ran.stderr.contains("symbolic link"),
            "{words:?}: {}",
            ran.stderr
        );
        assert!(!ran.stderr.contains(SECRET), "{words:?}: {}", ran.stderr);
    }
    // What is the user's own is followed: this gets as far as the build.
    for words in [
        &["-o", away, "-f", "../link", "../clone/sub"][..],
        &["-o", away, "../context"],
    ] {
        let ran = run("here", words);
        assert!(ran.stderr.contains("exit 3"), "{words:?}: {}", ran.stderr);
    }
    // A home directory that is kept in version control is the user's own as well.
    std::fs::create_dir(path(".git")).unwrap();
    for (home, said) in [("clone", "symbolic link"), (".", "exit 3")] {
        let words = ["build", "-t", "a:1", "-o", away, "-f", "../link", "."];
        let mut command = command(&path("here"), &words);
        let ran = ran(command.args(&ready).env("HOME", path(home)));
        assert!(ran.stderr.contains(said), "{home}: {}", ran.stderr);
    }
}

#[test]
fn a_failure_is_said_once_with_its_instruction_and_in_lines_that_can_be_read() {
    let manifest = "[package]\nname = \"a\"";
    let file = "FROM scratch\nRUN --network=none <<END\none\ntwo\nEND\n";
    let tree = tree(&[("core/a", manifest, file)]);
    let ran = ran(command(tree.path(), &["make"]).args(ready(tree.path())));
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    let place = "error: core-a: packages/core/a/Containerfile:2:1: RUN --network=none <<END: ready";
    let message = ": at \"RUN one \u{2026} three\": exit 3\n";
    for said in [place, message] {
        assert!(ran.stderr.contains(said), "{}", ran.stderr);
    }
    assert_eq!(ran.stderr.matches("exit 3").count(), 1, "{}", ran.stderr);
    let longest = ran.stderr.lines().map(|line| line.chars().count()).max();
    assert_eq!(longest, Some("  | ".len() + 1000 + 1), "{}", ran.stderr);
}

/// What is in a tree gives nothing of the machine away, and what a person asks for is not left out.
#[test]
fn the_machines_network_is_a_persons_to_give() {
    let manifest = "[package]\nname = \"a\"";
    for (run, extra, code, said) in [
        (
            "--network=host",
            &[][..],
            1,
            "RUN has --network=host, and this build was not given",
        ),
        (
            "--network=host",
            &["--offline"],
            1,
            "RUN has --network=host, and this build was not given",
        ),
        (
            "--network=host",
            &["--network", "host"],
            1,
            "ready cannot give the machine's network",
        ),
        (
            "",
            &["--network", "host"],
            1,
            "ready cannot give the machine's network",
        ),
        (
            "",
            &["--network", "host", "--offline"],
            2,
            "cannot be used with",
        ),
        // It was built, and failed as all that is built with this runtime.
        ("--network=none", &["--network", "host"], 1, "exit 3"),
    ] {
        let tree = tree(&[(
            "core/a",
            manifest,
            &format!("FROM scratch\nRUN {run} one\n"),
        )]);
        let words = [&["make"], extra].concat();
        let ran = ran(command(tree.path(), &words).args(ready(tree.path())));
        assert_eq!(ran.code, code, "{run} {extra:?}: {}", ran.stderr);
        assert!(ran.stderr.contains(said), "{run} {extra:?}: {}", ran.stderr);
    }
}

#[test]
fn one_is_not_said_as_many() {
    let manifest = "[package]\nname = \"a\"";
    let containerfile = "FROM scratch AS package\nRUN --network=none hostname\n";
    let tree = tree(&[("core/a", manifest, containerfile)]);
    let ran = stagex(tree.path(), &["check"]);
    assert_eq!(ran.stdout, "1 Containerfile checked, 1 warning\n");
    let ran = stagex(tree.path(), &["make", "--dry-run", "--explain"]);
    assert!(
        ran.stderr.contains("1 of 1 package would be built"),
        "{}",
        ran.stderr
    );
    let ran = stagex(tree.path(), &["clean"]);
    assert!(ran.stdout.starts_with("removed 0 files"), "{}", ran.stdout);
}

#[test]
fn what_has_no_emulator_is_not_helped_by_one() {
    let tree = sample();
    for (platform, helps) in [("linux/sparc64", true), ("windows/amd64", false)] {
        let words = ["make", "--platform", platform];
        let ran = ran(command(tree.path(), &words).args(ready(tree.path())));
        assert_eq!(ran.code, 2, "{}", ran.stderr);
        assert_eq!(ran.stderr.contains("emulator"), helps, "{}", ran.stderr);
        assert!(ran.stderr.contains("hint:"), "{}", ran.stderr);
    }
}
