//! What others wrote is printable when it is printed: names, values, instructions, what a build and an
//! engine say. Every control character, and what is not seen or turns a text around, is sent through
//! each kind of text, to standard output and standard error, to a pipe and to a terminal.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde_json::json;

use crate::program::{command, ran, stagex, stagex_with, tree};
use crate::schema::printed;

/// What stands behind each character, so that it is found again.
const MARK: &str = "MARK";

/// Every character that must not be printed.
fn orders() -> Vec<char> {
    let unseen = [
        '\u{ad}'..='\u{ad}',
        '\u{61c}'..='\u{61c}',
        '\u{200b}'..='\u{200f}',
        '\u{2028}'..='\u{202e}',
        '\u{2060}'..='\u{2069}',
        '\u{feff}'..='\u{feff}',
        '\u{e0041}'..='\u{e0041}',
    ];
    let controls = ('\u{1}'..='\u{9f}').filter(|character| character.is_control());
    let controls = controls.filter(|control| !matches!(control, '\t' | '\n' | '\r'));
    controls.chain(unseen.into_iter().flatten()).collect()
}

/// A text that is an order to a terminal, and moves what stands around it.
fn hostile() -> String {
    let orders = orders();
    let marked: Vec<_> = orders
        .iter()
        .map(|order| format!("{order}{MARK}"))
        .collect();
    marked.concat()
}

/// Fails if one of the characters was printed. On a terminal the program gives orders of its own, but
/// none that stands before a mark.
fn check(printed: &str, kind: &str) {
    let parts: Vec<_> = printed.split(MARK).collect();
    for before in &parts[..parts.len() - 1] {
        let found = before.chars().next_back();
        assert!(
            found.is_none_or(|found| found == '\u{fffd}'
                || found.is_ascii_graphic()
                || found == ' '),
            "{kind}: {found:?} is printed, in {printed:?}"
        );
    }
    let order = |c: char| orders().contains(&c) && !matches!(c, '\u{1b}' | '\r');
    assert!(!printed.contains(order), "{kind}: {printed:?}");
}

/// The same of what is no terminal: there no order is ours.
fn check_plain(printed: &str, kind: &str) {
    check(printed, kind);
    assert!(!printed.contains(['\u{1b}', '\r']), "{kind}: {printed:?}");
}

/// Returns a text as TOML has it, in ASCII.
fn quoted(text: &str) -> String {
    let escaped = |character: char| match character {
        plain if plain.is_ascii_graphic() => plain.to_string(),
        other => format!("\\U{:08x}", u32::from(other)),
    };
    format!("\"{}\"", text.chars().map(escaped).collect::<String>())
}

#[test]
fn what_a_tree_says_is_printable() {
    let hostile = hostile();
    let toml = quoted(&hostile);
    let package = |lines: &str| format!("[package]\nname = \"x\"\n{lines}\n");
    let source = |line: &str| {
        let hash = "0".repeat(64);
        package(&format!(
            "[sources.s]\nhash = \"{hash}\"\nmirrors = [\"https://a.org/u\"]\n{line}"
        ))
    };
    let right = package("");
    let scratch = "FROM scratch\n".to_owned();
    let cases: [(&str, String, String); 15] = [
        (
            "name",
            format!("[package]\nname = {toml}\n"),
            scratch.clone(),
        ),
        (
            "version",
            package(&format!("version = {toml}")),
            scratch.clone(),
        ),
        (
            "version_from",
            package(&format!("version_from = {toml}")),
            scratch.clone(),
        ),
        (
            "platform",
            package(&format!("platforms = [{toml}]")),
            scratch.clone(),
        ),
        (
            "subpackage",
            package(&format!("subpackages = [{toml}]")),
            scratch.clone(),
        ),
        ("key", package(&format!("{toml} = 1")), scratch.clone()),
        (
            "source",
            package(&format!("[sources.{toml}]\nhash = \"1\"")),
            scratch.clone(),
        ),
        ("file", source(&format!("file = {toml}")), scratch.clone()),
        (
            "format",
            source(&format!("format = {toml}")),
            scratch.clone(),
        ),
        (
            "commit",
            source(&format!("git_sha = {toml}")),
            scratch.clone(),
        ),
        (
            "mirror",
            source("").replace("[\"https://a.org/u\"]", &format!("[{toml}]")),
            scratch.clone(),
        ),
        (
            "instruction",
            right.clone(),
            format!(
                "FROM scratch\nX{}\n",
                hostile.replace(char::is_whitespace, "")
            ),
        ),
        ("image", right.clone(), format!("FROM x{hostile}\n")),
        (
            "flag",
            right.clone(),
            format!("FROM scratch\nCOPY --x{hostile}=1 a b\n"),
        ),
        (
            "word",
            right,
            format!("FROM scratch\nCOPY --from=x{hostile} a b\n"),
        ),
    ];
    for (kind, manifest, containerfile) in cases {
        let tree = tree(&[("core/x", &manifest, &containerfile)]);
        for format in ["human", "json"] {
            let ran = stagex(tree.path(), &["make", "--dry-run", "--format", format]);
            assert_eq!(ran.code, 3, "{kind}: {}{}", ran.stdout, ran.stderr);
            check_plain(&ran.stdout, kind);
            check_plain(&ran.stderr, kind);
            assert!(ran.stderr.contains(MARK), "{kind}: {}", ran.stderr);
        }
    }
}

