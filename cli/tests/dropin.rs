//! `stagex build` in place of `docker build`: a tree is built as StageX's generated rules do it, one
//! command line and one pipe for each package, and the images are those that are recorded. One test
//! for each runtime that is here.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_types,
    reason = "in a test, what cannot be made is a failure; and the program itself is what is tested"
)]

mod delivered;
mod engines;

use std::fs;
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};

use camino::Utf8Path;
use libtest_mimic::Failed;
use serde_json::Value;

use engines::{example_tree, expect};

/// What is built, with all that it needs.
const TARGET: &str = "core-filesystem";

fn main() -> ExitCode {
    engines::run("a_rule_of_stagex_builds_what_is_recorded", rules)
}

fn rules(runtime: &str, program: &Utf8Path) -> Result<(), Failed> {
    let temporary = example_tree();
    let tree = temporary.path();
    let images = engines::images(program)?;
    let plan = Command::new(env!("CARGO_BIN_EXE_stagex"))
        .arg("-C")
        .arg(tree)
        .args(["make", "--dry-run", "--format", "json", TARGET])
        .output()
        .unwrap();
    let plan: Value = serde_json::from_slice(&plan.stdout).unwrap();
    let packages = plan["packages"].as_array().unwrap();
    expect(packages.len() > 2, "the target needs nothing")?;

    // One that is killed leaves nothing that the next does not clear away, even beside others.
    let mut killed = build(tree, runtime, &packages[0], &[]);
    let log = tree.join("out/.stagex/logs");
    while !log.exists() && killed.try_wait().unwrap().is_none() {
        std::thread::yield_now();
    }
    killed.kill().unwrap();
    killed.wait().unwrap();

    for package in packages {
        let name = package["name"].as_str().unwrap();
        let directory = tree.join("out").join(name);
        fs::create_dir_all(&directory).unwrap();
        let mut build = build(tree, runtime, package, &[]);
        let unpack = Command::new("tar")
            .arg("-C")
            .arg(&directory)
            .arg("-mx")
            .stdin(build.stdout.take().unwrap())
            .status()
            .unwrap();
        expect(build.wait().unwrap().success(), &format!("{name} failed"))?;
        expect(unpack.success(), &format!("{name} gave no archive"))?;
        let recorded = recorded(tree, package);
        let built = digest(&directory);
        expect(
            built == recorded,
            &format!("{name}: {built}, and {recorded} is recorded"),
        )?;
    }
    let check = build(tree, runtime, &packages[0], &["--check"]);
    let check = check.wait_with_output().unwrap();
    expect(
        check.status.success() && check.stdout == [0; 1024],
        "a check is not an empty archive",
    )?;
    let target = packages.last().unwrap();
    delivered::everywhere(tree, runtime, program, target)?;
    delivered::refused(tree, runtime, target)?;
    a_changed_layer_is_refused(tree, runtime, packages)?;
    hard_links_are_hard_links(tree, runtime)?;
    an_image_of_a_layout_is_named(tree, runtime, target)?;
    what_may_reach_the_network_is_said(tree, runtime)?;
    engines::nothing_is_left(tree, program, &images)
}

/// Changes a layer of what the target is built from: then it is not built, whatever the engine would say.
fn a_changed_layer_is_refused(
    tree: &Path,
    runtime: &str,
    packages: &[Value],
) -> Result<(), Failed> {
    let has_needs = |package: &&Value| !package["dependencies"].as_array().unwrap().is_empty();
    let package = packages.iter().rfind(has_needs).unwrap();
    let needed = package["dependencies"][0].as_str().unwrap();
    let blobs = tree.join("out").join(needed).join("blobs/sha256");
    let manifest = fs::read(blobs.join(digest(&tree.join("out").join(needed)))).unwrap();
    let manifest: Value = serde_json::from_slice(&manifest).unwrap();
    let layer = manifest["layers"][0]["digest"].as_str().unwrap();
    let layer = layer.strip_prefix("sha256:").unwrap();
    let mut bytes = fs::read(blobs.join(layer)).unwrap();
    // It is unpacked as before: the time in the header of gzip means nothing.
    bytes[4] ^= 1;
    // The archive has it read-only, which tar keeps.
    fs::remove_file(blobs.join(layer)).unwrap();
    fs::write(blobs.join(layer), bytes).unwrap();
    for more in [&["--no-cache"][..], &[]] {
        let mut command = command(tree, runtime, package, more);
        let output = command.stderr(Stdio::piped()).output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        expect(!output.status.success(), "a changed layer was built from")?;
        for part in [&format!("`stagex/{needed}`"), layer, "was changed"] {
            expect(text.contains(part), &format!("no {part} in: {text}"))?;
        }
    }
    Ok(())
}

