//! What engines build and save becomes the image that `stagex make` makes of the same package; and what is canonical
//! stays as it is. One test for each engine that is here; those that `STAGEX_REQUIRE` names must be. Engines of other
//! generations are those of `STAGEX_ENGINES`.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_types,
    reason = "in a test, what cannot be made is a failure; and the program itself is what is tested"
)]

#[expect(dead_code, reason = "other tests use the rest")]
mod engines;
mod schema;

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Output, Stdio};
use std::time::{Duration, SystemTime};

use camino::{Utf8Path, Utf8PathBuf};
use libtest_mimic::{Failed, Trial};
use serde_json::Value;

use engines::{example_tree, expect, variable};

/// A package whose layers touch what is below them, and have all of the history that engines write in ways of their own.
const CONTAINERFILE: &str = "\
FROM scratch
ARG TARGETARCH
ENV GREETING=hello
COPY small /etc/deep/small
COPY small large /etc/deep/
COPY --chmod=640 small /made/by/chmod
EXPOSE 443/udp 80/tcp
LABEL a=b
ENTRYPOINT [\"/x\"]
";
const MANIFEST: &str = "[package]\nname = \"sample\"\nversion = \"1.0\"\n";
const NAME: &str = "stagex/core-sample:1.0";

fn main() -> ExitCode {
    let words = variable("STAGEX_ENGINES").unwrap_or_default();
    let others = words.split_whitespace().filter_map(|word| {
        let (label, program) = word.split_once('=')?;
        let (engine, program) = (
            label.split('@').next()?.to_owned(),
            Utf8PathBuf::from(program),
        );
        let name = format!("what_engines_save_is_one_image::{label}");
        Some(Trial::test(name, move || saved(&engine, &program)))
    });
    let mut others: Vec<_> = others.collect();
    others.extend([
        Trial::test("what_go_1_27_wrote_is_repaired_and_explained", repaired),
        Trial::test("what_cannot_be_answered_has_its_exit_code", refused),
        Trial::test("what_is_being_written_can_be_interrupted", interrupted),
    ]);
    engines::run_with("what_engines_save_is_one_image", saved, others)
}

fn run(program: &str, words: &[&str]) -> Result<(), Failed> {
    let mut command = Command::new(program);
    let ran = command
        .args(words)
        .env("DOCKER_BUILDKIT", "1")
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&ran.stderr);
    expect(
        ran.status.success(),
        &format!("{program} {words:?}: {error}"),
    )
}

/// Runs stagex in a tree, and returns what it prints.
fn stagex(tree: &Path, words: &[&str]) -> Result<String, Failed> {
    let ran = stagex_as("state", tree, words);
    let error = String::from_utf8_lossy(&ran.stderr);
    expect(ran.status.success(), &format!("stagex {words:?}: {error}"))?;
    Ok(String::from_utf8(ran.stdout).unwrap())
}

/// Runs it as somebody with this state directory in the tree.
fn stagex_as(state: &str, tree: &Path, words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stagex"));
    command
        .current_dir(tree)
        .args(words)
        .env("XDG_STATE_HOME", tree.join(state))
        .env_remove("STAGEX_OUT")
        .output()
        .unwrap()
}

fn digest(printed: &str) -> Value {
    let document: Value = serde_json::from_str(printed).unwrap();
    document["digest"].clone()
}

/// Writes the package into a tree.
fn write_package(root: &Path) -> PathBuf {
    let package = root.join("packages/core/sample");
    fs::create_dir_all(&package).unwrap();
    for (name, content) in [
        ("Containerfile", CONTAINERFILE.to_owned()),
        ("package.toml", MANIFEST.to_owned()),
        ("small", "small\n".to_owned()),
        ("large", "0123456789abcdef".repeat(20_000)),
    ] {
        fs::write(package.join(name), content).unwrap();
        // Not the time at which an engine makes directories: what is all the same says nothing.
        let file = fs::File::options().write(true).open(package.join(name));
        let early = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        file.unwrap().set_modified(early).unwrap();
    }
    package
}

