//! The plan: what is selected and all that it needs, in an order that can be built.

use std::collections::{BTreeMap, BTreeSet};

use camino::Utf8PathBuf;
use serde::{Serialize, Serializer};

use crate::output::Output;
use crate::problem::{Problem, Problems};
use crate::source::Source;
use crate::target::select;
use crate::tree::Tree;

/// What is to be built, in an order that can be built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// Raised when a field changes its meaning or goes away.
    pub version: u32,
    /// The packages: each stands behind all that it needs.
    pub packages: Vec<PlannedPackage>,
}

/// A package of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlannedPackage {
    /// The full name, `<stage>-<name>`.
    pub name: String,
    /// The stage.
    pub stage: String,
    /// The name without the stage.
    pub package: String,
    /// The package whose files it is built from.
    pub origin: String,
    /// The version, where there is one.
    pub version: Option<String>,
    /// The platforms.
    pub platforms: Vec<String>,
    /// The stage of the Containerfile that is built; the last where there is none.
    pub target: Option<String>,
    /// The Containerfile, relative to the tree's root.
    pub containerfile: Utf8PathBuf,
    /// The package's folder, relative to the tree's root.
    pub context: Utf8PathBuf,
    /// The folder with the sources, relative to the tree's root.
    pub fetch: Utf8PathBuf,
    /// The build arguments, in order.
    #[serde(serialize_with = "pairs")]
    pub build_args: Vec<(String, String)>,
    /// The full names of the packages that it is built from.
    pub dependencies: Vec<String>,
    /// The sources.
    pub sources: Vec<Source>,
    /// How much memory its build needs, in bytes, where the package says so.
    pub memory: Option<u64>,
    /// Whether it was asked for, or is only needed.
    pub requested: bool,
    /// The names, without `.tgz`, of the archives of it that were asked for.
    pub archives: Vec<String>,
}

impl PlannedPackage {
    /// Returns the image's tag: the version, or `latest`.
    pub fn tag(&self) -> &str {
        self.version.as_deref().unwrap_or("latest")
    }
}

fn pairs<S: Serializer>(pairs: &[(String, String)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(pairs)
}

impl Tree {
    /// Plans what `targets` select, and all that it needs; nothing selects everything.
    /// `platform` is for packages that do not say theirs.
    ///
    /// # Errors
    ///
    /// Unknown targets, and packages that need themselves.
    pub fn plan(&self, targets: &[String], platform: &str) -> Result<Plan, Problems> {
        let selection = select(self, targets)?;
        let order = self.order(&selection.outputs)?;
        let package = |output: &Output| {
            let archives = selection
                .archives
                .iter()
                .filter(|(_, name)| **name == output.name);
            let platforms = if output.platforms.is_empty() {
                vec![platform.to_owned()]
            } else {
                output.platforms.clone()
            };
            PlannedPackage {
                name: output.name.clone(),
                stage: output.stage.clone(),
                package: output.package.clone(),
                origin: output.origin.clone(),
                version: output.version.clone(),
                platforms,
                target: output.target.clone(),
                containerfile: output.containerfile.clone(),
                context: output.context.clone(),
                fetch: output.fetch.clone(),
                build_args: output.build_arguments(),
                dependencies: output.dependencies.clone(),
                sources: output.sources.clone(),
                memory: output.memory,
                requested: selection.outputs.contains(&output.name),
                archives: archives.map(|(archive, _)| archive.clone()).collect(),
            }
        };
        Ok(Plan {
            version: 1,
            packages: order.into_iter().map(package).collect(),
        })
    }

    /// Returns the outputs named, with all that they need, each behind what it needs; of those
    /// that could stand at a place, the first by name does.
    fn order(&self, selected: &BTreeSet<String>) -> Result<Vec<&Output>, Problem> {
        let mut needed: BTreeMap<&str, &Output> = BTreeMap::new();
        let mut pending: Vec<&str> = selected.iter().map(String::as_str).collect();
        while let Some(name) = pending.pop() {
            if let Some(output) = self.output(name)
                && needed.insert(&output.name, output).is_none()
            {
                pending.extend(output.dependencies.iter().map(String::as_str));
            }
        }

        let mut waits: BTreeMap<&str, usize> = BTreeMap::new();
        let mut needed_by: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (name, output) in &needed {
            waits.insert(name, output.dependencies.len());
            for dependency in &output.dependencies {
                needed_by.entry(dependency).or_default().push(name);
            }
        }
        let mut ready: BTreeSet<&str> = waits
            .iter()
            .filter(|(_, count)| **count == 0)
            .map(|(name, _)| *name)
            .collect();
        let mut order = Vec::with_capacity(needed.len());
        while let Some(name) = ready.pop_first() {
            waits.remove(name);
            order.push(needed[name]);
            for dependent in needed_by.get(name).into_iter().flatten() {
                if let Some(count) = waits.get_mut(dependent) {
                    *count -= 1;
                    if *count == 0 {
                        ready.insert(dependent);
                    }
                }
            }
        }
        match waits.keys().next() {
            None => Ok(order),
            Some(_) => Err(cycle(&needed, &waits)),
        }
    }
}

/// Describes a cycle among the packages that wait for one another.
fn cycle(needed: &BTreeMap<&str, &Output>, waits: &BTreeMap<&str, usize>) -> Problem {
    let mut trail: Vec<&str> = waits.keys().copied().take(1).collect();
    loop {
        let last = trail[trail.len() - 1];
        let next = needed[last]
            .dependencies
            .iter()
            .map(String::as_str)
            .find(|name| waits.contains_key(name))
            .expect("what waits for ever waits for something that does");
        let before = trail.iter().position(|name| *name == next);
        trail.push(next);
        if let Some(start) = before {
            let trail = trail[start..].join(" -> ");
            let file = needed[next].containerfile.clone();
            return Problem::new(format!("packages need one another in a circle: {trail}"))
                .in_file(file);
        }
    }
}