/// Builds a context with hard links in its own directory, then the same contents in separate files. The digests are
/// those of BuildKit.
fn hard_links_are_hard_links(tree: &Path, runtime: &str) -> Result<(), Failed> {
    const LINKED: &str = "00aa2de843ea369f5a43e78b39960b3939d5899d544496d63d483622e676c3a9";
    const SEPARATE: &str = "8d16259f048cb4616994f08c93d7ee2e869b8ba8db5ef6744a30df32b6dc57f2";
    let context = tree.join("linked");
    let (a, b) = (context.join("a"), context.join("below/b"));
    fs::create_dir_all(context.join("below")).unwrap();
    let text = "FROM scratch\nCOPY . /all/\nCOPY a below/b /named/\n";
    fs::write(context.join("Containerfile"), text).unwrap();
    fs::write(&a, "one\n").unwrap();
    fs::write(context.join("c"), "one\n").unwrap();
    fs::hard_link(&a, &b).unwrap();
    let (_, found, said) = built_in(&context, runtime, &[]);
    expect(
        found == LINKED,
        &format!("{LINKED} is BuildKit's, found {found}: {said}"),
    )?;
    fs::remove_file(&b).unwrap();
    fs::write(&b, "one\n").unwrap();
    let (_, found, said) = built_in(&context, runtime, &[]);
    expect(
        found == SEPARATE,
        &format!("{SEPARATE} is BuildKit's, found {found}: {said}"),
    )
}

/// Names an image of a layout by its tag and by its digest: it is that one, or none.
fn an_image_of_a_layout_is_named(
    tree: &Path,
    runtime: &str,
    package: &Value,
) -> Result<(), Failed> {
    let context = tree.join("named");
    fs::create_dir(&context).unwrap();
    fs::write(
        context.join("Containerfile"),
        "FROM tools\nCOPY Containerfile /\n",
    )
    .unwrap();
    let layout = tree.join("out").join(package["name"].as_str().unwrap());
    let index: Value =
        serde_json::from_slice(&fs::read(layout.join("index.json")).unwrap()).unwrap();
    let entry = &index["manifests"][0];
    let digest = entry["digest"].as_str().unwrap();
    let tag = entry["annotations"]["org.opencontainers.image.ref.name"]
        .as_str()
        .unwrap();
    let built = |which: &str| {
        let named = format!("tools=oci-layout://{}{which}", layout.display());
        built_in(&context, runtime, &["--build-context", &named])
    };
    let (is_built, expected, said) = built("");
    expect(is_built && expected.len() == 64, &said)?;
    for which in [
        format!(":{tag}"),
        format!("@{digest}"),
        format!(":{tag}@{digest}"),
    ] {
        let (_, found, said) = built(&which);
        expect(
            found == expected,
            &format!("{which}: expected {expected}, found {found}: {said}"),
        )?;
    }
    let other = format!("@sha256:{}", "0".repeat(64));
    for which in [":gone", &other, &format!(":gone@{digest}")] {
        let (is_built, _, said) = built(which);
        expect(
            !is_built && said.contains(which),
            &format!("{which}: {said}"),
        )?;
    }
    Ok(())
}

/// Says that a RUN may reach the network, unless it may not.
fn what_may_reach_the_network_is_said(tree: &Path, runtime: &str) -> Result<(), Failed> {
    let context = tree.join("reaches");
    fs::create_dir(&context).unwrap();
    let text = "FROM scratch\nRUN [\"/nothing\"]\n";
    fs::write(context.join("Containerfile"), text).unwrap();
    for (more, is_said) in [(&[][..], true), (&["--network", "none"], false)] {
        let (_, _, said) = built_in(&context, runtime, more);
        expect(said.contains("/nothing"), &said)?;
        expect(said.contains("may reach the network") == is_said, &said)?;
    }
    Ok(())
}

