//! Images of one's own on those of packages: a digest that enough people have signed is built on, and nothing else.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::released::believe;
use crate::signing::{Person, Scene, text};

const LABEL: &str = "bootstrap-label";

/// What the image is called, where it goes, and a registry that nothing listens as.
const WORDS: [&str; 6] = [
    "--tag",
    "me/own:1",
    "--output",
    "type=oci,dest=own.tar",
    "--from",
    "127.0.0.1:1/x",
];

/// A directory of somebody's own, which is no tree. The signatures are a tree's.
struct Own<'a> {
    scene: &'a Scene,
    path: PathBuf,
}

impl<'a> Own<'a> {
    fn new(scene: &'a Scene) -> Self {
        let path = scene.outside.path().join("own");
        fs::create_dir(&path).unwrap();
        let settings = scene.outside.path().join(".config/stagex/stagex.toml");
        let before = fs::read_to_string(&settings).unwrap();
        let signatures = scene.path().join("signatures");
        let place = format!("signatures = \"{}\"\n", signatures.display());
        fs::write(&settings, before + &place).unwrap();
        fs::create_dir(&signatures).unwrap();
        Self { scene, path }
    }

    /// Writes a Containerfile on a base.
    fn on(&self, reference: &str) {
        let lines = format!("# mine\nFROM {reference} AS base\nENV OWN=1\n");
        fs::write(self.path.join("Containerfile"), lines).unwrap();
    }

    fn build(&self, words: &[&str]) -> (i32, String, String) {
        let first = ["--runtime", "native", "build"];
        let words = [&first, words, &["."]].concat();
        let mut stagex = self.scene.command_in(&self.path, None, &words);
        let ran = stagex.output().unwrap();
        (
            ran.status.code().unwrap(),
            text(&ran.stdout),
            text(&ran.stderr),
        )
    }

    fn refused(&self, code: i32, expected: &str) {
        let (ended, _, said) = self.build(&WORDS);
        assert!(
            ended == code && said.contains(expected) && said.contains("hint:"),
            "{expected}: {ended}: {said}"
        );
        assert!(!self.path.join("own.tar").exists(), "{expected}");
    }

    /// Puts an image where one would be pulled to.
    fn put(&self, package: &str, hex: &str) -> PathBuf {
        let of_native = "out/.stagex/reproduced/native";
        let made = self.scene.path().join(of_native).join(package);
        let pulled = self.path.join("out/.stagex/pulled").join(hex);
        let _ = fs::remove_dir_all(&pulled);
        fs::create_dir_all(pulled.parent().unwrap()).unwrap();
        let ran = Command::new("cp").arg("-R").args([&made, &pulled]).status();
        assert!(ran.unwrap().success());
        pulled
    }
}

#[test]
fn an_image_is_built_on_what_enough_people_have_signed() {
    let (scene, ann, ben) = (Scene::new(), Person::new("ann"), Person::new("ben"));
    let mallory = Person::new("mallory");
    scene.reproduce(&[LABEL, "bootstrap-seed"]);
    believe(&scene, [&ann, &ben], &mallory, "");
    let recorded = fs::read_to_string(scene.path().join("digests/bootstrap.txt")).unwrap();
    let digest = |name: &str| {
        let mut lines = recorded.lines();
        let line = lines.find(|line| line.ends_with(&format!(" {name}")));
        line.unwrap().split(' ').next().unwrap().to_owned()
    };
    let (hex, other) = (digest(LABEL), digest("bootstrap-seed"));
    let own = Own::new(&scene);
    own.on("stagex/bootstrap-label");
    own.refused(8, "names no digest");
    let pinned = format!("stagex/{LABEL}:1.0@sha256:{hex}");
    own.on(&pinned);
    own.refused(8, "signed by nobody who counts; 2 missing");
    for (person, missing) in [
        (&mallory, "2 missing"),
        (&ann, "signed by Person 0; 1 missing"),
    ] {
        assert_eq!(scene.sign(person, &[LABEL]).0, 0);
        own.refused(8, missing);
    }
    assert_eq!(scene.sign(&ben, &[LABEL]).0, 0);
    own.refused(5, "is not there");
    // Two have signed another version of it.
    own.on(&format!("stagex/{LABEL}:2.0@sha256:{hex}"));
    own.refused(8, "2.0");
    // Another package's digest.
    own.on(&format!("stagex/{LABEL}@sha256:{other}"));
    own.refused(8, "nobody who counts");
    own.on(&pinned);

    // What lies where it would be pulled to is not believed.
    own.put("bootstrap-seed", &hex);
    own.refused(5, "is not there");
    let pulled = own.put(LABEL, &hex);
    let (code, built, said) = own.build(&WORDS);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("signed by Person 0, Person 1"), "{said}");
    assert!(built.ends_with(" own\n"), "{built}");
    // It is the image that comes out where the same base is given by hand.
    let context = format!("{pinned}=oci-layout://{}", pulled.display());
    let by_hand = ["--build-context", &context];
    let (code, again, said) = own.build(&[&WORDS[..4], &by_hand[..]].concat());
    assert_eq!((code, again), (0, built), "{said}");

    // Where nothing is open, nothing is written.
    let (code, locked, said) = own.build(&["--lock"]);
    assert_eq!((code, locked.as_str()), (0, ""), "{said}");
    assert!(
        said.contains("no image of StageX without a digest"),
        "{said}"
    );
}