/// Makes the package with stagex, and with the engine alone.
fn saved(engine: &str, program: &Utf8Path) -> Result<(), Failed> {
    if engine == "native" {
        return stays();
    }
    let temporary = tempfile::tempdir_in("/var/tmp").unwrap();
    let root = temporary.path();
    let package = write_package(root);
    let program_of = format!("{engine}={program}");
    let make = [
        "--runtime",
        engine,
        "--engine",
        &program_of,
        "--quiet",
        "make",
        "core-sample",
    ];
    stagex(root, &make)?;
    let output = root.join("out/core-sample");
    let made = digest(&stagex(
        root,
        &["canon", output.to_str().unwrap(), "--format", "json"],
    )?);

    let build = |more: &[&str]| {
        let package = package.to_str().unwrap();
        let file = format!("{package}/Containerfile");
        let words = ["build", "--tag", NAME, "--file", &file, package];
        let (first, rest) = words.split_at(1);
        run(program.as_str(), &[first, more, rest].concat())
    };
    let path = |name: &str| root.join(name).to_str().unwrap().to_owned();
    let saved = match engine {
        "docker" => {
            build(&[])?;
            let saved = path("docker.tar");
            run(program.as_str(), &["save", "--output", &saved, NAME])?;
            vec![saved]
        }
        "podman" => {
            build(&["--layers"])?;
            let mut saved = Vec::new();
            for format in ["docker-archive", "oci-archive"] {
                let to = path(format);
                run(
                    program.as_str(),
                    &["save", "--format", format, "--output", &to, NAME],
                )?;
                saved.push(to);
            }
            saved
        }
        _ => {
            build(&["--layers"])?;
            let saved = path("pushed");
            run(program.as_str(), &["push", NAME, &format!("oci:{saved}:x")])?;
            vec![saved]
        }
    };
    for saved in saved {
        let words = [
            "canon",
            &saved,
            "--package",
            "core-sample",
            "--format",
            "json",
        ];
        let found = digest(&stagex(root, &words)?);
        expect(found == made, &format!("{saved}: {found}, expected {made}"))?;
        let explained = stagex(root, &["explain", &saved, "--package", "core-sample"])?;
        let expected = expected_sentence(engine);
        let first = explained.lines().next().unwrap_or_default();
        expect(first.contains(expected), &format!("{saved}: {explained}"))?;
        // What it was built from is not known here.
        let alone = stagex(root, &["explain", &saved])?;
        let is_helped = alone.contains("\nhint: ") && !alone.contains("canon --output");
        expect(is_helped, &format!("{saved}: {alone}"))?;
        let words = [
            "explain",
            &saved,
            "--package",
            "core-sample",
            "--format",
            "json",
        ];
        let explained: Value = serde_json::from_str(&stagex(root, &words)?).unwrap();
        expect(
            explained["verdict"] == "explained",
            &format!("{saved}: {explained}"),
        )?;
    }
    run(program.as_str(), &["rmi", NAME])
}

/// Returns what must be in the first sentence that explains what an engine saved. How a Docker compresses depends on
/// with what it was compiled: that there is a reason is seen by the verdict.
fn expected_sentence(engine: &str) -> &'static str {
    match engine {
        "docker" => "",
        _ => "Buildah or Podman built it",
    }
}

/// Every image of the example tree stays as it is.
fn stays() -> Result<(), Failed> {
    let tree = example_tree();
    stagex(tree.path(), &["--runtime", "native", "--quiet", "make"])?;
    let (mut count, mut unsaid) = (0, 0);
    for entry in fs::read_dir(tree.path().join("out")).unwrap() {
        let image = entry.unwrap().path();
        if !image.join("index.json").exists() {
            continue;
        }
        let name = image.file_name().unwrap().to_str().unwrap();
        let output = tree.path().join("canonical").join(name);
        let printed = stagex(
            tree.path(),
            &[
                "canon",
                name,
                "--output",
                output.to_str().unwrap(),
                "--format",
                "json",
            ],
        )?;
        let document: Value = serde_json::from_str(&printed).unwrap();
        expect(
            document["is_canonical"] == true,
            &format!("{name}: {printed}"),
        )?;
        expect(
            document["changes"] == Value::Array(Vec::new()),
            &format!("{name}: {printed}"),
        )?;
        let same = Command::new("diff")
            .arg("-r")
            .args([&image, &output])
            .output()
            .unwrap();
        expect(
            same.status.success(),
            &String::from_utf8_lossy(&same.stdout),
        )?;
        count += 1;
        let layers = document["layers"].as_array().unwrap();
        if layers.len() > 1 && layers.iter().all(|layer| layer["is_of_base"] == false) {
            // To somebody who has no record of it, the image does not say that it begins with nothing.
            let others = stagex_as("others", tree.path(), &["canon", name]);
            let error = String::from_utf8_lossy(&others.stderr);
            let is_helped = error.contains("--base scratch") && error.contains("--package");
            expect(others.status.code() == Some(2) && is_helped, &error)?;
            let words = ["canon", name, "--package", name, "--format", "json"];
            let others = stagex_as("others", tree.path(), &words);
            let found = digest(&String::from_utf8(others.stdout).unwrap());
            expect(found == document["digest"], &format!("{name}: {found}"))?;
            unsaid += 1;
        }
    }
    expect(
        unsaid > 0,
        "an image of several layers that begins with nothing",
    )?;
    expect(count >= 15, &format!("{count} images"))
}

/// An image that a Docker wrote which was compiled with Go 1.27, and one of an older Docker: the same package.
const NEWER_GO: &str = "docker-28.5.2-go-1.27.1/image.tar";
const OLDER_GO: &str = "docker-26.1.5-go-1.24.4/image.tar";

fn sample(name: &str) -> String {
    let samples = concat!(env!("CARGO_MANIFEST_DIR"), "/../crates/canon/tests/samples");
    format!("{samples}/{name}")
}

