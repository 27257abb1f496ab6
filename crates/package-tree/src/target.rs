//! What a target on the command line means, by the spellings of StageX's Makefile.
//!
//! A spelling selects everything that it fits: `rust` is `core-rust` and `pallet-rust`, and a
//! package that is called like a stage is selected together with the stage.

use std::collections::{BTreeMap, BTreeSet};

use crate::near::did_you_mean;
use crate::problem::{Problem, Problems};
use crate::tree::Tree;

/// What a list of targets selects.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Selection {
    /// The full names of outputs.
    pub outputs: BTreeSet<String>,
    /// Archives to write, by their names without `.tgz`, each with the full name of its output.
    pub archives: BTreeMap<String, String>,
}

/// Finds out what `targets` select; nothing at all selects everything.
pub(crate) fn select(tree: &Tree, targets: &[String]) -> Result<Selection, Problems> {
    let mut selection = Selection::default();
    let mut problems = Vec::new();
    if targets.is_empty() {
        selection.outputs = tree.outputs().map(|output| output.name.clone()).collect();
    }
    for target in targets {
        if let Err(problem) = selection.add(tree, target) {
            problems.push(problem);
        }
    }
    if problems.is_empty() {
        Ok(selection)
    } else {
        Err(Problems(problems))
    }
}

impl Selection {
    fn add(&mut self, tree: &Tree, target: &str) -> Result<(), Problem> {
        let file = target
            .strip_prefix("./")
            .unwrap_or(target)
            .strip_prefix("out/");
        if let Some(name) = file.and_then(|file| file.strip_suffix(".tgz")) {
            let found = named(tree, name);
            let [only] = found.as_slice() else {
                return Err(if found.is_empty() {
                    unknown(tree, target, name)
                } else {
                    let several = found.join(", ");
                    let message = format!("`{target}` could be the archive of {several}");
                    Problem::new(message).hint(format!("name one: out/{}.tgz", found[0]))
                });
            };
            self.archives.insert(name.to_owned(), only.clone());
            self.outputs.insert(only.clone());
            return Ok(());
        }
        if let Some(file) = file {
            let name = file.strip_suffix("/index.json").unwrap_or(file);
            let output = tree
                .output(name)
                .ok_or_else(|| unknown(tree, target, name))?;
            self.outputs.insert(output.name.clone());
            return Ok(());
        }
        let found: Vec<String> = if target == "all" {
            tree.outputs().map(|output| output.name.clone()).collect()
        } else {
            let stage = tree.outputs().filter(|output| output.stage == target);
            let stage = stage.map(|output| output.name.clone());
            stage.chain(named(tree, target)).collect()
        };
        if found.is_empty() {
            return Err(unknown(tree, target, target));
        }
        self.outputs.extend(found);
        Ok(())
    }
}

/// Returns the outputs that `name` names: in full, without the stage, or by the package that
/// they are subpackages of.
fn named(tree: &Tree, name: &str) -> Vec<String> {
    let fits = |output: &&crate::output::Output| {
        let of = |part: &str| {
            part == name
                || name
                    .strip_prefix(output.stage.as_str())
                    .and_then(|rest| rest.strip_prefix('-'))
                    .is_some_and(|rest| rest == part)
        };
        of(&output.package) || of(&output.origin)
    };
    tree.outputs()
        .filter(fits)
        .map(|output| output.name.clone())
        .collect()
}

fn unknown(tree: &Tree, target: &str, name: &str) -> Problem {
    let mut known: BTreeSet<&str> = BTreeSet::from(["all"]);
    for output in tree.outputs() {
        known.extend([
            output.name.as_str(),
            output.package.as_str(),
            output.stage.as_str(),
        ]);
    }
    let problem = Problem::new(format!("there is no target `{target}`"));
    match did_you_mean(name, known) {
        Some(hint) => problem.hint(hint),
        None => problem.hint("`stagex make --dry-run` lists every package"),
    }
}
