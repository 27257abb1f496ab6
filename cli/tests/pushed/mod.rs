//! `stagex build` into a real registry: what is pushed, that its tag is moved and that is said, and what is left if it fails.

use std::fs;
use std::path::Path;

use libtest_mimic::Failed;

use crate::engines::expect;
use crate::schema::printed;
use crate::{Real, Scene};

/// An image is pushed, comes back as it was built, and the next one takes its tag.
pub(crate) fn to_a_registry(program: &Path) -> Result<(), Failed> {
    let scene = Scene::new();
    let data = tempfile::tempdir().unwrap();
    let registry = Real::start(program, data.path(), "")?;
    let context = scene.path().join("own");
    fs::create_dir(&context).unwrap();
    fs::write(context.join("Containerfile"), "FROM scratch\nCOPY f /\n").unwrap();
    let name = format!("{}/me/hello:1.0", registry.host);
    let output = format!("--output=type=registry,name={name}");
    let push = |platform: &str, text: &str| {
        fs::write(context.join("f"), text).unwrap();
        let words = ["--runtime", "native", "--format", "json", "build"];
        let more = [
            "--tag",
            "me/hello:1.0",
            &output,
            platform,
            "--iidfile=id",
            "own",
        ];
        scene.stagex(&[&words[..], &more].concat())
    };
    let mut before = String::new();
    for (number, platform) in ["linux/amd64", "linux/amd64", "linux/amd64,linux/386"]
        .into_iter()
        .enumerate()
    {
        let ran = push(&format!("--platform={platform}"), &format!("text {number}"));
        expect(ran.code == 0, &ran.stderr)?;
        let document = printed("build", &ran.stdout);
        let digest = document["digest"].as_str().unwrap().to_owned();
        let there = &document["outputs"][0];
        expect(
            there["kind"] == "registry" && there["destination"] == format!("{name}@{digest}"),
            &document.to_string(),
        )?;
        let moved = format!("{name} was {before} before");
        expect(ran.stderr.contains(&moved) == (number > 0), &ran.stderr)?;
        let back = format!("back-{number}");
        let ran = scene.stagex(&["pull", &name, "--output", &back]);
        expect(ran.code == 0 && ran.stdout.contains(&digest), &ran.stderr)?;
        before = digest;
    }
    // What is there is not sent again.
    let ran = push("--platform=linux/amd64,linux/386", "text 2");
    expect(
        ran.code == 0 && ran.stderr.contains("blobs: 0 sent") && !ran.stderr.contains("before"),
        &ran.stderr,
    )?;

    // Nothing is said of an image that did not arrive.
    drop(registry);
    fs::remove_file(scene.path().join("id")).unwrap();
    let ran = push("--platform=linux/amd64", "text 3");
    expect(
        ran.code == 5 && !scene.path().join("id").exists(),
        &format!("{}: {}", ran.code, ran.stderr),
    )
}
