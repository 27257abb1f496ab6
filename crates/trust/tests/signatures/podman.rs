//! What Podman is told of a policy.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use trust::{Difference, Keyring, Policy, podman_policy, podman_registries, verify};

use crate::material::{MATERIAL, NOW};

/// Returns the requirements for images, and how they differ from a policy.
fn told(policy: &str, repository: &str) -> (Vec<Value>, Vec<Difference>) {
    let policy = Policy::read(policy).unwrap();
    let (podman, differences) = podman_policy(&policy, &MATERIAL.keyring()).unwrap();
    let podman = serde_json::to_value(podman).unwrap();
    assert_eq!(podman["default"], serde_json::json!([{ "type": "reject" }]));
    let requirements = podman["transports"]["docker"][repository].as_array();
    (requirements.unwrap().clone(), differences)
}

/// Tells whose signatures a requirement takes: Ada's, and Bob's.
fn takes(requirement: &Value) -> [bool; 2] {
    assert_eq!(requirement["type"], "signedBy");
    assert_eq!(requirement["keyType"], "GPGKeys");
    assert_eq!(
        requirement["signedIdentity"]["type"],
        "matchRepoDigestOrExact"
    );
    let keys = STANDARD
        .decode(requirement["keyData"].as_str().unwrap())
        .unwrap();
    let mut keyring = Keyring::default();
    keyring.add(&keys).unwrap();
    [&MATERIAL.ada, &MATERIAL.bob].map(|one| verify(&keyring, &one.signature, NOW).is_ok())
}

fn person(name: &str, certificate: &str, more: &str) -> String {
    format!("[[people]]\nname = \"{name}\"\ncertificates = [\"{certificate}\"]\n{more}\n")
}

fn two(threshold: u32, more: &str) -> String {
    let ada = person("Ada", MATERIAL.ada.fingerprint.as_str(), more);
    let bob = person("Bob", MATERIAL.bob.fingerprint.as_str(), "");
    format!("threshold = {threshold}\n{ada}{bob}")
}

#[test]
fn all_of_the_people_are_a_requirement_each() {
    let (requirements, differences) = told(&two(2, ""), "docker.io/stagex");
    let takes: Vec<_> = requirements.iter().map(takes).collect();
    assert_eq!(takes, [[true, false], [false, true]]);
    assert_eq!(differences, []);
}

#[test]
fn one_of_the_people_is_one_requirement() {
    let policy = format!("registry = \"quay.io/stagex\"\n{}", two(1, ""));
    let (requirements, differences) = told(&policy, "quay.io/stagex");
    assert_eq!(
        requirements.iter().map(takes).collect::<Vec<_>>(),
        [[true, true]]
    );
    assert_eq!(differences, []);
}

#[test]
fn what_podman_cannot_be_told_is_said() {
    let robot = person(
        "Robot",
        MATERIAL.robot.fingerprint.as_str(),
        "machine = true",
    );
    let absent = "1".repeat(40);
    let carol = person("Carol", &absent, "");
    let some = person("Mallory", MATERIAL.mallory.fingerprint.as_str(), "");
    let policy = format!("{}{robot}{carol}{some}", two(2, "packages = [\"core-*\"]"));
    let (requirements, differences) = told(
        &policy.replace("threshold = 2", "threshold = 3"),
        "docker.io/stagex",
    );
    // Bob, and Mallory, whose signature is not among those that are tried.
    assert_eq!(
        requirements.iter().map(takes).collect::<Vec<_>>(),
        [[false, true], [false, false]]
    );
    let missing = Difference::Missing {
        certificate: absent.parse().unwrap(),
        person: "Carol".to_owned(),
    };
    assert_eq!(
        differences,
        [
            Difference::LeftOut("Ada".to_owned()),
            missing,
            Difference::TooFew {
                threshold: 3,
                people: 2
            },
        ]
    );
    let said = "only 2 are asked for, where 3 are needed";
    assert_eq!(differences[2].to_string(), said);
}

#[test]
fn podman_cannot_count() {
    let mallory = person("Mallory", MATERIAL.mallory.fingerprint.as_str(), "");
    let policy = format!("{}{mallory}", two(2, ""));
    let (requirements, differences) = told(&policy, "docker.io/stagex");
    assert_eq!(
        requirements.iter().map(takes).collect::<Vec<_>>(),
        [[true, true]]
    );
    let one_of = Difference::OneOf {
        threshold: 2,
        people: 3,
    };
    assert_eq!(differences, [one_of]);
}

#[test]
fn signatures_are_where_podman_looks_for_them() {
    let registries =
        |registry: &str| podman_registries(&registry.parse().unwrap(), "https://example.org/sigs/");
    assert_eq!(
        registries("stagex"),
        "docker:\n  docker.io/stagex:\n    lookaside: \"https://example.org/sigs\"\n"
    );
    assert_eq!(
        registries("localhost:5000/stagex"),
        "docker:\n  localhost:5000/stagex:\n    lookaside: \"https://example.org/sigs/localhost:5000\"\n"
    );
}

#[test]
fn a_certificate_that_nobody_can_import_is_said_to_be_missing() {
    // Nothing that it says of itself is signed by its own key. A fuzzer has found it.
    let mut keyring = MATERIAL.keyring();
    let unbound = include_bytes!("../../fuzz/seeds/keyring/unbound");
    let mut alone = Keyring::default();
    alone.add(unbound).unwrap();
    let fingerprint = alone.fingerprints().next().unwrap();
    keyring.add(unbound).unwrap();
    assert_eq!(keyring.export(fingerprint), None);

    let eve = person("Eve", fingerprint.as_str(), "");
    let policy = Policy::read(&format!("{}{eve}", two(2, ""))).unwrap();
    let (_, differences) = podman_policy(&policy, &keyring).unwrap();
    let missing = Difference::Missing {
        certificate: fingerprint.clone(),
        person: "Eve".to_owned(),
    };
    assert_eq!(differences, [missing]);
}
