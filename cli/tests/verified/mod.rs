//! What `stagex verify` compares of each image: each platform of a package, what lies in `out/`, and what this machine has
//! reproduced.

use std::fs;
use std::path::Path;

use camino::Utf8Path;
use ledger::Ledger;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use state::Secret;

use crate::{DIGEST, MATERIAL, OTHER, Scene};

/// Makes a layout with an image without layers for each architecture. Returns the digests of their manifests.
fn layout(path: &Path, architectures: &[&str]) -> Vec<String> {
    let blobs = path.join("blobs/sha256");
    fs::create_dir_all(&blobs).unwrap();
    let write = |kind: &str, value: &Value| {
        let text = value.to_string();
        let hex = printable::hex(&Sha256::digest(&text));
        fs::write(blobs.join(&hex), &text).unwrap();
        let kind = format!("application/vnd.oci.image.{kind}.v1+json");
        let digest = format!("sha256:{hex}");
        json!({ "mediaType": kind, "digest": digest, "size": text.len() })
    };
    let images = architectures.iter().map(|architecture| {
        let layers = json!({ "type": "layers", "diff_ids": [] });
        let config = json!({ "architecture": architecture, "os": "linux", "rootfs": layers });
        let config = write("config", &config);
        let manifest = json!({ "schemaVersion": 2, "config": config, "layers": [] });
        write("manifest", &manifest)
    });
    let images: Vec<Value> = images.collect();
    let index = json!({ "schemaVersion": 2, "manifests": images });
    fs::write(path.join("index.json"), index.to_string()).unwrap();
    let digests = images.iter().map(|image| image["digest"].as_str().unwrap());
    digests
        .map(|digest| digest.replace("sha256:", ""))
        .collect()
}

#[test]
fn each_platform_of_a_package_is_verified() {
    let scene = Scene::new();
    scene.with_platforms(DIGEST, OTHER);
    let (code, images) = scene.verify_all(&["core-musl"]);
    assert_eq!(code, 8);
    assert_eq!(images.as_array().unwrap().len(), 2);
    assert_eq!(images[0].get("platform"), None);
    assert_eq!(images[0]["verified"], true);
    assert_eq!(images[1]["platform"], "linux/arm64");
    assert_eq!(
        (&images[1]["verified"], &images[1]["missing"]),
        (&false.into(), &2.into())
    );
    let verify = ["verify", "--policy", &scene.policy(), "core-musl"];
    let ran = scene.run(&verify);
    assert!(
        ran.stderr.ends_with("0 of 1 package verified\n"),
        "{}",
        ran.stderr
    );

    scene.sign(OTHER, &MATERIAL.others);
    let ran = scene.run(&verify);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(
        ran.stdout,
        "verified     core-musl 070707070707 signed by Ada, Bob\n\
         verified     core-musl linux/arm64 090909090909 signed by Ada, Bob\n"
    );
    assert!(
        ran.stderr.ends_with("1 of 1 package verified\n"),
        "{}",
        ran.stderr
    );

    let out = scene.tree.path().join("out/core-musl");
    let built = layout(&out, &["amd64", "arm64"]);
    scene.with_platforms(&built[0], OTHER);
    let (code, images) = scene.verify_all(&["core-musl"]);
    assert_eq!((code, &images[0]["problems"]), (8, &json!([])));
    let another = format!("the image in out/ has another digest, sha256:{}", built[1]);
    assert_eq!(images[1]["problems"], json!([another]));
    assert_eq!(images[1]["verified"], false);
    assert_eq!(images[1]["people"], json!(["Ada", "Bob"]));

    scene.in_tree(
        "digests/core.txt",
        format!("{DIGEST} core-musl\n").as_bytes(),
    );
    fs::remove_dir_all(out).unwrap();
    let (code, images) = scene.verify_all(&["core-musl"]);
    assert_eq!((code, &images[0]["verified"]), (8, &true.into()));
    assert_eq!(images[1]["digest"], Value::Null);
    assert_eq!(
        images[1]["problems"],
        json!(["no digest is recorded in digests/"])
    );
}

#[test]
fn what_this_machine_has_reproduced_is_said_of_each_platform() {
    let scene = Scene::new();
    scene.with_platforms(DIGEST, OTHER);
    let state = scene.tree.path().join("state/stagex");
    let state = Utf8Path::from_path(&state).unwrap();
    let secret = Secret::read_or_make(state).unwrap();
    let mut ledger = Ledger::open(state, &secret).unwrap();
    let attempt = json!({
        "version": 1,
        "reproduction": "0123456789abcdef",
        "package": "core-musl",
        "platform": "linux/arm64",
        "key": null,
        "profile": "stagex-2026",
        "tree": { "commit": null, "dirty": false },
        "runtime": { "name": "native", "version": "1" },
        "machine": {
            "kernel": "6",
            "architecture": "x86_64",
            "cpu_vendor": "",
            "cpu_model": "",
            "processors": 1
        },
        "stagex": "0.1.0",
        "started": "2026-01-01T00:00:00Z",
        "seconds": 1.5,
        "dependencies": "built",
        "materials": [],
        "rounds": [],
        "recorded": format!("sha256:{OTHER}"),
        "digest": format!("sha256:{OTHER}"),
        "verdict": "reproduced",
        "log": null
    });
    let attempt = serde_json::from_value(attempt).unwrap();
    ledger.append(&[attempt]).unwrap();
    let (_, images) = scene.verify_all(&["core-musl"]);
    assert_eq!(images[0]["reproduced"], false);
    assert_eq!(images[1]["reproduced"], true);
    // It was another image, whatever its digest.
    scene.with_platforms(OTHER, DIGEST);
    let (_, images) = scene.verify_all(&["core-musl"]);
    assert_eq!(images[0]["reproduced"], false);
    assert_eq!(images[1]["reproduced"], false);
}

#[test]
fn a_damaged_image_is_a_problem_of_its_package_alone() {
    let scene = Scene::new();
    let out = scene.tree.path().join("out/core-make");
    let built = layout(&out, &["amd64"]).swap_remove(0);
    fs::write(out.join("blobs/sha256").join(&built), "{}").unwrap();
    let lines = format!("{built} core-make\n{DIGEST} core-musl\n");
    scene.in_tree("digests/core.txt", lines.as_bytes());
    let (code, packages) = scene.verify_all(&["core-make", "core-musl"]);
    assert_eq!(code, 8);
    assert_eq!(
        (&packages[0]["name"], &packages[0]["verified"]),
        (&"core-musl".into(), &true.into())
    );
    assert_eq!(packages[0]["problems"], json!([]));
    let problem = packages[1]["problems"][0].as_str().unwrap();
    assert!(
        problem.starts_with("the image in out/ cannot be read: ") && problem.contains(&built),
        "{problem}"
    );
    assert_eq!(packages[1]["verified"], false);
}
