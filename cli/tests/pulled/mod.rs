//! Recorded images of several platforms are pulled one by one, and put together as they are built; what a network may
//! do another time is told from what is nowhere.

pub(crate) mod faults;
pub(crate) mod verified;

use std::fs;
use std::path::{Path, PathBuf};

use libtest_mimic::Failed;
use serde_json::Value;

use crate::engines::expect;
use crate::program::Ran;
use crate::server::{Server, answer};
use crate::{Scene, serve};

const BOTH: &str = "core-both";
const ON_BOTH: &str = "core-on-both";
const RECORDS: &str = "digests/core.txt";

fn write_packages(scene: &Scene) {
    let platforms = "platforms = [\"linux/amd64\", \"linux/386\"]\n";
    for (name, more, from) in [
        ("both", platforms, "scratch"),
        ("on-both", "", "stagex/core-both"),
    ] {
        let package = scene.path().join("packages/core").join(name);
        fs::create_dir(&package).unwrap();
        let manifest = format!("[package]\nname = \"{name}\"\n{more}");
        fs::write(package.join("package.toml"), manifest).unwrap();
        let containerfile = format!("FROM {from}\nCOPY package.toml /{name}\n");
        fs::write(package.join("Containerfile"), containerfile).unwrap();
    }
}

/// Returns the digest of what a layout has.
fn digest(layout: &Path) -> Value {
    let index = fs::read(layout.join("index.json")).unwrap();
    let index: Value = serde_json::from_slice(&index).unwrap();
    index["manifests"][0]["digest"].clone()
}

pub(crate) fn several_platforms() -> Result<(), Failed> {
    let other = Scene::new();
    write_packages(&other);
    for words in [
        &["--runtime", "native", "make", "--quiet", ON_BOTH][..],
        &["digests"],
    ] {
        let ran = other.stagex(words);
        expect(ran.code == 0, &ran.stderr)?;
    }
    let (layout, records) = (
        other.path().join("out").join(BOTH),
        other.path().join(RECORDS),
    );
    let recorded = fs::read_to_string(&records).unwrap();
    let of = |line: &str| {
        let mut lines = recorded.lines();
        let found = lines.find_map(|each| each.strip_suffix(line));
        found.unwrap().to_owned()
    };
    let first = of(&format!(" {BOTH}"));
    let second = of(&format!(" {BOTH} linux/386"));

    let scene = Scene::new();
    write_packages(&scene);
    fs::copy(&records, scene.path().join(RECORDS)).unwrap();
    let server = Server::start();
    let host = serve(&server, BOTH, &layout, &first);
    serve(&server, BOTH, &layout, &second);
    let manifest = format!("/v2/{BOTH}/manifests/sha256:{second}");
    let reproduce = |from: Option<&str>| -> Ran {
        let words = "reproduce --runtimes native --clean --against-record";
        let mut words: Vec<&str> = words.split(' ').chain([ON_BOTH]).collect();
        words.extend(from.into_iter().flat_map(|from| ["--from", from]));
        scene.stagex(&words)
    };
    let pulled = || -> Vec<PathBuf> {
        let entries = fs::read_dir(scene.path().join("out/.stagex/pulled")).unwrap();
        let paths = entries.map(|entry| entry.unwrap().path());
        paths.filter(|path| !path.ends_with(".stagex")).collect()
    };

    // A server that is busy has it another time, and one that does not have it never does.
    server.on(&manifest, [answer(503, &[("Retry-After", "100000")], b"")]);
    let ran = reproduce(Some(&host));
    let is_told = ran.stderr.contains("run the same command again");
    expect(
        ran.code == 5 && is_told,
        &format!("{}: {}", ran.code, ran.stderr),
    )?;
    expect(pulled().is_empty(), &format!("{:?}", pulled()))?;
    server.on(&manifest, [answer(404, &[], b"")]);
    let ran = reproduce(Some(&host));
    expect(ran.code == 7, &format!("{}: {}", ran.code, ran.stderr))?;
    expect(pulled().is_empty(), &format!("{:?}", pulled()))?;

    serve(&server, BOTH, &layout, &second);
    let ran = reproduce(Some(&host));
    expect(ran.code == 0, &ran.stderr)?;
    let found = pulled();
    expect(
        found.len() == 1 && digest(&found[0]) == digest(&layout),
        &format!("{found:?}"),
    )?;
    let asked = server.requests(&manifest).len();
    let ran = reproduce(None);
    expect(
        ran.code == 0 && server.requests(&manifest).len() == asked,
        &ran.stderr,
    )
}
