//! What a runtime would refuse is said before anything is built, for all packages at once. One test for each runtime that
//! is here.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_types,
    reason = "in a test, what cannot be made is a failure; and the program itself is what is tested"
)]

#[expect(
    dead_code,
    reason = "it makes a tree of its own, and nothing in a store"
)]
mod engines;

use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode, Output};

use camino::Utf8Path;
use libtest_mimic::Failed;
use serde_json::Value;

use engines::expect;

/// Each package with its Containerfile; what of a dialect it needs, if anything; and where that is said.
const PACKAGES: [(&str, &str, Option<&str>, &str); 6] = [
    (
        "fine",
        // Of a stage that is not built nothing is refused.
        "FROM scratch AS unneeded\nRUN --security=insecure x\nFROM scratch\nCOPY --chmod=644 package.* /\n",
        None,
        "",
    ),
    (
        "excluding",
        "FROM scratch AS a\nCOPY package.toml /d/\nFROM scratch\nCOPY --from=a --exclude=b /d /d\n",
        Some("copy_exclude"),
        "4:1: ",
    ),
    (
        "letters",
        "FROM scratch\nCOPY package.toml /\nCOPY --chmod=u+x package.toml /b\nCOPY --chmod=u+x package.toml /c\n",
        Some("symbolic_modes"),
        "3:1: ",
    ),
    (
        "patterns",
        "FROM stagex/core-fine AS a\nFROM scratch\nCOPY --from=a /[a-z]*.toml /\n",
        Some("copy_patterns"),
        "3:1: ",
    ),
    (
        "mounting",
        "FROM stagex/core-fine\nRUN --network=none \\\n  --mount=type=tmpfs,target=/dev/shm [\"/x\"]\n",
        Some("stacked_mounts"),
        "2:1: ",
    ),
    (
        "mixed",
        "FROM stagex/core-fine\nRUN [\"/x\"]\nRUN --network=none [\"/x\"]\n",
        Some("run_network"),
        "3:1: ",
    ),
];

fn main() -> ExitCode {
    engines::run("what_is_refused_is_said_while_planning", planning)
}

fn planning(runtime: &str, _: &Utf8Path) -> Result<(), Failed> {
    let temporary = tempfile::tempdir_in("/var/tmp").unwrap();
    let tree = temporary.path();
    for (name, containerfile, ..) in PACKAGES {
        let directory = tree.join("packages/core").join(name);
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join("Containerfile"), containerfile).unwrap();
        let manifest = format!("[package]\nname = \"{name}\"\n");
        fs::write(directory.join("package.toml"), manifest).unwrap();
    }

    let dialect = dialect(runtime, tree)?;
    let refused: Vec<_> = PACKAGES
        .into_iter()
        .filter(|(_, _, need, _)| need.is_some_and(|need| dialect[need] == false))
        .collect();
    for words in [&["make", "--dry-run"][..], &["make"], &["reproduce"]] {
        if refused.is_empty() && words != ["make", "--dry-run"] {
            continue;
        }
        let ran = stagex(runtime, tree, words);
        let said = String::from_utf8_lossy(&ran.stderr).into_owned();
        let code = i32::from(!refused.is_empty());
        expect(
            ran.status.code() == Some(code),
            &format!("{words:?}: not {code}: {said}"),
        )?;
        for (name, _, need, place) in PACKAGES {
            let line = format!("core-{name}: packages/core/{name}/Containerfile:{place}");
            let is_refused = refused.iter().any(|(other, ..)| *other == name);
            expect(
                need.is_none() || said.contains(&line) == is_refused,
                &format!("{words:?}: {line} in {said}"),
            )?;
        }
        expect(
            refused.is_empty() || said.contains("hint: "),
            &format!("{words:?}: no hint in {said}"),
        )?;
        expect(
            !tree.join("out/core-fine").exists(),
            &format!("{words:?}: something was built: {said}"),
        )?;
    }
    // What nothing is refused of is built, whatever else there is in the tree.
    let ran = stagex(runtime, tree, &["make", "core-fine"]);
    expect(ran.status.success(), &String::from_utf8_lossy(&ran.stderr))
}

/// Returns what a runtime says that it understands.
fn dialect(runtime: &str, tree: &Path) -> Result<Value, Failed> {
    let ran = stagex(runtime, tree, &["runtimes", "--format", "json"]);
    let found: Value = serde_json::from_slice(&ran.stdout)?;
    Ok(found["runtimes"][runtime]["ready"]["capabilities"]["dialect"].clone())
}

fn stagex(runtime: &str, tree: &Path, words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stagex"));
    command.arg("-C").arg(tree).args(words);
    command.args(["--runtime", runtime]);
    command.env("XDG_STATE_HOME", tree.join("state"));
    command.output().unwrap()
}
