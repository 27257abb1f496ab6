//! `stagex verify` and `stagex keys` in a tree: what is compared with what, whom the user believes, and how the program
//! ends. Signatures are those of a real gpg.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_types,
    reason = "in a test, what cannot be made is a failure; gpg and the program are started"
)]

mod believed;
#[path = "../../crates/trust/tests/signatures/gpg.rs"]
#[expect(dead_code, reason = "the tests of signatures use all of it")]
mod gpg;
#[expect(dead_code, reason = "other tests use the rest")]
mod program;
mod schema;
mod terminal;
mod verified;

use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use serde_json::Value;
use trust::Fingerprint;

use gpg::Gpg;
use program::{Ran, sample, stagex};
use schema::printed;

/// The time at which keys are made, and signatures.
const THEN: &str = "20260101T000000";
const DIGEST: &str = "0707070707070707070707070707070707070707070707070707070707070707";
/// The digest of another platform.
const OTHER: &str = "0909090909090909090909090909090909090909090909090909090909090909";

/// Two people, their certificates and their signatures of the package of the sample tree.
struct Material {
    people: [Fingerprint; 2],
    keyring: Vec<u8>,
    signatures: [Vec<u8>; 2],
    /// Those of the digest of another platform.
    others: [Vec<u8>; 2],
}

static MATERIAL: LazyLock<Material> = LazyLock::new(|| {
    let gpg = Gpg::new();
    let people = ["Ada", "Bob"].map(|name| gpg.key(THEN, name, "sign", "never"));
    let signed = |digest: &str| {
        let payload = format!(
            "{{\"critical\":{{\"identity\":{{\"docker-reference\":\"stagex/core-musl:1.2\"}},\"image\":{{\
             \"docker-manifest-digest\":\"sha256:{digest}\"}},\"type\":\"atomic container signature\"}},\"optional\":{{}}}}"
        );
        [0, 1].map(|one: usize| gpg.sign(THEN, &people[one], &[], payload.as_bytes()))
    };
    Material {
        keyring: people
            .iter()
            .flat_map(|one| gpg.export(THEN, one))
            .collect(),
        signatures: signed(DIGEST),
        others: signed(OTHER),
        people,
    }
});

/// A tree with a recorded digest and signatures, and beside it what is the user's.
struct Scene {
    tree: tempfile::TempDir,
    user: tempfile::TempDir,
}

impl Scene {
    fn new() -> Self {
        let scene = Self {
            tree: sample(),
            user: tempfile::tempdir().unwrap(),
        };
        scene.in_tree(
            "digests/core.txt",
            format!("{DIGEST} core-musl\n").as_bytes(),
        );
        scene.sign(DIGEST, &MATERIAL.signatures);
        scene.in_tree("signatures/stagex-keyring.pgp", &MATERIAL.keyring);
        fs::write(scene.user.path().join("policy.toml"), policy()).unwrap();
        scene
    }

    fn in_tree(&self, path: &str, contents: &[u8]) {
        let path = self.tree.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, contents).unwrap();
    }

    fn sign(&self, digest: &str, signatures: &[Vec<u8>]) {
        for (number, signature) in (1..).zip(signatures) {
            let path = format!("{}/signature-{number}", place_of(digest));
            self.in_tree(&path, signature);
        }
    }

    /// Lets the package have two platforms, whose digests are recorded.
    fn with_platforms(&self, first: &str, second: &str) {
        let manifest = "[package]\nname = \"musl\"\nversion = \"1.2\"\nplatforms = [\"linux/amd64\", \"linux/arm64\"]\n";
        self.in_tree("packages/core/musl/package.toml", manifest.as_bytes());
        let lines = format!("{first} core-musl\n{second} core-musl linux/arm64\n");
        self.in_tree("digests/core.txt", lines.as_bytes());
    }

    fn policy(&self) -> String {
        self.user
            .path()
            .join("policy.toml")
            .to_str()
            .unwrap()
            .to_owned()
    }

    /// What is said of a keyring that lies in the tree.
    fn note(&self) -> String {
        format!(
            "the keyring {}/signatures/stagex-keyring.pgp lies in the tree, and may lack the newest revocations: \
             keep one of your own (`keyring` in [trust])\n",
            self.tree.path().display()
        )
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        stagex(self.tree.path(), arguments)
    }

    /// Verifies the package by the user's policy, and returns what is printed of its first platform.
    fn verify(&self) -> (i32, Value) {
        let (code, packages) = self.verify_all(&["core-musl"]);
        (code, packages[0].clone())
    }

    /// Verifies packages by the user's policy, and returns what is printed of all.
    fn verify_all(&self, targets: &[&str]) -> (i32, Value) {
        let policy = self.policy();
        let usual = ["verify", "--policy", &policy, "--format", "json"];
        let ran = self.run(&[&usual, targets].concat());
        let document = printed("verify", &ran.stdout);
        (ran.code, document["packages"].clone())
    }
}

