//! The house's arrows, one way only: which crate may depend on which.
//!
//! A crate that is not listed here, or that depends on one of our own that it may not know, is
//! a failure. Dev-dependencies count as well: a test that needs an arrow needs it explained.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::MetadataCommand;

/// Each crate, and the crates of ours that it may know.
const ARROWS: [(&str, &[&str]); 25] = [
    ("backend-api", &["beneath"]),
    (
        "backend-buildah",
        &["backend-api", "containers-build", "findings", "process"],
    ),
    (
        "backend-docker",
        &["backend-api", "findings", "image-store", "process"],
    ),
    (
        "backend-native",
        &[
            "backend-api",
            // It is an engine as well as its backend: it reads what it is told to build.
            "containerfile",
            "findings",
            "process",
            "sandbox",
            "snapshot",
        ],
    ),
    ("backend-plugin", &["backend-api", "process"]),
    (
        "backend-podman",
        &["backend-api", "containers-build", "findings", "process"],
    ),
    ("beneath", &[]),
    ("check", &["containerfile"]),
    (
        "conformance",
        &[
            "backend-api",
            "beneath",
            "engine",
            // Its tests only: mutants of the encoder compress at other levels.
            "go-flate",
            "oci-image",
            "package-tree",
            "printable",
            "process",
            "runtimes",
        ],
    ),
    ("compression", &[]),
    ("containerfile", &[]),
    (
        "containers-build",
        &["backend-api", "findings", "image-store", "process"],
    ),
    (
        "engine",
        &[
            "backend-api",
            "beneath",
            "compression",
            "containerfile",
            "oci-image",
            "package-tree",
            "patterns",
            "printable",
        ],
    ),
    ("findings", &[]),
    ("go-flate", &[]),
    ("image-store", &["backend-api", "process"]),
    (
        "oci-image",
        &["beneath", "containerfile", "go-flate", "printable"],
    ),
    ("package-tree", &["beneath", "containerfile"]),
    ("patterns", &[]),
    ("printable", &[]),
    ("process", &[]),
    (
        "runtimes",
        &[
            "backend-api",
            "backend-buildah",
            "backend-docker",
            "backend-native",
            "backend-plugin",
            "backend-podman",
            "findings",
        ],
    ),
    ("sandbox", &[]),
    ("snapshot", &["beneath", "compression", "patterns"]),
    (
        "stagex",
        &[
            "backend-api",
            "beneath",
            "check",
            "conformance",
            "containerfile",
            "engine",
            "package-tree",
            "printable",
            "process",
            "runtimes",
        ],
    ),
];

#[test]
fn arrows_point_one_way() {
    let metadata = MetadataCommand::new().no_deps().exec().unwrap();
    let ours: BTreeSet<&str> = metadata.packages.iter().map(|p| p.name.as_str()).collect();
    let allowed: BTreeMap<&str, &[&str]> = ARROWS.into_iter().collect();

    let listed: BTreeSet<&str> = allowed.keys().copied().collect();
    assert_eq!(
        ours, listed,
        "every crate has its line in ARROWS, and every line its crate"
    );

    let mut wrong = Vec::new();
    for package in &metadata.packages {
        let name = package.name.as_str();
        for dependency in &package.dependencies {
            let on = dependency.name.as_str();
            if ours.contains(on) && on != name && !allowed[name].contains(&on) {
                wrong.push(format!("{name} -> {on}"));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "arrows that the house does not have: {wrong:?}"
    );
}