#[test]
fn what_enough_people_have_signed_is_taken_instead_of_building_it() {
    let (scene, ann, ben) = (Scene::new(), Person::new("ann"), Person::new("ben"));
    let mallory = Person::new("mallory");
    let both = ["bootstrap-seed", LABEL];
    scene.reproduce(&both);
    believe(&scene, [&ann, &ben], &mallory, "");
    let out = scene.path().join("out");
    let place = |name: &str| out.join(".stagex/reproduced/native").join(name);
    let recorded = fs::read_to_string(scene.path().join("digests/bootstrap.txt")).unwrap();
    let outcomes = |words: &[&str], code: i32| {
        let (ended, document, said) = scene.run(&ann, &[&["preseed"], words].concat());
        assert_eq!(ended, code, "{document} {said}");
        let packages = document["packages"].as_array().unwrap().iter();
        let word = |package: &Value| package["outcome"].as_str().unwrap().to_owned();
        packages.map(word).collect::<Vec<_>>()
    };
    let nowhere = ["--from", "127.0.0.1:1/x", LABEL];
    let words = |more: &'static str| [&[more], &nowhere[..]].concat();
    assert_eq!(outcomes(&nowhere, 8), ["to-build", "to-build"]);
    for person in [&ann, &ben] {
        assert_eq!(scene.sign(person, &both).0, 0);
    }
    assert_eq!(outcomes(&words("--dry-run"), 0), ["trusted", "trusted"]);
    let (code, _, said) = scene.run(&ann, &[&["preseed"], &nowhere[..]].concat());
    assert!(
        code == 5
            && said.contains("the recorded image of bootstrap-seed is not there")
            && said.contains("127.0.0.1:1"),
        "{code}: {said}"
    );
    assert!(!out.join(LABEL).exists(), "something is half there");

    // As it is pulled: a layout without names.
    for name in both {
        let line = recorded
            .lines()
            .find(|line| line.ends_with(&format!(" {name}")));
        let hex = line.unwrap().split(' ').next().unwrap();
        let pulled = out.join(".stagex/pulled").join(hex);
        fs::create_dir_all(pulled.parent().unwrap()).unwrap();
        let ran = Command::new("cp")
            .arg("-R")
            .args([&place(name), &pulled])
            .status();
        assert!(ran.unwrap().success());
        let blob = pulled.join("blobs/sha256").join(hex);
        let size = fs::metadata(blob).unwrap().len();
        let media_type = "application/vnd.oci.image.manifest.v1+json";
        let index = format!(
            "{{\"schemaVersion\":2,\"manifests\":[{{\"mediaType\":\"{media_type}\",\"digest\":\"sha256:{hex}\",\"size\":{size}}}]}}"
        );
        fs::write(pulled.join("index.json"), index).unwrap();
    }
    assert_eq!(outcomes(&words("--needed"), 0), ["taken"]);
    assert_eq!(outcomes(&nowhere, 0), ["there", "taken"]);
    assert_eq!(outcomes(&nowhere, 0), ["there", "there"]);
    // It is byte for byte what is built here, and nothing is built.
    for name in both {
        let index = |path: PathBuf| fs::read_to_string(path.join("index.json")).unwrap();
        assert_eq!(index(out.join(name)), index(place(name)));
    }
    let make = || {
        let (code, document, said) =
            scene.run(&ann, &["--runtime", "native", "make", "--quiet", LABEL]);
        assert_eq!(code, 0, "{document} {said}");
        let packages = document["packages"].as_array().unwrap().iter();
        let word = |package: &Value| package["outcome"].as_str().unwrap().to_owned();
        packages.map(word).collect::<Vec<_>>()
    };
    assert_eq!(make(), ["fresh", "fresh"]);
    let file = scene.path().join("packages/bootstrap/label/Containerfile");
    let before = fs::read_to_string(&file).unwrap();
    fs::write(&file, before + "# changed\n").unwrap();
    assert_eq!(make(), ["fresh", "built"]);
}
