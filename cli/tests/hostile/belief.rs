//! What is in a tree is not believed: one that was copied, moved or restored, or that another user has
//! built, is built again, and it is said why.

use std::fs::{self, File};
use std::os::fd::AsRawFd as _;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use libtest_mimic::Failed;
use serde_json::Value;

use crate::engines::expect;
use crate::{Scene, path, run};

/// Neither the place nor the secret is another one, only who builds.
pub(crate) fn another_uid_believes_nothing() -> Result<(), Failed> {
    let mut scene = Scene::new();
    scene.remember();
    let (is_built, said) = scene.run(&["--runtime", "native", "make", "core-a"])?;
    expect(is_built, &said)?;
    let words = ["make", "--dry-run", "--explain", "core-a"];
    let (_, same) = scene.run(&words)?;
    run(
        "chown",
        &["-R", "65534:65534", path(scene.temporary.path())],
    )?;
    // However closed the directory is in which the program lies.
    let program = File::open(env!("CARGO_BIN_EXE_stagex"))?;
    let program = format!("/proc/self/fd/{}", program.as_raw_fd());
    let mut other = Command::new(program);
    let described = scene.command(&words);
    other.args(described.get_args()).current_dir(&scene.clone);
    for (name, value) in described.get_envs() {
        other.env(name, value.unwrap_or_default());
    }
    let output = other.uid(65534).gid(65534).output()?;
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    let why = "its record was made elsewhere, by another user";
    expect(!same.contains(why), &same)?;
    expect(said.contains(why), &said)
}

/// A way in which a tree, or what was built in it, comes to be somewhere.
type Journey = fn(&mut Scene) -> Result<(), Failed>;

pub(crate) fn nothing_that_was_copied_is_believed(runtime: &str) -> Result<(), Failed> {
    let journeys: [(&str, Journey); 6] = [
        ("copied", |scene| {
            let copy = scene.clone.with_file_name("copy");
            run("cp", &["-a", path(&scene.clone), path(&copy)])?;
            scene.clone = copy;
            Ok(())
        }),
        ("moved", |scene| {
            let moved = scene.clone.with_file_name("moved");
            fs::rename(&scene.clone, &moved)?;
            scene.clone = moved;
            Ok(())
        }),
        ("used in a worktree", |scene| {
            let (tree, out) = (
                scene.clone.with_file_name("worktree"),
                scene.clone.join("out"),
            );
            let git = |words: &[&str]| {
                let identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"];
                run(
                    "git",
                    &[&["-C", path(&scene.clone)], &identity[..], words].concat(),
                )
            };
            git(&["init", "--quiet"])?;
            git(&["add", "packages"])?;
            git(&["commit", "--quiet", "--message", "a"])?;
            git(&["worktree", "add", "--quiet", path(&tree)])?;
            run("cp", &["-a", path(&out), path(&tree)])?;
            scene.clone = tree;
            Ok(())
        }),
        ("restored from a cache", |scene| {
            let (out, cache) = (scene.clone.join("out"), scene.clone.with_file_name("cache"));
            run("cp", &["-a", path(&out), path(&cache)])?;
            fs::remove_dir_all(&out)?;
            fs::rename(&cache, &out)?;
            Ok(())
        }),
        ("used by another user", |scene| {
            scene.own = scene.own.with_file_name("own of another");
            Ok(())
        }),
        ("edited", |scene| {
            let record = scene.clone.join("out/.stagex/records/core-a.json");
            let text = fs::read_to_string(&record)?;
            fs::write(
                &record,
                text.replacen(": \"native\"", ": \"other\"", 1) + "\n",
            )?;
            Ok(())
        }),
    ];
    // Who believes what is the same with each runtime.
    let count = if runtime == "native" {
        journeys.len()
    } else {
        1
    };
    for (name, journey) in &journeys[..count] {
        let mut scene = Scene::new();
        scene.remember();
        let outcome = |scene: &Scene| -> Result<Value, Failed> {
            let words = ["--runtime", runtime, "--format", "json", "make", "core-a"];
            let output = scene.command(&words).output()?;
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            let mut made: Value = serde_json::from_slice(&output.stdout)
                .map_err(|error| format!("{error}: {said}"))?;
            let mut package = made["packages"][0].take();
            package["said"] = said.into();
            Ok(package)
        };
        let first = outcome(&scene)?;
        expect(outcome(&scene)?["outcome"] == "fresh", "it is built twice")?;
        journey(&mut scene)?;
        let words = ["--runtime", runtime, "make", "-n", "--explain", "core-a"];
        let (_, explained) = scene.run(&words)?;
        let why = "its record was made elsewhere";
        expect(explained.contains(why), &format!("{name}: {explained}"))?;
        let again = outcome(&scene)?;
        let is_built = again["outcome"] == "built" && again["digest"] == first["digest"];
        expect(is_built, &format!("{name}: {again}"))?;
        let said = again["said"].as_str().unwrap().contains(why);
        let reason = &again["reasons"][0]["reason"];
        expect(said && reason == "unproven", &format!("{name}: {again}"))?;
        expect(
            outcome(&scene)?["outcome"] == "fresh",
            &format!("{name}: built again twice"),
        )?;
    }
    Ok(())
}
