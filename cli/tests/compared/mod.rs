//! `stagex diff`: which images a name stands for, how it ends, and what it prints.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use sha2::{Digest as _, Sha256};

use crate::program::{sample, stagex};
use crate::schema::printed;

/// Makes an OCI layout of an image without layers. Returns the path of its config.
fn layout(path: &Path, variable: &str) -> std::path::PathBuf {
    let blobs = path.join("blobs/sha256");
    fs::create_dir_all(&blobs).unwrap();
    let write = |kind: &str, text: &str| {
        let hex = printable::hex(&Sha256::digest(text));
        fs::write(blobs.join(&hex), text).unwrap();
        let size = text.len();
        let descriptor = format!(
            r#"{{"mediaType":"application/vnd.oci.image.{kind}.v1+json","digest":"sha256:{hex}","size":{size}}}"#
        );
        (blobs.join(hex), descriptor)
    };
    let config = format!(
        r#"{{"architecture":"amd64","os":"linux","config":{{"Env":["{variable}"]}},"rootfs":{{"type":"layers","diff_ids":[]}}}}"#
    );
    let (place, config) = write("config", &config);
    let manifest = format!(r#"{{"schemaVersion":2,"config":{config},"layers":[]}}"#);
    let (_, manifest) = write("manifest", &manifest);
    let index = format!(r#"{{"schemaVersion":2,"manifests":[{manifest}]}}"#);
    fs::write(path.join("index.json"), index).unwrap();
    place
}

#[test]
fn an_image_is_named_by_its_package_by_its_runtime_and_by_its_path() {
    let tree = sample();
    let root = tree.path();
    layout(&root.join("out/core-musl"), "A=1");
    layout(&root.join("out/.stagex/reproduced/native/core-musl"), "A=1");
    layout(
        &root.join("out/.stagex/reproduced/native/core-musl@2"),
        "A=2",
    );
    let path = root.join("other");
    let config = layout(&path, "A=1");
    let path = path.to_str().unwrap();
    for (right, code) in [
        ("core-musl", 0),
        ("core-musl@native", 0),
        ("core-musl@2@native", 6),
        (path, 0),
    ] {
        let ran = stagex(root, &["diff", "core-musl", right]);
        assert_eq!(ran.code, code, "{right}: {}", ran.stderr);
        let verdict = if code == 0 { "equal" } else { "differ" };
        assert!(ran.stdout.starts_with(verdict), "{}", ran.stdout);
        assert!(!ran.stdout.contains('\u{1b}'), "{}", ran.stdout);
    }
    let words = [
        "diff",
        "--format",
        "json",
        "core-musl",
        "core-musl@2@native",
    ];
    let ran = stagex(root, &words);
    let diff = printed("diff", &ran.stdout);
    assert_eq!(diff["first"]["what"], ".config.Env[0]");
    assert_eq!(diff["classes"][0]["class"], "config");
    let page = root.join("page.html");
    let words = [
        "diff",
        "--html",
        page.to_str().unwrap(),
        "core-musl",
        "core-musl@2@native",
    ];
    let ran = stagex(root, &words);
    assert_eq!(ran.code, 6, "{}", ran.stderr);
    assert!(fs::read_to_string(page).unwrap().contains(".config.Env[0]"));
    fs::write(config, "{}").unwrap();
    let ran = stagex(root, &["diff", "core-musl", path]);
    assert_eq!(ran.code, 5, "{}", ran.stderr);
    assert!(ran.stderr.contains("was changed"), "{}", ran.stderr);
}

#[test]
fn an_image_that_is_not_there_is_said_with_what_to_name() {
    let tree = sample();
    layout(&tree.path().join("out/core-musl"), "A=1");
    for (name, said) in [
        ("core-make", "there is no image `core-make`"),
        (
            "core-musl@podman",
            "there is no image `core-musl` that podman reproduced",
        ),
        (
            "core-musl@2@podman",
            "`stagex reproduce --runtimes podman core-musl` makes it",
        ),
        (
            "images/core@v2.tar",
            "there is no image `images/core@v2.tar`",
        ),
        ("./no/such", "there is no image `./no/such`"),
        ("/etc/passwd", "is not an image"),
        ("/etc", "is not an image"),
        ("localhost/core-musl@sha256:0", "sha256:0"),
    ] {
        let ran = stagex(tree.path(), &["diff", "core-musl", name]);
        assert_eq!(ran.code, 2, "{name}: {}", ran.stderr);
        assert!(ran.stderr.contains(said), "{name}: {}", ran.stderr);
        assert!(ran.stderr.contains("hint:"), "{name}: {}", ran.stderr);
    }
    for words in [
        &["diff", "core-musl"][..],
        &["diff", "--strict", "--semantic", "a", "b"],
    ] {
        assert_eq!(stagex(tree.path(), words).code, 2);
    }
}

#[test]
fn no_link_in_a_tree_decides_which_image_is_read() {
    let tree = sample();
    let elsewhere = tempfile::tempdir().unwrap();
    layout(elsewhere.path(), "SECRET=1");
    fs::create_dir(tree.path().join("out")).unwrap();
    symlink(elsewhere.path(), tree.path().join("out/core-musl")).unwrap();
    let ran = stagex(tree.path(), &["diff", "core-musl", "core-musl"]);
    assert_eq!(ran.code, 5, "{}", ran.stderr);
    assert!(ran.stderr.contains("symbolic link"), "{}", ran.stderr);
}