fn repaired() -> Result<(), Failed> {
    let temporary = tempfile::tempdir().unwrap();
    let root = temporary.path();
    let (newer, older) = (sample(NEWER_GO), sample(OLDER_GO));
    let read = |name: &str, words: &[&str]| {
        let words = [words, &["--format", "json"]].concat();
        stagex(root, &words).map(|printed| schema::printed(name, &printed))
    };
    // It has two layers, and which of them the build began with is not seen.
    let scratch = ["--base", "scratch"];
    let expected = read("canon", &[&["canon", &older], &scratch[..]].concat())?;
    expect(
        expected["is_canonical"] == true,
        "the older one is canonical",
    )?;
    for output in ["layout", "archive.tar"] {
        let made = read("canon", &["canon", &newer, "--output", output])?;
        expect(made["digest"] == expected["digest"], &made.to_string())?;
        expect(made["output"] == output, &made.to_string())?;
        let output = root.join(output);
        let again = [&["canon", output.to_str().unwrap()], &scratch[..]].concat();
        let again = read("canon", &again)?;
        expect(again["is_canonical"] == true, &again.to_string())?;
    }
    let left = fs::read_dir(root)
        .unwrap()
        .map(|entry| entry.unwrap().file_name());
    let mut left = left.filter(|name| name.to_string_lossy().starts_with('.'));
    expect(left.next().is_none(), "no temporary directory is left")?;

    let explained = stagex(root, &["explain", &newer])?;
    let sentence = "your Docker was built with Go 1.27 or later";
    expect(explained.starts_with(sentence), &explained)?;
    let explained = read("explain", &["explain", &newer])?;
    expect(explained["verdict"] == "explained", &explained.to_string())?;
    let digest = expected["digest"].as_str().unwrap();
    let explained = read("explain", &["explain", digest, "--of", &newer])?;
    expect(explained["verdict"] == "canonical", &explained.to_string())
}

fn refused() -> Result<(), Failed> {
    let temporary = tempfile::tempdir().unwrap();
    let root = temporary.path();
    fs::write(root.join("text"), "no image").unwrap();
    let image = sample(NEWER_GO);
    let archive = fs::read(&image).unwrap();
    fs::write(root.join("cut.tar"), &archive[..archive.len() / 2]).unwrap();
    fs::create_dir(root.join("taken")).unwrap();
    fs::create_dir(root.join("dir.tar")).unwrap();
    fs::write(root.join("taken/file"), "").unwrap();
    let zeros = format!("sha256:{}", "0".repeat(64));
    let older = sample(OLDER_GO);
    let scratch = "add `--base scratch`";
    for (words, code, said) in [
        (&["canon", "nothing"][..], 2, "hint: "),
        (&["canon", "text"], 2, "not an image"),
        (&["canon", "cut.tar"], 5, "damaged"),
        (&["canon", &image, "--output", "taken"], 2, "not replaced"),
        (
            &["canon", &image, "--platform", "linux/arm64"],
            2,
            "--platform",
        ),
        (
            &["canon", &image, "--base", "scratch", "--name", "x"],
            0,
            "",
        ),
        (&["canon", &older], 2, scratch),
        (&["canon", &older, "--base", "scratch"], 0, ""),
        (&["explain", &older], 2, scratch),
        (&["canon", &image, "--base", "nothing"], 2, "no OCI layout"),
        (&["canon", &image, "--base", "text"], 2, "is a file"),
        (&["canon", &image, "--output", "dir.tar"], 2, "name a file"),
        (&["canon", &image, "--output", "no/a.tar"], 2, "create it"),
        (&["explain", &zeros], 2, "--of"),
        (&["explain", "text", "--of", &image], 2, "not a digest"),
        (&["explain", &zeros, "--of", &image], 6, ""),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stagex"));
        let state = root.join("state");
        let command = command
            .current_dir(root)
            .args(words)
            .env("XDG_STATE_HOME", state);
        let ran = command.output().unwrap();
        let error = String::from_utf8_lossy(&ran.stderr);
        let is_it = ran.status.code() == Some(code) && error.contains(said);
        expect(is_it, &format!("{words:?}: {:?} {error}", ran.status))?;
        // Words of another command's option.
        let is_foreign = error.contains("dest=") || error.contains("tar=false");
        expect(!is_foreign, &format!("{words:?}: {error}"))?;
    }
    Ok(())
}

/// Interrupts the program while it writes to somebody who does not read.
fn interrupted() -> Result<(), Failed> {
    let temporary = tempfile::tempdir().unwrap();
    let (work, state) = (
        temporary.path().join("work"),
        temporary.path().join("state"),
    );
    fs::create_dir(&work).unwrap();
    let (mut reader, writer) = std::io::pipe().unwrap();
    // No image has room in it.
    rustix::pipe::fcntl_setpipe_size(&writer, 4096).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_stagex"))
        .current_dir(temporary.path())
        .args(["canon", &sample(NEWER_GO), "--output", "-"])
        .env("XDG_STATE_HOME", state)
        .env("TMPDIR", &work)
        .stdout(writer)
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    reader.read_exact(&mut [0]).unwrap();
    let id = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(id, rustix::process::Signal::INT).unwrap();
    let status = child.wait().unwrap();
    expect(status.code() == Some(130), &format!("{status}"))?;
    let left = fs::read_dir(&work).unwrap().count();
    expect(left == 0, "a temporary directory is left")
}
