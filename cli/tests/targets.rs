//! Targets that ask for more than building. One test for each runtime that is here.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_types,
    reason = "in a test, what cannot be made is a failure; and the program itself is what is tested"
)]

mod engines;
mod schema;

use std::path::Path;
use std::process::{Command, ExitCode};

use camino::Utf8Path;
use libtest_mimic::Failed;

use engines::{example_tree, expect};
use schema::printed;

const PACKAGE: &str = "bootstrap-seed";
const IMPORTED: &str = "stagex/bootstrap-seed:local";

fn main() -> ExitCode {
    engines::run("targets_beside_packages", targets)
}

fn targets(runtime: &str, program: &Utf8Path) -> Result<(), Failed> {
    let temporary = example_tree();
    let tree = temporary.path();
    let images = engines::images(program)?;
    let recorded = std::fs::read_to_string(tree.join("digests/bootstrap.txt")).unwrap();
    let of_package = |line: &&str| line.ends_with(&format!(" {PACKAGE}"));
    let recorded = recorded.lines().find(of_package).unwrap();
    let hex = recorded.split(' ').next().unwrap();

    let digests = make(tree, runtime, &[&format!("digests-{PACKAGE}")])?;
    expect(digests == format!("{hex} linux/amd64\n"), &digests)?;

    let content = make(tree, runtime, &[&format!("content-{PACKAGE}")])?;
    for part in [
        "out/bootstrap-seed/index.json",
        "layer 1 of ",
        "-rwxr-xr-x       0/0          293          1 bin/hex",
    ] {
        expect(content.contains(part), &format!("no {part} in {content}"))?;
    }

    if engines::has_store(program) {
        is_imported(tree, runtime, program)?;
    } else {
        let refused = make(tree, runtime, &[&format!("import-{PACKAGE}")]);
        let refused = refused.is_err_and(|error| {
            error
                .message()
                .is_some_and(|message| message.contains("cannot import images"))
        });
        expect(refused, "there is no store that an image could be put into")?;
    }

    for_two_platforms(tree, runtime, hex)?;

    let words = ["--dry-run", "--explain", "clean", PACKAGE];
    let explained = make(tree, runtime, &words)?;
    let expected = ["without caches", "never built"];
    let said = expected.iter().all(|part| explained.contains(part));
    expect(said, &explained)?;

    let words = ["--format", "json", "clean", PACKAGE];
    let again = printed("make", &make(tree, runtime, &words)?);
    let outcome = &again["packages"][0]["outcome"];
    expect(outcome == "built", &format!("after clean: {outcome}"))?;
    let reason = &again["packages"][0]["reasons"][0]["reason"];
    expect(reason == "asked", &format!("after clean, since {reason}"))?;

    let record = tree.join(format!("out/.stagex/records/{PACKAGE}.json"));
    let record = std::fs::read_to_string(record).unwrap();
    let (document, _proof) = record.trim_end().rsplit_once('\n').unwrap();
    let record = printed("record", document);
    expect(record["runtime"] == runtime, document)?;

    one_image_is_built(tree, runtime)?;
    a_failure_is_placed(tree, runtime)?;

    // What is new is new also where it was recorded a moment ago.
    only_the_package(tree);
    let words = ["--format", "json", "digests", "new-digests"];
    let new = printed("make", &make(tree, runtime, &words)?);
    let names = new["new_digests"].as_array().unwrap().iter();
    let names: Vec<_> = names.map(|each| each["name"].as_str()).collect();
    expect(names == [Some(PACKAGE)], &new.to_string())?;
    engines::nothing_is_left(tree, program, &images)
}

/// Makes the package for a second platform too: that of the first is the same as before, and the other
/// has a line of its own.
fn for_two_platforms(tree: &Path, runtime: &str, first: &str) -> Result<(), Failed> {
    let digests = |words: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stagex"));
        let command = command.arg("-C").arg(tree).arg("digests").args(words);
        expect(
            command.output().unwrap().status.success(),
            &format!("digests {words:?}"),
        )
    };
    let wanted = format!("digests-{PACKAGE}");
    let words = ["--format", "json", "--platform", "linux/amd64,linux/386"];
    let content = format!("content-{PACKAGE}");
    let words = [&words[..], &[&wanted, &content]].concat();
    for outcome in ["built", "fresh"] {
        let made = printed("make", &make(tree, runtime, &words)?);
        expect(made["packages"][0]["outcome"] == outcome, &made.to_string())?;
        let images = made["images"].as_array().unwrap().iter();
        let images: Vec<_> = images
            .map(|image| {
                let digest = image["digest"].as_str().unwrap();
                (
                    image["platform"].as_str().unwrap(),
                    &digest["sha256:".len()..],
                )
            })
            .collect();
        let [("linux/amd64", amd64), ("linux/386", other)] = images[..] else {
            return Err(format!("{images:?}").into());
        };
        expect(amd64 == first && other != first, &format!("{images:?}"))?;
        digests(&[])?;
        digests(&["--check"])?;
        let recorded = std::fs::read_to_string(tree.join("digests/bootstrap.txt")).unwrap();
        let lines = format!("{first} {PACKAGE}\n{other} {PACKAGE} linux/386\n");
        expect(recorded.contains(&lines), &recorded)?;
    }
    Ok(())
}

