//! What tests of the whole program have in common that need a real engine: one test for each runtime
//! that is here; those that `STAGEX_REQUIRE` names must be.

use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};

use camino::{Utf8Path, Utf8PathBuf};
use conformance::{Column, Label, Programs};
use libtest_mimic::{Arguments, Failed, Trial};

/// Runs `test` for each runtime, with its name and its program.
pub(crate) fn run(name: &str, test: fn(&str, &Utf8Path) -> Result<(), Failed>) -> ExitCode {
    run_with(name, test, None)
}

/// The same, with those that no runtime matters to.
pub(crate) fn run_with(
    name: &str,
    test: fn(&str, &Utf8Path) -> Result<(), Failed>,
    others: impl IntoIterator<Item = Trial>,
) -> ExitCode {
    let mut arguments = Arguments::from_args();
    // What one leaves behind would be taken for what another does.
    arguments.test_threads = Some(1);
    let names: Vec<Label> = runtimes::NAMES.map(|name| name.parse().unwrap()).to_vec();
    let required = variable("STAGEX_REQUIRE").unwrap_or_default();
    let required: Vec<Label> = names
        .iter()
        .filter(|name| required.split(',').any(|word| word == name.as_str()))
        .cloned()
        .collect();
    let program = |name: &Label| {
        let variable = variable(&format!("STAGEX_{}", name.as_str().to_uppercase()));
        (name.clone(), variable.map(Utf8PathBuf::from))
    };
    let programs: Programs = names.iter().map(program).collect();
    let columns = tokio::runtime::Runtime::new()
        .unwrap()
        .block_on(Column::probe_all(&programs, &required))
        .unwrap();
    let trials = columns.into_iter().map(|column| {
        let absence = column.absence();
        let required = column.required;
        let program = programs[&column.label].clone();
        let program = program.unwrap_or_else(|| column.label.as_str().into());
        let trial = Trial::test(format!("{name}::{}", column.label), {
            let absence = absence.clone();
            move || match absence {
                Some(reason) => Err(reason.into()),
                None => test(column.label.as_str(), &program),
            }
        });
        match absence {
            Some(reason) if !required => trial.with_ignored_flag(true).with_kind(reason),
            _ => trial,
        }
    });
    libtest_mimic::run(&arguments, trials.chain(others).collect()).exit_code()
}

#[expect(
    clippy::disallowed_methods,
    reason = "a test program reads its own variables"
)]
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// A tree that is removed at the end, with what was made in it.
pub(crate) struct Tree(tempfile::TempDir);

impl Tree {
    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }
}

/// What native keeps belongs to other users where this one is not root: only stagex removes it.
impl Drop for Tree {
    fn drop(&mut self) {
        let mut stagex = Command::new(env!("CARGO_BIN_EXE_stagex"));
        let clean = stagex.arg("-C").arg(self.path()).args(["--quiet", "clean"]);
        // A test that fails because of this would hide why another did.
        let _ = clean.output();
    }
}

/// Returns a copy of the example tree, with the digests that are recorded of it.
pub(crate) fn example_tree() -> Tree {
    let temporary = tempfile::tempdir_in("/var/tmp").unwrap();
    for directory in ["packages", "digests"] {
        let from = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("..")
            .join(directory);
        copy(&from, &temporary.path().join(directory));
    }
    Tree(temporary)
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (kind, target) = (entry.file_type().unwrap(), to.join(entry.file_name()));
        if kind.is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), &target).unwrap();
        }
    }
}

/// Fails the test with `otherwise` unless something holds.
pub(crate) fn expect(holds: bool, otherwise: &str) -> Result<(), Failed> {
    if holds { Ok(()) } else { Err(otherwise.into()) }
}

/// Tells whether a runtime has a store of images: what is no program of its own keeps nothing beside
/// the work directory.
pub(crate) fn has_store(program: &Utf8Path) -> bool {
    which::which(program).is_ok()
}

/// Returns the images in the engine's store, by their ids, with those that have no name.
pub(crate) fn images(program: &Utf8Path) -> Result<Vec<String>, Failed> {
    if !has_store(program) {
        return Ok(Vec::new());
    }
    let list = ["images", "--all", "--quiet", "--no-trunc"];
    let listed = Command::new(program).args(list).output().unwrap();
    expect(
        listed.status.success(),
        "the engine's images cannot be listed",
    )?;
    let listed = String::from_utf8_lossy(&listed.stdout);
    let mut images: Vec<String> = listed.lines().map(str::to_owned).collect();
    images.sort();
    Ok(images)
}

/// Fails the test if builds have left something in the tree's work directory or in the engine's store,
/// in which there were these images.
pub(crate) fn nothing_is_left(
    tree: &Path,
    program: &Utf8Path,
    before: &[String],
) -> Result<(), Failed> {
    let left: Vec<_> = fs::read_dir(tree.join("out/.stagex/work"))
        .unwrap()
        .collect();
    expect(
        left.is_empty(),
        &format!("left in the work directory: {left:?}"),
    )?;
    let mut images = images(program)?;
    images.retain(|image| !before.contains(image));
    expect(images.is_empty(), &format!("left in the store: {images:?}"))
}