fn place() -> String {
    place_of(DIGEST)
}

fn place_of(digest: &str) -> String {
    format!("signatures/stagex/core-musl@sha256={digest}")
}

fn policy() -> String {
    let [ada, bob] = &MATERIAL.people;
    format!(
        "[[people]]\nname = \"Ada\"\ncertificates = [\"{ada}\"]\n\n[[people]]\nname = \"Bob\"\ncertificates = [\"{bob}\"]\n"
    )
}

#[test]
fn two_people_of_the_policy_are_enough_and_one_is_not() {
    let scene = Scene::new();
    let (code, package) = scene.verify();
    assert_eq!(
        (code, &package["verified"], &package["missing"]),
        (0, &true.into(), &0.into())
    );
    assert_eq!(package["people"], serde_json::json!(["Ada", "Bob"]));

    let ran = scene.run(&["verify", "--policy", &scene.policy(), "core-musl"]);
    assert_eq!(
        ran.stdout,
        "verified     core-musl 070707070707 signed by Ada, Bob\n"
    );
    assert_eq!(ran.stderr, scene.note() + "1 of 1 package verified\n");

    scene.in_tree(&format!("{}/signature-2", place()), &MATERIAL.signatures[0]);
    let (code, package) = scene.verify();
    assert_eq!(
        (code, &package["verified"], &package["missing"]),
        (8, &false.into(), &1.into())
    );
    assert_eq!(package["signatures"][1]["refusal"], "again");
    let ran = scene.run(&["verify", "--policy", &scene.policy(), "core-musl"]);
    assert_eq!(
        ran.stdout,
        "not verified core-musl 070707070707 signed by Ada (1 of 2 people)\n  signature-2: Ada is counted already\n"
    );
    let ran = scene.run(&[
        "verify",
        "--policy",
        &scene.policy(),
        "--threshold",
        "1",
        "core-musl",
    ]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
}

#[test]
fn what_is_recorded_signed_and_built_must_be_the_same() {
    let scene = Scene::new();
    let other = DIGEST.replacen("07", "08", 1);
    scene.in_tree(
        "digests/core.txt",
        format!("{other} core-musl\n").as_bytes(),
    );
    let (code, package) = scene.verify();
    assert_eq!((code, &package["signatures"]), (8, &serde_json::json!([])));
    // The signatures of what is not recorded are moved to what is.
    let root = scene.tree.path();
    fs::rename(
        root.join(place()),
        root.join(place().replace(DIGEST, &other)),
    )
    .unwrap();
    let (code, package) = scene.verify();
    assert_eq!(code, 8);
    assert_eq!(package["signatures"][0]["refusal"], "moved");

    scene.in_tree("digests/core.txt", b"");
    let (code, package) = scene.verify();
    assert_eq!((code, &package["digest"]), (8, &Value::Null));
    assert_eq!(package["problems"][0], "no digest is recorded in digests/");
}

#[test]
fn a_keyring_is_agreed_to_first_and_then_pinned() {
    let scene = Scene::new();
    let ran = scene.run(&["verify", "core-musl"]);
    assert_eq!(ran.code, 8, "{}", ran.stderr);
    assert!(
        ran.stderr
            .contains("error: nobody has agreed to the certificates in"),
        "{}",
        ran.stderr
    );
    for person in &MATERIAL.people {
        assert!(ran.stderr.contains(&person.in_groups()), "{}", ran.stderr);
    }
    assert_eq!(ran.stdout, "");

    let [ada, bob] = MATERIAL.people.each_ref().map(Fingerprint::as_str);
    let agree = [
        "verify",
        "core-musl",
        "--fingerprint",
        ada,
        "--fingerprint",
        bob,
    ];
    let ran = scene.run(&agree);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    // From now on without a question.
    let ran = scene.run(&["verify", "core-musl"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);

    // Whoever comes later is nobody.
    let gpg = Gpg::new();
    let eve = gpg.key(THEN, "Eve", "sign", "never");
    let keyring = [MATERIAL.keyring.clone(), gpg.export(THEN, &eve)].concat();
    scene.in_tree("signatures/stagex-keyring.pgp", &keyring);
    let ran = scene.run(&["keys", "--format", "json"]);
    let keys = printed("keys", &ran.stdout);
    assert_eq!(keys["people"].as_array().unwrap().len(), 2);
    assert_eq!(keys["unlisted"][0]["fingerprint"], eve.as_str());

    // One certificate cannot be two people.
    let ran = scene.run(&["verify", "core-musl", "--fingerprint", ada]);
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    let unknown = "1".repeat(40);
    let ran = scene.run(&["verify", "core-musl", "--fingerprint", &unknown]);
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    assert!(
        ran.stderr.contains("has no certificate 1111"),
        "{}",
        ran.stderr
    );
}

#[test]
fn a_policy_in_the_tree_is_agreed_to_first() {
    let scene = Scene::new();
    scene.in_tree("policy.toml", policy().as_bytes());
    let path = scene.tree.path().join("policy.toml");
    let path = path.to_str().unwrap();
    let verify = ["verify", "--policy", path, "core-musl"];
    let ran = scene.run(&verify);
    assert_eq!(ran.code, 8, "{}", ran.stderr);
    assert!(
        ran.stderr
            .contains("error: nobody has agreed to the policy"),
        "{}",
        ran.stderr
    );
    let [ada, bob] = MATERIAL.people.each_ref().map(Fingerprint::as_str);
    let ran = scene.run(&[&verify[..], &["--fingerprint", ada]].concat());
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    assert!(ran.stderr.contains("as well"), "{}", ran.stderr);
    let agree = [&verify[..], &["--fingerprint", ada, "--fingerprint", bob]].concat();
    assert_eq!(scene.run(&agree).code, 0);
    assert_eq!(scene.run(&verify).code, 0);
    // It says something else now.
    scene.in_tree(
        "policy.toml",
        format!("threshold = 1\n{}", policy()).as_bytes(),
    );
    assert_eq!(scene.run(&verify).code, 8);
}

#[test]
fn a_tree_does_not_say_whom_to_believe() {
    let scene = Scene::new();
    let settings = format!("[trust]\npolicy = {:?}\n", scene.policy());
    scene.in_tree("stagex.toml", settings.as_bytes());
    let ran = scene.run(&["verify", "core-musl"]);
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    assert!(
        ran.stderr
            .contains("stagex.toml:1: [trust] cannot be set by a tree"),
        "{}",
        ran.stderr
    );

    fs::remove_file(scene.tree.path().join("stagex.toml")).unwrap();
    scene.in_tree("configuration/stagex/stagex.toml", settings.as_bytes());
    let ran = scene.run(&["verify", "core-musl"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
}

#[test]
fn a_ledger_that_a_tree_ships_says_nothing() {
    let scene = Scene::new();
    let (_, package) = scene.verify();
    assert_eq!(package["reproduced"], false);
    // Whoever could write there could not prove a line.
    scene.in_tree("ledger", b"stagex ledger 1\n");
    scene.in_tree("out/.stagex/ledger", b"stagex ledger 1\n");
    let (code, package) = scene.verify();
    assert_eq!((code, &package["reproduced"]), (0, &false.into()));
    let line = format!("{} {{\"package\":\"core-musl\"}}\n", "0".repeat(64));
    scene.in_tree(
        "state/stagex/ledger",
        format!("stagex ledger 1\n{line}").as_bytes(),
    );
    let ran = scene.run(&["verify", "--policy", &scene.policy(), "core-musl"]);
    assert_eq!(ran.code, 5, "{}", ran.stderr);
}

#[test]
fn the_keys_of_a_policy_are_listed_with_who_signed_how_much() {
    let scene = Scene::new();
    let ran = scene.run(&["keys", "--policy", &scene.policy(), "--format", "json"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let keys = printed("keys", &ran.stdout);
    for (place, name) in ["Ada", "Bob"].into_iter().enumerate() {
        let person = &keys["people"][place];
        assert_eq!(
            (&person["name"], &person["signed"]),
            (&name.into(), &1.into())
        );
        let certificate = &person["certificates"][0];
        assert_eq!(certificate["fingerprint"], MATERIAL.people[place].as_str());
        assert_eq!(
            (&certificate["state"], &certificate["expires"]),
            (&"good".into(), &Value::Null)
        );
        assert_eq!(certificate["made"], "2026-01-01T00:00:00Z");
    }
    let ran = scene.run(&["keys", "--policy", &scene.policy()]);
    let [ada, bob] = MATERIAL.people.each_ref();
    let expected = format!(
        "stagex: 2 of 2 signers\nAda: 1 package signed\n  {ada}  good  Ada\nBob: 1 package signed\n  {bob}  good  Bob\n"
    );
    assert_eq!(ran.stdout, expected);
}

#[test]
fn what_lies_on_a_server_is_not_counted() {
    let scene = Scene::new();
    // It is not asked: it could not list anything.
    let server = ["--signatures", "http://127.0.0.1:1/"];
    let keys = ["keys", "--policy", &scene.policy()];
    let ran = scene.run(&[&keys[..], &server, &["--format", "json"]].concat());
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let document = printed("keys", &ran.stdout);
    for person in document["people"].as_array().unwrap() {
        assert_eq!(person["signed"], Value::Null);
    }
    let ran = scene.run(&[&keys[..], &server].concat());
    let lines: Vec<&str> = ran.stdout.lines().collect();
    assert_eq!(lines[1], "Ada: not counted: a server lists nothing");
    // Nobody has signed where there is no directory.
    let keyring = scene.user.path().join("keyring.pgp");
    fs::write(&keyring, &MATERIAL.keyring).unwrap();
    fs::remove_dir_all(scene.tree.path().join("signatures")).unwrap();
    let keyring = ["--keyring", keyring.to_str().unwrap()];
    let ran = scene.run(&[&keys[..], &keyring, &["--format", "json"]].concat());
    let document = printed("keys", &ran.stdout);
    assert_eq!(document["people"][0]["signed"], 0);
}

#[test]
fn what_cannot_be_read_is_said_with_its_name() {
    let scene = Scene::new();
    let policy = scene.policy();
    let said = |arguments: &[&str], code: i32, expected: &str| {
        let ran = scene.run(arguments);
        assert_eq!(ran.code, code, "{}", ran.stderr);
        assert!(ran.stderr.contains(expected), "{}", ran.stderr);
    };
    scene.in_tree("keyring/broken.asc", b"garbage");
    let keyring = scene.tree.path().join("keyring");
    let keyring = keyring.to_str().unwrap();
    said(
        &["verify", "--policy", &policy, "--keyring", keyring],
        2,
        "broken.asc: ",
    );
    said(
        &["verify", "--policy", "/nowhere/policy.toml"],
        5,
        "cannot read /nowhere/policy.toml",
    );
    said(
        &[
            "verify",
            "--policy",
            &policy,
            "--signatures",
            "ftp://example.org/",
        ],
        2,
        "only http and https",
    );
    said(
        &["verify", "--policy", &policy, "--signatures", &policy],
        2,
        "it is a file",
    );
    said(
        &["verify", "--policy", &policy, "--threshold", "3"],
        2,
        "there are 2 people",
    );
    fs::write(scene.user.path().join("policy.toml"), "treshold = 2\n").unwrap();
    said(&["verify", "--policy", &policy], 2, "line 1: unknown field");
    fs::remove_dir_all(scene.tree.path().join("signatures")).unwrap();
    said(&["verify"], 5, "stagex-keyring.pgp");
}

#[test]
fn podman_is_told_of_the_people_and_of_the_place() {
    let scene = Scene::new();
    let ran = scene.run(&[
        "verify",
        "--policy",
        &scene.policy(),
        "--print-podman-policy",
    ]);
    assert_eq!((ran.code, ran.stderr), (0, scene.note()));
    let podman: Value = serde_json::from_str(&ran.stdout).unwrap();
    let requirements = &podman["transports"]["docker"]["docker.io/stagex"];
    assert_eq!(requirements.as_array().unwrap().len(), 2);

    let ran = scene.run(&[
        "verify",
        "--policy",
        &scene.policy(),
        "--print-podman-registries",
    ]);
    let signatures = scene.tree.path().join("signatures").canonicalize().unwrap();
    let expected = format!(
        "docker:\n  docker.io/stagex:\n    lookaside: \"file://{}\"\n",
        signatures.display()
    );
    assert_eq!((ran.code, ran.stdout), (0, expected));
}

#[test]
fn without_signatures_nothing_is_verified() {
    let scene = Scene::new();
    fs::rename(
        scene.tree.path().join("signatures"),
        scene.user.path().join("away"),
    )
    .unwrap();
    let keyring = scene.user.path().join("away/stagex-keyring.pgp");
    let keyring = keyring.to_str().unwrap();
    let ran = scene.run(&[
        "verify",
        "--policy",
        &scene.policy(),
        "--keyring",
        keyring,
        "core-musl",
    ]);
    assert_eq!(ran.code, 8, "{}", ran.stderr);
    assert_eq!(
        ran.stdout,
        "not verified core-musl 070707070707 (0 of 2 people)\n"
    );
    let away = scene.user.path().join("away");
    let signatures = ["--signatures", away.to_str().unwrap(), "core-musl"];
    let verify = ["verify", "--policy", &scene.policy(), "--keyring", keyring];
    assert_eq!(scene.run(&[&verify[..], &signatures].concat()).code, 0);
    assert!(Path::new(keyring).exists());
}