/// Builds an image beside the packages, and reads what is said of it.
fn one_image_is_built(tree: &Path, runtime: &str) -> Result<(), Failed> {
    let context = tree.join("context");
    std::fs::create_dir(&context).unwrap();
    std::fs::write(context.join("Containerfile"), "FROM scratch\nCOPY . /\n").unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_stagex"))
        .arg("-C")
        .arg(tree)
        .args(["--quiet", "--format=json", "--runtime", runtime, "build"])
        .args([
            "--tag=stagex/x:1",
            "--output=type=oci,dest=image.tar",
            "context",
        ])
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    expect(output.status.success(), &stderr)?;
    let built = printed("build", &String::from_utf8(output.stdout).unwrap());
    expect(built["runtime"] == runtime, &built.to_string())
}

/// Puts the package's image into the engine's own store, where it is found.
fn is_imported(tree: &Path, runtime: &str, program: &Utf8Path) -> Result<(), Failed> {
    let imported = make(tree, runtime, &[&format!("import-{PACKAGE}")])?;
    expect(imported.trim() == IMPORTED, &imported)?;
    let words = ["--runtime", runtime, "--format", "json", "import", PACKAGE];
    let tagged = printed(
        "import",
        &stagex(tree, &[&words[..], &["--tag", "a", "--tag=b"]].concat())?,
    );
    let references: Vec<&str> = tagged["images"]
        .as_array()
        .unwrap()
        .iter()
        .map(|image| image["reference"].as_str().unwrap())
        .collect();
    let expected = ["a", "b"].map(|tag| format!("docker.io/stagex/{PACKAGE}:{tag}"));
    expect(references == expected, &tagged.to_string())?;
    let removed = expected.iter().all(|name| run(program, &["rmi", name]));
    expect(removed, "they are not in the store")?;
    let found = run(program, &["inspect", "--type", "image", IMPORTED]);
    let removed = run(program, &["rmi", IMPORTED]);
    expect(
        found && removed,
        &format!("it is not in the store: found {found}, removed {removed}"),
    )
}

/// Fails the package in a stage that its image is not made of, and looks where that is said to be.
fn a_failure_is_placed(tree: &Path, runtime: &str) -> Result<(), Failed> {
    let path = "packages/bootstrap/seed/Containerfile";
    let file = std::fs::read_to_string(tree.join(path)).unwrap();
    let (before, after) = file.split_once("\nFROM scratch AS package").unwrap();
    let line = before.matches('\n').count() + 2;
    let failing = format!(
        "{before}\nRUN --network=none [\"/seed\", \"/no/directory\"]\nFROM scratch AS package{after}"
    );
    std::fs::write(tree.join(path), failing).unwrap();
    let failed = make(tree, runtime, &[PACKAGE]);
    std::fs::write(tree.join(path), file).unwrap();
    let failed = failed.expect_err("there is no such directory");
    let message = failed.message().unwrap_or_default();
    expect(message.contains(&format!("{path}:{line}:1: ")), message)
}

/// Leaves nothing of a tree but the package, and another digest of it on record.
fn only_the_package(tree: &Path) {
    let packages = tree.join("packages");
    for stage in std::fs::read_dir(packages).unwrap() {
        for package in std::fs::read_dir(stage.unwrap().path()).unwrap() {
            let directory = package.unwrap().path();
            if !directory.ends_with("bootstrap/seed") {
                std::fs::remove_dir_all(directory).unwrap();
            }
        }
    }
    let line = format!("{} {PACKAGE}\n", "0".repeat(64));
    std::fs::write(tree.join("digests/bootstrap.txt"), line).unwrap();
}

fn run(program: &Utf8Path, words: &[&str]) -> bool {
    let output = Command::new(program).args(words).output().unwrap();
    output.status.success()
}

/// Makes something and returns what is printed.
fn make(tree: &Path, runtime: &str, words: &[&str]) -> Result<String, Failed> {
    stagex(
        tree,
        &[&["--quiet", "--runtime", runtime, "make"], words].concat(),
    )
}

fn stagex(tree: &Path, words: &[&str]) -> Result<String, Failed> {
    let output = Command::new(env!("CARGO_BIN_EXE_stagex"))
        .arg("-C")
        .arg(tree)
        .args(words)
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    expect(output.status.success(), &format!("{words:?}: {stderr}"))?;
    Ok(String::from_utf8(output.stdout).unwrap())
}
