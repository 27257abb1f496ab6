//! The house's arrows, one way only: which crate may depend on which.
//!
//! A crate that is not listed here, or that depends on one of our own that it may not know, is
//! a failure. Dev-dependencies count as well: a test that needs an arrow needs it explained.
//!
//! And which files may open or read a file by other means than `beneath`, and why; which may write JSON; that no
//! files of a crate are in a circle; and how large things may be.

#![expect(
    clippy::unwrap_used,
    reason = "in a test, what cannot be made is a failure"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use cargo_metadata::MetadataCommand;

#[path = "house/arrows.rs"]
mod arrows;
#[path = "house/files.rs"]
mod files;

use arrows::ARROWS;
use files::Sources;

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
const READERS: [(&str, &str); 36] = [
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
        "backend-native/src/worker/run/caches.rs",
        "64 bytes; and a directory that it has made",
    ),
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
    ("crates/containers-build/src/contexts.rs", "a directory"),
    (
        "crates/containers-build/src/remote_context.rs",
        "a directory",
    ),
    ("crates/containers-build/src/trial.rs", "its own lock"),
    ("crates/state/src/directories.rs", "a bounded number"),
    ("crates/make/src/memory.rs", "the kernel's"),
    ("crates/diff/src/content/", "bounded readers"),
    ("crates/image-store/src/archive.rs", "a bounded member"),
    ("crates/images/src/beginning.rs", "a bounded reader"),
    ("crates/images/src/files.rs", "a bounded reader"),
    ("crates/oci-image/src/layout.rs", "what it wrote itself"),
    ("crates/oci-layout/src/blob.rs", "a bounded reader"),
    ("crates/process/src/emulation.rs", "the kernel's"),
    ("crates/sandbox/src/group.rs", "the kernel's"),
    (
        "crates/sandbox/src/namespaces.rs",
        "the machine's, a pipe of its own",
    ),
    ("crates/sandbox/src/network_namespace.rs", "the kernel's"),
    ("crates/sandbox/src/program.rs", "itself"),
    ("crates/sandbox/src/rights.rs", "the kernel's"),
    ("crates/sandbox/src/seccomp_notify/", "the kernel's"),
    ("crates/snapshot/src/reader.rs", "a bounded reader"),
    ("crates/snapshot/src/special.rs", "the kernel's"),
    ("crates/snapshot/src/users.rs", "bounded"),
    ("crates/trust/src/message.rs", "a bounded message"),
    ("crates/remote/src/action.rs", "this program itself"),
    (
        "crates/remote/src/transfer.rs",
        "a bounded reader, of files that were opened by `beneath`",
    ),
];

/// Returns the Rust files in a directory of sources, and in those below.
fn sources(directory: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(directory).unwrap() {
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
    for directory in [
        "backend-api",
        "backend-buildah",
        "backend-docker",
        "backend-native",
    ] {
        sources(&root.join(directory), &mut files);
    }
    for directory in ["backend-podman", "cli", "conformance", "crates"] {
        sources(&root.join(directory), &mut files);
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

/// How many lines of source a crate may have, and those that have more, and why.
const CRATE: usize = 4_500;
const LARGE_CRATES: [(&str, &str); 6] = [
    ("backend-native", "a whole engine"),
    ("containerfile", "a whole language"),
    ("oci-image", "the canonical format, and what leads to it"),
    ("sandbox", "all that shuts off a process, in one place"),
    ("snapshot", "all that a build does with files, in one place"),
    ("stagex", "the command line of every command"),
];

/// How many lines a file may have.
const FILE: usize = 600;

/// In how many files a type may have its `impl`s.
const IMPLS: usize = 3;

/// Returns what the sources of each crate say, by its name, with paths as the project has them.
fn crates() -> Vec<(String, Sources)> {
    let metadata = MetadataCommand::new().no_deps().exec().unwrap();
    let roots = metadata.packages.iter().flat_map(|package| {
        let targets = package.targets.iter();
        let targets = targets.filter(|target| target.is_lib() || target.is_bin());
        targets.map(|target| (package.name.to_string(), &target.src_path))
    });
    let roots = roots.map(|(name, root)| {
        let base = metadata.workspace_root.as_std_path();
        (name, Sources::read(base, root.as_std_path()))
    });
    roots.collect()
}

#[test]
fn no_files_of_a_crate_are_in_a_circle() {
    let mut found = Vec::new();
    for (_, sources) in crates() {
        let circles = sources.circles().into_iter();
        found.extend(circles.map(|circle| format!("{circle:?}")));
    }
    assert!(
        found.is_empty(),
        "each of these files takes something from another of them, and so on around: give what they \
         share a file of its own\n{}",
        found.join("\n")
    );
}

#[test]
fn the_impls_of_a_type_are_in_few_files() {
    let mut wrong = Vec::new();
    for (name, sources) in crates() {
        for (of, files) in sources.impls() {
            if files.len() > IMPLS {
                wrong.push(format!("{name}: {}: {files:?}", of.1));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn lines(path: &Path) -> usize {
    fs::read_to_string(path).unwrap().lines().count()
}

#[test]
fn crates_and_files_are_small() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut large = BTreeSet::new();
    for (name, sources) in crates() {
        let lines: usize = sources
            .files()
            .into_iter()
            .map(|file| lines(&root.join(file)))
            .sum();
        if lines > CRATE {
            large.insert(name);
        }
    }
    let listed = LARGE_CRATES.map(|(name, _)| name.to_owned());
    assert_eq!(
        large,
        BTreeSet::from(listed),
        "over {CRATE} lines, and in LARGE_CRATES"
    );
    let mut long = BTreeSet::new();
    for file in all_sources(root) {
        if lines(&file) > FILE {
            let name = file.strip_prefix(root).unwrap();
            long.insert(name.to_str().unwrap().to_owned());
        }
    }
    assert!(long.is_empty(), "over {FILE} lines: {long:?}");
}

/// Returns all Rust files of the project, with tests, benches and examples.
fn all_sources(root: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    let mut next = vec![root.to_owned()];
    while let Some(directory) = next.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            if path.is_dir() {
                if name != "target" && !name.starts_with('.') {
                    next.push(path);
                }
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    found
}

/// The files of the command line and of the conformance suite that write JSON. Both write documents.
const WRITERS: [&str; 2] = ["cli/src/render/mod.rs", "conformance/src/report/mod.rs"];

#[test]
fn json_for_programs_is_written_from_documents() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut files = Vec::new();
    for directory in ["cli/src", "conformance/src"] {
        sources(&root.join(directory), &mut files);
    }
    let mut writers = BTreeSet::new();
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        let name = file.strip_prefix(root.to_str().unwrap()).unwrap();
        let name = name.trim_start_matches('/').to_owned();
        assert!(!code.contains("json!"), "{name}: make a type in documents");
        if code.contains("serde_json::to_") {
            writers.insert(name);
        }
    }
    let writers: Vec<_> = writers.iter().map(String::as_str).collect();
    assert_eq!(writers, WRITERS);
}
