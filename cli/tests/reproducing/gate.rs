//! The gate of the bootstrap: what two runtimes made otherwise is not built on.

use std::fs;

use libtest_mimic::{Failed, Trial};
use serde_json::Value;

use crate::engines::expect;
use crate::{BUSYBOX, Scene, put_busybox};

/// Two runtimes are needed: the one that is always here, and another.
pub(crate) fn of_two() -> Trial {
    let scene = Scene::new("native");
    let ran = scene.stagex(&["runtimes", "--format", "json"]);
    let document: Value = serde_json::from_slice(&ran.stdout).unwrap();
    let mut ready = document["runtimes"].as_object().unwrap().iter();
    let other = ready.find(|(name, of)| *name != &scene.runtime && of["ready"].is_object());
    let other = other.map(|(name, _)| name.clone());
    let is_here = other.is_some();
    let trial = Trial::test(
        "nothing_is_built_on_what_two_runtimes_made_otherwise",
        move || gate(&Scene::new(&other.ok_or("no second runtime is ready")?)),
    );
    if is_here {
        trial
    } else {
        trial
            .with_ignored_flag(true)
            .with_kind("no second runtime is ready")
    }
}

/// `make --prove-bootstrap` builds on what two runtimes made alike, and on nothing else.
fn gate(scene: &Scene) -> Result<(), Failed> {
    put_busybox(scene);
    let make = |words: &[&str]| {
        let runtimes = ["--runtime", "native", "--runtimes"];
        let first = ["make", "--format", "json", "--prove-bootstrap"];
        let ran = scene.stagex(&[&first, &runtimes[..], words].concat());
        let stderr = String::from_utf8_lossy(&ran.stderr).into_owned();
        let document: Value = serde_json::from_slice(&ran.stdout).unwrap_or_default();
        (ran.status.code().unwrap(), document, stderr)
    };
    let outcomes = |document: &Value| {
        let packages = document["packages"].as_array().into_iter().flatten();
        let outcome = |package: &Value| package["outcome"].as_str().unwrap_or_default().to_owned();
        packages.map(outcome).collect::<Vec<_>>()
    };
    let two = format!("native,{}", scene.runtime);
    for (words, said) in [
        (["native", "bootstrap-label"], "at least two"),
        ([&two, "core-box"], "nothing that is to be built"),
        ([&two, "clean"], "nothing is built here"),
    ] {
        let (code, _, stderr) = make(&words);
        expect(
            code == 2 && stderr.contains(said),
            &format!("{code}: {stderr}"),
        )?;
    }

    let (code, stderr) = {
        let words = [
            "reproduce",
            "--prove-bootstrap",
            "--runtimes",
            &two,
            "core-box",
        ];
        let ran = scene.stagex(&words);
        (
            ran.status.code(),
            String::from_utf8_lossy(&ran.stderr).into_owned(),
        )
    };
    let is_refused = code == Some(2) && stderr.contains("nothing that is to be built");
    expect(is_refused, &format!("{code:?}: {stderr}"))?;
    let (code, stderr) = {
        let ran = scene.stagex(&["reproduce", "--platform", "linux/386", "core-box"]);
        let stderr = String::from_utf8_lossy(&ran.stderr).into_owned();
        (ran.status.code().unwrap(), stderr)
    };
    expect(code == 2 && stderr.contains("has to begin with"), &stderr)?;

    // What both made is what is there: it is not built a third time, though everything is to be built again.
    let (code, found, stderr) = make(&[&two, "--no-cache", "bootstrap-label"]);
    let all_fresh = outcomes(&found).iter().all(|outcome| outcome == "fresh");
    expect(code == 0 && all_fresh, &format!("{code}: {found} {stderr}"))?;
    expect(stderr.contains("bootstrap proven"), &stderr)?;

    // They do not agree on one package of it: nothing is built, and it is said why.
    let odd = scene.path().join("packages/bootstrap/odd");
    fs::create_dir_all(&odd).unwrap();
    fs::copy(BUSYBOX, odd.join("busybox")).unwrap();
    fs::write(odd.join("package.toml"), "[package]\nname = \"odd\"\n").unwrap();
    let run = "FROM scratch\nCOPY busybox /bin/\n\
               RUN [\"/bin/busybox\", \"sh\", \"-c\", \"/bin/busybox cat /proc/sys/kernel/random/uuid > /o\"]\n";
    fs::write(odd.join("Containerfile"), run).unwrap();
    scene.package("on-odd", "FROM stagex/bootstrap-odd\nCOPY . /files\n");
    let (code, found, stderr) = make(&[&two, "core-on-odd"]);
    let none = outcomes(&found).iter().all(|outcome| outcome == "skipped");
    expect(code == 6 && none, &format!("{code}: {found} {stderr}"))?;
    let is_told = stderr.contains("bootstrap not proven") && stderr.contains("runtimes disagree");
    expect(is_told, &stderr)?;
    expect(
        !scene.path().join("out/bootstrap-odd").exists(),
        "an unproven image is in out/",
    )?;
    fs::remove_dir_all(odd).unwrap();
    fs::remove_dir_all(scene.path().join("packages/core/on-odd")).unwrap();
    Ok(())
}
