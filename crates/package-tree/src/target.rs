//! What a target on the command line means, by the spellings of StageX's Makefile.
//!
//! A spelling selects everything that it fits: `rust` is `core-rust` and `pallet-rust`, and a
//! package that is called like a stage is selected together with the stage.

use std::collections::{BTreeMap, BTreeSet};

use crate::near::did_you_mean;
use crate::output::Output;
use crate::problem::{Problem, Problems};
use crate::tree::Tree;

/// What a list of targets selects.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Selection {
    /// The places of outputs.
    pub outputs: BTreeSet<usize>,
    /// Archives to write, by their names without `.tgz`, each with the place of its output.
    pub archives: BTreeMap<String, usize>,
}

/// Finds out what `targets` select; nothing at all selects everything.
pub(crate) fn select(tree: &Tree, targets: &[String]) -> Result<Selection, Problems> {
    let mut selection = Selection::default();
    let mut problems = Vec::new();
    if targets.is_empty() {
        selection.outputs = (0..tree.outputs().len()).collect();
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
                let names: Vec<&str> = found
                    .iter()
                    .map(|&each| tree.at(each).name.as_str())
                    .collect();
                return Err(match names.first() {
                    None => unknown(tree, target, name),
                    Some(first) => {
                        let several = names.join(", ");
                        let message = format!("`{target}` could be the archive of {several}");
                        Problem::new(message).hint(format!("name one: out/{first}.tgz"))
                    }
                });
            };
            self.archives.insert(name.to_owned(), *only);
            self.outputs.insert(*only);
            return Ok(());
        }
        if let Some(file) = file {
            let name = file.strip_suffix("/index.json").unwrap_or(file);
            let place = tree
                .place(name)
                .ok_or_else(|| unknown(tree, target, name))?;
            self.outputs.insert(place);
            return Ok(());
        }
        let found: Vec<usize> = if target == "all" {
            (0..tree.outputs().len()).collect()
        } else {
            let of_stage = |output: &Output| output.stage == target;
            let mut found = places(tree, of_stage);
            found.extend(named(tree, target));
            found
        };
        if found.is_empty() {
            return Err(unknown(tree, target, target));
        }
        self.outputs.extend(found);
        Ok(())
    }
}

/// Returns the places of the outputs that fit.
fn places(tree: &Tree, fits: impl Fn(&Output) -> bool) -> Vec<usize> {
    let outputs = tree.outputs().enumerate();
    let fitting = outputs.filter(|(_, output)| fits(output));
    fitting.map(|(place, _)| place).collect()
}

/// Returns the places of the outputs that `name` names: in full, without the stage, or by the
/// package that they are subpackages of.
fn named(tree: &Tree, name: &str) -> Vec<usize> {
    let fits = |output: &Output| {
        let of = |part: &str| {
            part == name
                || name
                    .strip_prefix(output.stage.as_str())
                    .and_then(|rest| rest.strip_prefix('-'))
                    .is_some_and(|rest| rest == part)
        };
        of(&output.package) || of(&output.origin)
    };
    places(tree, fits)
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
