//! The house's arrows, one way only: which crate may depend on which.
//!
//! A crate that is not listed here, or that depends on one of our own that it may not know, is
//! a failure. Dev-dependencies count as well: a test that needs an arrow needs it explained.
//!
//! And which files may open or read a file by other means than `beneath`, and why.

#![expect(
    clippy::unwrap_used,
    reason = "in a test, what cannot be made is a failure"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use cargo_metadata::MetadataCommand;

/// Each crate, and the crates of ours that it may know.
const ARROWS: [(&str, &[&str]); 29] = [
    ("backend-api", &[]),
    (
        "backend-buildah",
        &["backend-api", "containers-build", "findings", "process"],
    ),
    (
        "backend-docker",
        &[
            "backend-api",
            "beneath",
            "findings",
            "image-store",
            "oci-layout",
            "process",
        ],
    ),
    (
        "backend-native",
        &[
            "backend-api",
            "beneath",
            // It is an engine as well as its backend: it reads what it is told to build.
            "containerfile",
            "findings",
            "oci-layout",
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
    (
        "build",
        &[
            "backend-api",
            "beneath",
            "compression",
            "containerfile",
            "documents",
            "oci-image",
            "package-tree",
            "patterns",
            "printable",
            "state",
        ],
    ),
    ("check", &["containerfile"]),
    (
        "conformance",
        &[
            "backend-api",
            "beneath",
            "make",
            // Its tests only: mutants of the encoder compress at other levels.
            "go-flate",
            "oci-image",
            "package-tree",
            "printable",
            "process",
            "runtimes",
            "state",
        ],
    ),
    ("compression", &[]),
    ("containerfile", &[]),
    (
        "containers-build",
        &[
            "backend-api",
            "beneath",
            "findings",
            "image-store",
            "oci-layout",
            "process",
        ],
    ),
    ("documents", &[]),
    ("findings", &["beneath"]),
    ("go-flate", &[]),
    (
        "image-store",
        &["backend-api", "beneath", "oci-layout", "process"],
    ),
    (
        "make",
        &[
            "backend-api",
            "beneath",
            "build",
            "documents",
            "oci-image",
            "package-tree",
            "state",
        ],
    ),
    (
        "oci-image",
        &["beneath", "containerfile", "go-flate", "printable"],
    ),
    ("oci-layout", &["backend-api", "beneath"]),
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
        "state",
        &[
            "beneath",
            "containerfile",
            "documents",
            "oci-image",
            // The grammar of names.
            "package-tree",
            "printable",
        ],
    ),
    (
        "stagex",
        &[
            "backend-api",
            "beneath",
            "build",
            "check",
            "conformance",
            "containerfile",
            "documents",
            "make",
            "package-tree",
            "printable",
            "process",
            "runtimes",
            "state",
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

/// What reads a file to its end, however large it is, or waits for the writer of a named pipe. Inputs
/// are read by `beneath::read` and its relatives, and opened by `beneath::open`.
const UNBOUNDED: [&str; 6] = [
    "fs::read(",
    "fs::read_to_string",
    "File::open(",
    ".read_to_string(",
    ".read_to_end(",
    "from_reader(",
];

/// The files that may do so outside of their tests, and what it is that they read.
const READERS: [(&str, &str); 28] = [
    ("backend-api/src/contract/", "a test's own files"),
    ("backend-docker/src/daemon.rs", "a bounded answer"),
    ("backend-native/src/probe.rs", "the kernel's"),
    ("backend-native/src/worker/circumstances.rs", "the kernel's"),
    (
        "backend-native/src/worker/kept/entry.rs",
        "a bounded reader",
    ),
    ("backend-native/src/worker/mod.rs", "itself, its caller"),
    (
        "backend-native/src/worker/run/run_mounts.rs",
        "the machine's",
    ),
    ("backend-native/src/worker/trial.rs", "its own files"),
    ("crates/beneath/src/", "here it is bounded"),
    ("crates/containers-build/src/arguments.rs", "the kernel's"),
    (
        "crates/containers-build/src/circumstances.rs",
        "the kernel's",
    ),
    ("crates/containers-build/src/contexts.rs", "a folder"),
    ("crates/containers-build/src/parcel.rs", "a folder"),
    ("crates/containers-build/src/trial.rs", "its own lock"),
    ("crates/state/src/folders.rs", "a bounded number"),
    ("crates/make/src/memory.rs", "the kernel's"),
    ("crates/image-store/src/archive.rs", "a bounded member"),
    ("crates/oci-image/src/layout.rs", "what it wrote itself"),
    ("crates/oci-layout/src/blob.rs", "a bounded reader"),
    ("crates/process/src/emulation.rs", "the kernel's"),
    ("crates/sandbox/src/deputy", "the kernel's"),
    ("crates/sandbox/src/group.rs", "the kernel's"),
    (
        "crates/sandbox/src/namespaces.rs",
        "the machine's, a pipe of its own",
    ),
    ("crates/sandbox/src/network.rs", "the kernel's"),
    ("crates/sandbox/src/program.rs", "itself"),
    ("crates/snapshot/src/reader.rs", "a bounded reader"),
    ("crates/snapshot/src/special.rs", "the kernel's"),
    ("crates/snapshot/src/users.rs", "bounded"),
];

/// Returns the Rust files in a folder of sources, and in those below.
fn sources(folder: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() {
            if !matches!(name, "target" | "tests" | "benches" | "fuzz" | "examples") {
                sources(&path, found);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs")
            && !matches!(name, "tests.rs" | "build.rs")
        {
            found.push(path.to_str().unwrap().to_owned());
        }
    }
}

#[test]
fn every_input_is_regular_and_bounded() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut files = Vec::new();
    for folder in [
        "backend-api",
        "backend-buildah",
        "backend-docker",
        "backend-native",
    ] {
        sources(&root.join(folder), &mut files);
    }
    for folder in ["backend-podman", "cli", "conformance", "crates"] {
        sources(&root.join(folder), &mut files);
    }
    assert!(
        files.len() > 200,
        "found {} files of sources only",
        files.len()
    );
    let mut wrong = Vec::new();
    let mut needed = BTreeSet::new();
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let name = file.strip_prefix(root.to_str().unwrap()).unwrap();
        let name = name.trim_start_matches('/');
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        let listed = READERS.iter().find(|(reader, _)| name.starts_with(reader));
        for (number, line) in (1..).zip(code.lines()) {
            if UNBOUNDED.iter().any(|call| line.contains(call)) {
                match listed {
                    Some((reader, _)) => _ = needed.insert(*reader),
                    None => wrong.push(format!("{name}:{number}: {}", line.trim())),
                }
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "read by `beneath`, or say in READERS why not:\n{}",
        wrong.join("\n")
    );
    let listed: BTreeSet<_> = READERS.iter().map(|(reader, _)| *reader).collect();
    assert_eq!(listed, needed, "every line of READERS is needed");
}
