//! Where a built image goes besides an archive: each output of `stagex build`, and what is refused before anything is built.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use camino::Utf8Path;
use libtest_mimic::Failed;
use serde_json::Value;

use crate::engines::{self, expect};
use crate::{TARGET, build_arguments, digest, recorded};

/// What the image is called.
const NAME: &str = "stagex/core-filesystem";

/// Runs `stagex build` of the target with these outputs.
fn ran(
    tree: &Path,
    (runtime, more): (&str, &[&str]),
    package: &Value,
    outputs: &[&str],
) -> (i32, Value, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stagex"));
    command
        .current_dir(tree)
        .args(["--runtime", runtime, "--format", "json"])
        .args(more)
        .arg("build")
        .args(outputs);
    build_arguments(&mut command, package);
    let ran = command.stdin(Stdio::null()).output().unwrap();
    let document = serde_json::from_slice(&ran.stdout).unwrap_or_default();
    let said = String::from_utf8_lossy(&ran.stderr).into_owned();
    (ran.status.code().unwrap(), document, said)
}

/// One build goes everywhere at once, and is the recorded image there.
pub(crate) fn everywhere(
    tree: &Path,
    runtime: &str,
    program: &Utf8Path,
    package: &Value,
) -> Result<(), Failed> {
    let hex = recorded(tree, package);
    let has_store = engines::has_store(program);
    let version = package["version"].as_str().unwrap_or("latest");
    let mut outputs = vec![
        "--output=type=oci,dest=image.tar",
        "--output=type=oci,tar=false,dest=image",
        "--output=type=docker,dest=docker.tar",
        "-o",
        "files",
        "--iidfile=id",
        "--metadata-file=metadata.json",
    ];
    if has_store {
        outputs.push("--load");
    }
    let (code, document, said) = ran(tree, (runtime, &[]), package, &outputs);
    expect(code == 0, &said)?;
    expect(
        document["digest"] == format!("sha256:{hex}"),
        &document.to_string(),
    )?;
    let kinds = ["archive", "layout", "docker-archive", "files", "store"];
    let expected = kinds.iter().take(4 + usize::from(has_store));
    let told = document["outputs"].as_array().unwrap().iter();
    expect(
        told.map(|output| output["kind"].as_str().unwrap())
            .eq(expected.copied()),
        &document.to_string(),
    )?;

    // The archives have the layout, byte for byte.
    for archive in ["image.tar", "docker.tar"] {
        let unpacked = tree.join(format!("of-{archive}"));
        fs::create_dir(&unpacked).unwrap();
        let tar = Command::new("tar")
            .arg("-C")
            .arg(&unpacked)
            .arg("-xf")
            .arg(tree.join(archive))
            .status();
        expect(tar.unwrap().success(), archive)?;
        let same = Command::new("diff")
            .args(["-r", "--exclude=manifest.json"])
            .args([&tree.join("image"), &unpacked])
            .status();
        expect(same.unwrap().success(), archive)?;
        expect(digest(&unpacked) == hex, archive)?;
    }
    let id = fs::read_to_string(tree.join("id")).unwrap();
    let config = id.strip_prefix("sha256:").unwrap();
    let read = |path: &Path| -> Value {
        serde_json::from_slice(&fs::read(tree.join(path)).unwrap()).unwrap()
    };
    let listed = read(Path::new("of-docker.tar/manifest.json"));
    let listed = &listed[0];
    expect(
        listed["Config"] == format!("blobs/sha256/{config}")
            && listed["RepoTags"][0] == format!("{NAME}:{version}"),
        &listed.to_string(),
    )?;
    let metadata = read(Path::new("metadata.json"));
    for (key, value) in [
        ("containerimage.digest", format!("sha256:{hex}")),
        ("containerimage.config.digest", id.clone()),
        ("image.name", format!("{NAME}:{version}")),
    ] {
        expect(metadata[key] == value, &metadata.to_string())?;
    }
    are_files(&tree.join("files"))?;
    if has_store {
        is_in_store(program, &format!("{NAME}:{version}"), config)?;
        another_image_is_noticed(tree, (runtime, program), package)?;
    }
    Ok(())
}

