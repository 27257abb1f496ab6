//! Bills of a plan of four packages.

use std::collections::BTreeMap;

use documents::{Digest, Plan, Source, Version};
use serde_json::Value;

use super::*;

fn package(name: &str, needs: &[&str], sources: &[(&str, u8)], requested: bool) -> PlannedPackage {
    let (stage, short) = name.split_once('-').unwrap();
    let source = |&(file, byte): &(&str, u8)| Source {
        key: file.to_owned(),
        file: file.to_owned(),
        hash: format!("{byte:02x}").repeat(32),
        mirrors: vec![format!("https://{stage}.example/{file}")],
        version: None,
        git_sha: None,
    };
    PlannedPackage {
        name: name.to_owned(),
        stage: stage.to_owned(),
        package: short.to_owned(),
        origin: short.to_owned(),
        version: Some("1.2".to_owned()),
        platforms: vec!["linux/amd64".to_owned()],
        target: None,
        containerfile: format!("packages/{stage}/{short}/Containerfile"),
        context: format!("packages/{stage}/{short}"),
        fetch: format!("fetch/{stage}/{short}"),
        build_args: Vec::new(),
        dependencies: needs.iter().map(|&need| need.to_owned()).collect(),
        seeds: Vec::new(),
        sources: sources.iter().map(source).collect(),
        memory: None,
        requested,
        archives: Vec::new(),
    }
}

fn plan() -> Plan {
    Plan {
        version: Version,
        packages: vec![
            package("bootstrap-seed", &[], &[("seed.tar", 1)], false),
            package("core-musl", &["bootstrap-seed"], &[("musl.tar", 2)], false),
            package(
                "core-make",
                &["core-musl"],
                &[("make.tar", 3), ("musl.tar", 2)],
                false,
            ),
            package("user-tmux", &["core-make"], &[("tmux.tar", 4)], true),
        ],
    }
}

fn values(plan: &Plan, scope: Scope) -> (Value, Value) {
    let recorded = BTreeMap::from([("user-tmux".to_owned(), Digest::sha256(&[9; 32]))]);
    let bill = Bill::new(plan, scope, &recorded, "docker.io", 1, "0.1.0");
    let read = |text: String| serde_json::from_str(&text).unwrap();
    (read(spdx(&bill)), read(cyclonedx(&bill)))
}

fn names(of: &Value) -> Vec<&str> {
    let names = of.as_array().unwrap().iter();
    names.map(|each| each["name"].as_str().unwrap()).collect()
}

#[test]
fn a_bill_of_a_package_names_what_it_names() {
    let (spdx, cyclonedx) = values(&plan(), Scope::Package);
    assert_eq!(
        names(&spdx["packages"]),
        ["core-make", "user-tmux", "tmux.tar"]
    );
    assert_eq!(names(&cyclonedx["components"]), ["core-make", "tmux.tar"]);
    assert_eq!(cyclonedx["metadata"]["component"]["name"], "user-tmux");
}

#[test]
fn a_bill_of_a_closure_has_everything_once() {
    let (spdx, cyclonedx) = values(&plan(), Scope::Closure);
    let expected = [
        "bootstrap-seed",
        "core-make",
        "core-musl",
        "user-tmux",
        "seed.tar",
        "musl.tar",
        "make.tar",
        "tmux.tar",
    ];
    assert_eq!(names(&spdx["packages"]), expected);
    assert_eq!(names(&cyclonedx["components"]).len(), expected.len() - 1);
    let musl = &spdx["packages"][5];
    // Both packages have it, each with a mirror; they are of one stage, and their mirror is one.
    assert_eq!(musl["downloadLocation"], "https://core.example/musl.tar");
    assert_eq!(musl["checksums"][0]["checksumValue"], "02".repeat(32));
    let relations = spdx["relationships"].as_array().unwrap();
    let count = |kind: &str| {
        relations
            .iter()
            .filter(|each| each["relationshipType"] == kind)
            .count()
    };
    let counts = ["DESCRIBES", "BUILD_DEPENDENCY_OF", "GENERATED_FROM"].map(count);
    assert_eq!(counts, [1, 3, 5]);
}

#[test]
fn a_bill_is_named_by_what_it_says() {
    let (one, other) = (
        values(&plan(), Scope::Closure),
        values(&plan(), Scope::Closure),
    );
    assert_eq!(one, other);
    let mut changed = plan();
    changed.packages[0].sources[0].hash = "ff".repeat(32);
    let changed = values(&changed, Scope::Closure);
    assert_ne!(one.0["documentNamespace"], changed.0["documentNamespace"]);
    assert_ne!(one.1["serialNumber"], changed.1["serialNumber"]);
    // The order of a plan says what is built first, and nothing of what is in it.
    let mut turned = plan();
    turned.packages.swap(0, 2);
    assert_eq!(values(&turned, Scope::Closure), one);
}

#[test]
fn only_a_recorded_digest_is_said_to_be_that_of_an_image() {
    let (spdx, cyclonedx) = values(&plan(), Scope::Package);
    let digest = "09".repeat(32);
    assert_eq!(
        spdx["packages"][1]["checksums"][0]["checksumValue"],
        digest.as_str()
    );
    assert!(spdx["packages"][0].get("checksums").is_none());
    let purl = cyclonedx["metadata"]["component"]["purl"].as_str().unwrap();
    assert!(purl.contains(&format!("@sha256%3A{digest}?")), "{purl}");
}
