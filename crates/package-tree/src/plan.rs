//! The plan: what is selected and all that it needs, in an order that can be built.

use std::collections::BTreeSet;

use camino::Utf8PathBuf;
use rayon::iter::{IntoParallelIterator as _, ParallelIterator as _};
use serde::{Serialize, Serializer};

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
        let package = |place: usize| {
            let output = self.at(place);
            let archives = selection.archives.iter();
            let archives = archives.filter(|(_, of)| **of == place);
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
                requested: selection.outputs.contains(&place),
                archives: archives.map(|(archive, _)| archive.clone()).collect(),
            }
        };
        Ok(Plan {
            version: 1,
            packages: order.into_par_iter().map(package).collect(),
        })
    }

    /// Returns the places of what is selected, with all that it needs, each behind what it needs; of
    /// those that could stand at a place, the first by name does.
    fn order(&self, selected: &BTreeSet<usize>) -> Result<Vec<usize>, Problem> {
        let count = self.outputs().len();
        // How many of its dependencies each output that is needed still waits for.
        let mut waits: Vec<Option<usize>> = vec![None; count];
        let mut needed_by: Vec<Vec<usize>> = vec![Vec::new(); count];
        let mut ready = BTreeSet::new();
        let mut pending: Vec<usize> = selected.iter().copied().collect();
        let mut rest = 0;
        while let Some(place) = pending.pop() {
            if waits[place].is_some() {
                continue;
            }
            let needs = self.needs(place);
            waits[place] = Some(needs.len());
            rest += 1;
            if needs.is_empty() {
                ready.insert(place);
            }
            for &need in needs {
                needed_by[need].push(place);
            }
            pending.extend(needs);
        }

        let mut order = Vec::with_capacity(rest);
        // Outputs are sorted by name, and so are their places.
        while let Some(place) = ready.pop_first() {
            order.push(place);
            for &dependent in &needed_by[place] {
                if let Some(count) = &mut waits[dependent] {
                    *count -= 1;
                    if *count == 0 {
                        ready.insert(dependent);
                    }
                }
            }
        }
        if order.len() == rest {
            Ok(order)
        } else {
            Err(self.cycle(&waits))
        }
    }

    /// Describes a cycle among the outputs that wait for one another.
    fn cycle(&self, waits: &[Option<usize>]) -> Problem {
        let waiting = |&place: &usize| waits[place].is_some_and(|count| count > 0);
        let first = (0..waits.len()).find(waiting);
        let mut trail = vec![first.expect("something waits")];
        loop {
            let last = trail[trail.len() - 1];
            let next = self.needs(last).iter().copied().find(waiting);
            let next = next.expect("what waits for ever waits for something that does");
            let before = trail.iter().position(|place| *place == next);
            trail.push(next);
            if let Some(start) = before {
                let names = trail[start..]
                    .iter()
                    .map(|&each| self.at(each).name.as_str());
                let trail = names.collect::<Vec<_>>().join(" -> ");
                let file = self.at(next).containerfile.clone();
                return Problem::new(format!("packages need one another in a circle: {trail}"))
                    .in_file(file);
            }
        }
    }
}