#[test]
fn what_is_typed_is_printable() {
    let hostile = hostile();
    let tree = tree(&[("core/x", "[package]\nname = \"x\"\n", "FROM scratch\n")]);
    std::fs::write(
        tree.path().join("stagex.toml"),
        format!("{} = 1", quoted(&hostile)),
    )
    .unwrap();
    let cases: [&[&str]; 6] = [
        &["make", &hostile],
        &[&hostile],
        &["--runtime", &hostile, "make"],
        &["make", "--jobs", &hostile],
        &["config"],
        &["build", "-t", &hostile, "-o", "type=oci,dest=x", "."],
    ];
    for arguments in cases {
        let ran = stagex(tree.path(), arguments);
        assert_eq!(ran.code, 2, "{arguments:?}: {}", ran.stderr);
        check_plain(&(ran.stdout + &ran.stderr), &format!("{arguments:?}"));
        assert!(ran.stderr.contains(MARK), "{arguments:?}: {}", ran.stderr);
    }
    std::fs::remove_file(tree.path().join("stagex.toml")).unwrap();
    let ran = stagex_with(tree.path(), &["config"], &[("STAGEX_JOBS", &hostile)]);
    check_plain(&ran.stderr, "a variable");
    let directory = tree
        .path()
        .join(orders().iter().take(64).collect::<String>());
    std::fs::create_dir(&directory).unwrap();
    check_plain(&stagex(&directory, &["make"]).stderr, "a directory");
}

/// Makes a runtime that says everything that a runtime can say, all of it hostile; a build fails, or
/// not.
pub(crate) fn runtime(directory: &Path, fails: bool) -> [String; 4] {
    let hostile = hostile();
    let say = |value: serde_json::Value| value.to_string() + "\n";
    let lines: String = orders()
        .iter()
        .map(|order| say(json!({ "type": "output", "line": format!("a{order}{MARK}") })))
        .collect();
    let step = json!({ "stage": 0, "index": 0 });
    let build = lines
        + &say(json!({ "type": "output", "line": hostile, "step": step }))
        + &say(json!({ "type": "notice", "message": hostile }))
        + &if fails {
            say(
                json!({ "type": "error", "kind": "build-failed", "message": hostile, "step": step }),
            )
        } else {
            say(json!({ "type": "error", "kind": "unsupported", "message": "no", "hint": hostile }))
        };
    std::fs::write(directory.join("build"), build).unwrap();
    let probe = say(json!({
        "type": "result", "protocol": 1, "version": format!("1{hostile}"),
        "capabilities": {
            "dialect": {
                "heredocs": true, "run_network": true, "named_contexts": true,
                "workdir_layers": true, "add_zstd": true
            },
            "offline_builds": true, "layers": "changes", "leaves_mount_points": false
        }
    }));
    std::fs::write(directory.join("probe"), probe).unwrap();
    let program = directory.join("says");
    let directory = directory.to_str().unwrap();
    let script = format!(
        "#!/bin/sh\nread asked\ncase $asked in *'\"operation\":\"build\"'*) cat '{directory}/build'; exit;; esac\n\
         cat '{directory}/probe'\n"
    );
    std::fs::write(&program, script).unwrap();
    std::fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
    let engine = format!("says={}", program.to_str().unwrap());
    ["--engine", &engine, "--runtime", "says"].map(str::to_owned)
}

