//! What does not come out the same as it is recorded: how that is said, compared and reported.

pub(crate) mod browser;
pub(crate) mod faults;
pub(crate) mod gate;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use libtest_mimic::Failed;

use crate::Scene;
use crate::engines::{expect, variable};

/// Returns a tree whose package `core-note` is recorded, and was reproduced otherwise.
fn reproduced_otherwise() -> Result<Scene, Failed> {
    let scene = Scene::new("native");
    scene.package("note", "FROM scratch\nCOPY note /\n");
    let note = scene.path().join("packages/core/note/note");
    fs::write(&note, "built by root@one\n").unwrap();
    for words in [
        &["--runtime", "native", "make", "core-note"][..],
        &["digests"],
    ] {
        let ran = scene.stagex(words);
        expect(ran.status.success(), &text(&ran.stderr))?;
    }
    fs::write(&note, "built by root@two\n").unwrap();
    let ran = scene.stagex(&["reproduce", "--runtimes", "native", "core-note"]);
    let said = "hint: `stagex diff core-note core-note@native`";
    let stderr = text(&ran.stderr);
    expect(
        ran.status.code() == Some(6) && stderr.contains(said),
        &stderr,
    )?;
    Ok(scene)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// How an image differs is said, also on a page of a report, and what probably caused it.
pub(crate) fn differs() -> Result<(), Failed> {
    let scene = reproduced_otherwise()?;
    let ran = scene.stagex(&["diff", "core-note", "core-note@native"]);
    let stdout = text(&ran.stdout);
    for said in ["layer 1, note: contents", "-built by root@one", "host name"] {
        expect(stdout.contains(said), &format!("{said}: {stdout}"))?;
    }
    expect(ran.status.code() == Some(6), &stdout)?;

    // Another program that looks at files is not told where engines and agents are.
    let programs = scene.path().join("programs");
    fs::create_dir(&programs)?;
    let program = programs.join("diffoscope");
    fs::write(
        &program,
        "#!/bin/sh\necho It sees:\nenv | sed 's/=.*//'\nexit 1\n",
    )?;
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755))?;
    let mut command = scene.command(&["diff", "--diffoscope", "core-note", "core-note@native"]);
    let path = variable("PATH").unwrap_or_default();
    command.env("PATH", format!("{}:{path}", programs.display()));
    let hidden = [
        "XDG_RUNTIME_DIR",
        "DOCKER_HOST",
        "CONTAINER_HOST",
        "SSH_AUTH_SOCK",
    ];
    for name in hidden {
        command.env(name, "/nonexistent");
    }
    let stdout = text(&command.output()?.stdout);
    let is_seen = |name: &&str| stdout.contains(*name);
    expect(
        ["It sees:", "TMPDIR", "PATH"].iter().all(is_seen) && !hidden.iter().any(is_seen),
        &stdout,
    )?;

    let place = scene.path().join("site");
    let ran = scene.stagex(&["report", place.to_str().unwrap()]);
    expect(ran.status.success(), &text(&ran.stderr))?;
    let page = fs::read_to_string(place.join("diff/core-note@native.html"))?;
    expect(
        page.contains("root@two") && page.contains("host name"),
        &page,
    )?;
    let page = fs::read_to_string(place.join("package/core-note.html"))?;
    expect(page.contains("diff/core-note@native.html"), &page)?;
    // An image that was damaged is warned of, and the report has all the rest.
    let made = scene.path().join("out/.stagex/reproduced/native/core-note");
    let index = made.join("index.json");
    let whole = fs::read_to_string(&index)?;
    fs::write(&index, "{")?;
    let ran = scene.stagex(&["report", place.to_str().unwrap()]);
    let stderr = text(&ran.stderr);
    expect(ran.status.success(), &stderr)?;
    let said = "warning: core-note@native cannot be compared with the recorded image: ";
    expect(
        stderr.matches(said).count() == 1
            && stderr.contains("is damaged")
            && stderr.contains("hint:")
            && !stderr.contains("error:"),
        &stderr,
    )?;
    let ran = scene.stagex(&["report", "--quiet", place.to_str().unwrap()]);
    expect(
        ran.status.success() && ran.stderr.is_empty(),
        "it is not quiet",
    )?;
    fs::write(&index, whole)?;
    // What is in out/ is another image now: nothing is compared with it.
    let ran = scene.stagex(&["--runtime", "native", "make", "core-note"]);
    expect(ran.status.success(), &text(&ran.stderr))?;
    let ran = scene.stagex(&["report", place.to_str().unwrap()]);
    expect(ran.status.success(), &text(&ran.stderr))?;
    expect(
        !place.join("diff/core-note@native.html").exists(),
        "an image was compared that is not the recorded one",
    )
}

/// What diffoscope itself says is shown.
pub(crate) fn by_diffoscope(_: &Path) -> Result<(), Failed> {
    let scene = reproduced_otherwise()?;
    let ran = scene.stagex(&["diff", "--diffoscope", "core-note", "core-note@native"]);
    let stdout = text(&ran.stdout);
    let is_said = ["right/note", "@@ -1 +1 @@"]
        .iter()
        .all(|said| stdout.contains(said));
    expect(is_said, &format!("{stdout} {}", text(&ran.stderr)))
}

/// A tree may be named by a path from where the user is.
pub(crate) fn named_from_elsewhere() -> Result<(), Failed> {
    let scene = Scene::new("native");
    for words in [
        &["--runtime", "native", "make", "bootstrap-label"][..],
        &["reproduce", "--runtimes", "native", "bootstrap-label"],
    ] {
        let mut stagex = Command::new(env!("CARGO_BIN_EXE_stagex"));
        let path = scene.path();
        let ran = stagex
            .current_dir(path.parent().unwrap())
            .arg("-C")
            .arg(path.file_name().unwrap())
            .args(words)
            .env("XDG_STATE_HOME", path.join("state"))
            .env_remove("STAGEX_OUT")
            .output()?;
        let stderr = String::from_utf8_lossy(&ran.stderr);
        expect(ran.status.success(), &stderr)?;
    }
    Ok(())
}