/// Builds what is in a directory, in that directory. Returns whether it could be built, its digest in hex, and what was said.
fn built_in(context: &Path, runtime: &str, more: &[&str]) -> (bool, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stagex"));
    command
        .current_dir(context)
        .args(["--runtime", runtime, "build", "--tag", "a:1"]);
    command
        .args(["--output", "type=oci,dest=../a.tar"])
        .args(more)
        .arg(".");
    let ran = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let digest = text(&ran.stdout)
        .split(' ')
        .next()
        .unwrap_or_default()
        .to_owned();
    (ran.status.success(), digest, text(&ran.stderr))
}

/// Starts what the generated rule of a package starts.
fn build(tree: &Path, runtime: &str, package: &Value, more: &[&str]) -> Child {
    command(tree, runtime, package, more).spawn().unwrap()
}

fn command(tree: &Path, runtime: &str, package: &Value, more: &[&str]) -> Command {
    let text = |field: &str| package[field].as_str().unwrap();
    let name = text("name");
    let version = package["version"].as_str().unwrap_or("latest");
    let mut command = Command::new(env!("CARGO_BIN_EXE_stagex"));
    command
        .current_dir(tree)
        .args(["--runtime", runtime, "build"])
        .args(["--ulimit", "nofile=2048:16384", "--provenance=false"])
        .arg("--output")
        .arg(format!(
            "name={name},type=oci,rewrite-timestamp=true,force-compression=true,\
             annotation.containerd.io/distribution.source.docker.io=stagex/{name},\
             annotation.org.opencontainers.image.version={version},\
             annotation.org.opencontainers.image.created=1970-01-01T00:00:01Z,tar=true,dest=-"
        ));
    build_arguments(&mut command, package);
    command
        .args(more)
        .arg("--progress=auto")
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    command
}

/// Adds what a package is built from.
fn build_arguments(command: &mut Command, package: &Value) {
    let text = |field: &str| package[field].as_str().unwrap();
    let (name, context) = (text("name"), text("context"));
    let version = package["version"].as_str().unwrap_or("latest");
    command.args(["--tag", &format!("stagex/{name}:{version}")]);
    for needed in package["dependencies"].as_array().unwrap() {
        let needed = needed.as_str().unwrap();
        command.args([
            "--build-context",
            &format!("stagex/{needed}=oci-layout://./out/{needed}"),
        ]);
    }
    for argument in package["build_args"].as_array().unwrap() {
        let part = |place: usize| argument[place].as_str().unwrap();
        command.args(["--build-arg", &format!("{}={}", part(0), part(1))]);
    }
    if let Some(target) = package["target"].as_str() {
        command.args(["--target", target]);
    }
    let platform = package["platforms"][0].as_str().unwrap();
    command
        .arg(format!("--platform={platform}"))
        .args(["-f", text("containerfile"), context]);
}

/// Returns the digest that is recorded of a package, in hex.
fn recorded(tree: &Path, package: &Value) -> String {
    let stage = package["stage"].as_str().unwrap();
    let file = tree.join("digests").join(format!("{stage}.txt"));
    let lines = fs::read_to_string(file).unwrap();
    let name = package["name"].as_str().unwrap();
    let of_package = |line: &&str| line.ends_with(&format!(" {name}"));
    let line = lines.lines().find(of_package).unwrap();
    line.split(' ').next().unwrap().to_owned()
}

/// Returns the digest of the first manifest of the index in a layout, as StageX's own tools find it.
fn digest(layout: &Path) -> String {
    let read = |path: &Path| -> Value { serde_json::from_slice(&fs::read(path).unwrap()).unwrap() };
    let first = |index: &Value| {
        let digest = index["manifests"][0]["digest"].as_str().unwrap();
        digest.strip_prefix("sha256:").unwrap().to_owned()
    };
    let index = first(&read(&layout.join("index.json")));
    first(&read(&layout.join("blobs/sha256").join(index)))
}