/// A tree whose one package has a hostile instruction.
fn built() -> tempfile::TempDir {
    // A comment ends at a line's end, and so does an instruction.
    let hostile = hostile();
    let containerfile = format!("FROM scratch\nCOPY <<E /\n{hostile}\nE\nENV a=\"{hostile}\"\n");
    tree(&[("core/x", "[package]\nname = \"x\"\n", &containerfile)])
}

#[test]
fn what_a_build_says_is_printable() {
    for fails in [true, false] {
        for flags in [
            &["make"][..],
            &["-v", "make"],
            &["-vv", "make", "--explain"],
            &["make", "--format", "json"],
        ] {
            let tree = built();
            let runtime = runtime(tree.path(), fails);
            let words: Vec<&str> = runtime
                .iter()
                .map(String::as_str)
                .chain(flags.iter().copied())
                .collect();
            let ran = stagex(tree.path(), &words);
            if flags.contains(&"json") {
                let made = printed("make", &ran.stdout);
                let failed = &made["packages"][0];
                assert_eq!(failed["kind"], "package", "{failed}");
                assert_eq!(failed["may_pass"], false, "{failed}");
                assert_eq!(failed["hint"].is_string(), !fails, "{failed}");
            }
            let all = ran.stdout + &ran.stderr;
            assert_eq!(ran.code, 1, "{all}");
            check_plain(&all, &format!("{flags:?}"));
            assert!(all.contains(MARK), "{flags:?}: {all}");
            let log =
                std::fs::read_to_string(tree.path().join("out/.stagex/logs/core-x.log")).unwrap();
            check_plain(&log, "the log");
            assert!(log.contains(MARK), "{log}");
        }
    }
    let tree = built();
    let runtime = runtime(tree.path(), true);
    for format in ["human", "json"] {
        let words = [&runtime[0], &runtime[1], "runtimes", "--format", format];
        let ran = stagex(tree.path(), &words.map(|word: &str| word));
        if format == "json" {
            printed("runtimes", &ran.stdout);
        }
        check_plain(&(ran.stdout + &ran.stderr), "runtimes");
    }
}

#[test]
fn what_a_build_says_on_a_terminal_is_printable() {
    for fails in [true, false] {
        let tree = built();
        let runtime = runtime(tree.path(), fails);
        let words: Vec<&str> = runtime
            .iter()
            .map(String::as_str)
            .chain(["make", "--explain"])
            .collect();
        let plain = command(tree.path(), &words);
        // `script` gives it a terminal for its streams.
        let line: Vec<String> = std::iter::once(plain.get_program())
            .chain(plain.get_args())
            .map(|word| format!("'{}'", word.to_str().unwrap().replace('\'', r"'\''")))
            .collect();
        #[expect(
            clippy::disallowed_types,
            reason = "the program itself is what is tested"
        )]
        let mut script = std::process::Command::new("script");
        script
            .args([
                "--quiet",
                "--return",
                "--command",
                &line.join(" "),
                "/dev/null",
            ])
            .env_remove("STAGEX_RUNTIME")
            .env("TERM", "xterm")
            .env("XDG_CONFIG_HOME", tree.path().join("configuration"));
        let ran = ran(&mut script);
        assert!(ran.stdout.contains('\u{1b}'), "no terminal: {}", ran.stdout);
        assert!(ran.stdout.contains(MARK), "{}", ran.stdout);
        check(&ran.stdout, "a terminal");
    }
}