/// The files are the image's, and nobody's but ours.
fn are_files(files: &Path) -> Result<(), Failed> {
    let passwd = fs::read_to_string(files.join("etc/passwd")).unwrap();
    expect(passwd.starts_with("root:x:0:0:"), &passwd)?;
    let link = fs::read_link(files.join("bin")).unwrap();
    expect(link == Path::new("usr/bin"), &link.to_string_lossy())?;
    let mode = |name: &str| {
        let status = fs::symlink_metadata(files.join(name)).unwrap();
        status.permissions().mode() & 0o7777
    };
    let modes = [mode("root"), mode("tmp"), mode("usr"), mode("")];
    expect(
        modes == [0o700, 0o1777, 0o755, 0o755],
        &format!("{modes:?}"),
    )
}

/// The engine's store has the image, and the digests that the engine has for it are the image's.
fn is_in_store(program: &Utf8Path, name: &str, config: &str) -> Result<(), Failed> {
    let ask = |words: &[&str]| Command::new(program).args(words).output().unwrap();
    let found = ask(&["inspect", "--type", "image", name]);
    let said = String::from_utf8_lossy(&found.stdout).into_owned();
    expect(found.status.success() && said.contains(config), &said)?;
    let removed = ask(&["rmi", name]);
    expect(removed.status.success(), "it cannot be removed")
}

/// An engine that says that it has another image is not believed.
fn another_image_is_noticed(
    tree: &Path,
    (runtime, program): (&str, &Utf8Path),
    package: &Value,
) -> Result<(), Failed> {
    let wrapper = tree.join("wrapper");
    let other = "0".repeat(64);
    let real = which::which(program).unwrap();
    let text = format!(
        "#!/bin/sh\nfor word; do\n  [ \"$word\" = inspect ] && {{ echo sha256:{other} sha256:{other}; exit; }}\ndone\n\
         exec {} \"$@\"\n",
        real.display()
    );
    fs::write(&wrapper, text).unwrap();
    fs::set_permissions(&wrapper, fs::Permissions::from_mode(0o755)).unwrap();
    let engine = format!("{runtime}={}", wrapper.display());
    let words = ["--engine", &engine];
    let (code, _, said) = ran(
        tree,
        (runtime, &words),
        package,
        &["--load", "--iidfile=no"],
    );
    let version = package["version"].as_str().unwrap_or("latest");
    let name = format!("{NAME}:{version}");
    // What it has is the right one, whatever it says.
    let _ = Command::new(program).args(["rmi", &name]).output();
    expect(
        code == 6 && said.contains(&other) && !tree.join("no").exists(),
        &format!("{code}: {said}"),
    )
}

/// What cannot be is refused before anything is built, and nothing is written.
pub(crate) fn refused(tree: &Path, runtime: &str, package: &Value) -> Result<(), Failed> {
    assert_eq!(package["name"], TARGET);
    let log = tree.join("out/.stagex/logs/core-filesystem.log");
    fs::remove_file(&log).unwrap();
    fs::create_dir(tree.join("full")).unwrap();
    fs::write(tree.join("full/file"), "precious").unwrap();
    let iid = "--iidfile=late";
    for (outputs, said) in [
        (&[iid][..], "--output is missing"),
        (&[iid, "-o", "full"], "is not an empty directory"),
        (&[iid, "--output=type=native"], "cannot import images"),
        (
            &[iid, "-o", "a", "--metadata-file=late"],
            "two outputs go to `late`",
        ),
        (
            &[
                iid,
                "--output=type=oci,tar=false,dest=a",
                "--output=type=oci,tar=false,dest=b",
            ],
            "expected one --output with tar=false",
        ),
        (
            &[iid, "-o", "a", "--platform=linux/amd64,linux/386"],
            "type=local takes an image for one platform",
        ),
        (&["--iidfile=no/where", "-o", "a"], "there is no directory"),
    ] {
        let (code, _, stderr) = ran(tree, (runtime, &[]), package, outputs);
        expect(
            code == 2 && stderr.contains(said) && !log.exists() && !tree.join("late").exists(),
            &format!("{outputs:?}: {code}: {stderr}"),
        )?;
    }
    // A build that fails says nothing of an image.
    let failing = [iid, "-o", "a", "--target=nothing"];
    let (code, _, said) = ran(tree, (runtime, &[]), package, &failing);
    expect(
        code != 0 && !tree.join("late").exists() && !tree.join("a").exists(),
        &said,
    )
}
