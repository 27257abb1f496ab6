//! The plan: what is selected and all that it needs, in an order that can be built.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};
use std::ops::Deref;
use std::sync::Arc;

use crate::output::Output;
use crate::problem::{Problem, Problems};
use crate::target::select;
use crate::tree::Tree;

/// What is to be built, in an order that can be built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The packages: each stands behind all that it needs.
    pub packages: Vec<PlannedPackage>,
}

/// A package of a plan: an output, and what the plan says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedPackage {
    /// What is built.
    pub output: Arc<Output>,
    /// The platforms that it is built for: its own, or the user's.
    pub platforms: Arc<[String]>,
    /// Whether it was asked for, or is only needed.
    pub requested: bool,
    /// The names, without `.tgz`, of the archives of it that were asked for.
    pub archives: Vec<String>,
    first_arguments: BuildArguments,
}

/// Build arguments, in order: of each its name and its value.
pub type BuildArguments = &'static [(&'static str, &'static str)];

impl PlannedPackage {
    /// Returns the build arguments, in order: those that every build is given first, then those that the
    /// package gives.
    pub fn build_arguments(&self) -> Vec<(String, String)> {
        let first = self.first_arguments.iter();
        let mut arguments: Vec<(String, String)> = first
            .map(|&(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        self.output.add_arguments(&mut arguments);
        arguments
    }
}

impl Deref for PlannedPackage {
    type Target = Output;

    fn deref(&self) -> &Output {
        &self.output
    }
}

impl From<&Plan> for documents::Plan {
    fn from(plan: &Plan) -> Self {
        Self {
            version: documents::Version,
            packages: plan.packages.iter().map(Into::into).collect(),
        }
    }
}

impl From<&PlannedPackage> for documents::PlannedPackage {
    fn from(package: &PlannedPackage) -> Self {
        Self {
            name: package.name.clone(),
            stage: package.stage.clone(),
            package: package.package.clone(),
            origin: package.origin.clone(),
            version: package.version.clone(),
            platforms: package.platforms.to_vec(),
            target: package.target.clone(),
            containerfile: package.containerfile().into_string(),
            context: package.context.to_string(),
            fetch: package.fetch().into_string(),
            build_args: package.build_arguments(),
            dependencies: package.dependencies().map(str::to_owned).collect(),
            sources: package.sources.iter().map(Into::into).collect(),
            seeds: package.seeds.iter().map(Into::into).collect(),
            memory: package.memory,
            requested: package.requested,
            archives: package.archives.clone(),
        }
    }
}

impl Plan {
    /// Returns the packages that a target selects, which was among those that were planned.
    ///
    /// # Errors
    ///
    /// An unknown target.
    pub fn selected(&self, tree: &Tree, target: &str) -> Result<Vec<&PlannedPackage>, Problems> {
        let selection = select(tree, &[target.to_owned()])?;
        let names = selection.outputs.iter().map(|&place| &tree.at(place).name);
        let names: BTreeSet<&String> = names.collect();
        let packages = self.packages.iter();
        Ok(packages
            .filter(|package| names.contains(&package.name))
            .collect())
    }
}

impl Tree {
    /// Plans what `targets` select, and all that it needs; nothing selects everything.
    /// `platform` is for packages that do not say theirs; it may be several, separated by commas. Every
    /// build is given `first_arguments` before its own.
    ///
    /// # Errors
    ///
    /// Unknown targets, names that are no platforms, and packages that need themselves.
    pub fn plan(
        &self,
        targets: &[String],
        platform: &str,
        first_arguments: BuildArguments,
    ) -> Result<Plan, Problems> {
        let selection = select(self, targets)?;
        let order = self.order(&selection.outputs)?;
        let usual: Arc<[String]> = platforms(platform)?.into();
        if let [_, second, ..] = &*usual {
            let planned = order.iter().map(|place| self.at(*place));
            let mut with_seeds = planned.filter(|output| !output.seeds.is_empty());
            if let Some(output) = with_seeds.find(|output| output.platforms.is_empty()) {
                let message = format!(
                    "`{}` has seeds, and a second platform is asked for, `{second}`",
                    output.name
                );
                let hint = "a root file system is of one platform: name one, or give the package its own in package.toml";
                return Err(Problem::new(message).hint(hint).into());
            }
        }
        let package = |place: usize| {
            let output = Arc::clone(self.at(place));
            let archives = selection.archives.iter();
            let archives = archives.filter(|(_, of)| **of == place);
            let platforms = if output.platforms.is_empty() {
                Arc::clone(&usual)
            } else {
                output.platforms.as_slice().into()
            };
            PlannedPackage {
                output,
                platforms,
                requested: selection.outputs.contains(&place),
                archives: archives.map(|(archive, _)| archive.clone()).collect(),
                first_arguments,
            }
        };
        Ok(Plan {
            packages: order.into_iter().map(package).collect(),
        })
    }

    /// Returns the places of what is selected, with all that it needs, each behind what it needs; of
    /// those that could stand at a place, the first by name does.
    fn order(&self, selected: &BTreeSet<usize>) -> Result<Vec<usize>, Problem> {
        let count = self.outputs().len();
        // How many of its dependencies each output that is needed still waits for.
        let mut waits: Vec<Option<usize>> = vec![None; count];
        let mut needed_by: Vec<Vec<usize>> = vec![Vec::new(); count];
        let mut ready = BinaryHeap::new();
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
                ready.push(Reverse(place));
            }
            for &need in needs {
                needed_by[need].push(place);
            }
            pending.extend(needs);
        }

        let mut order = Vec::with_capacity(rest);
        // Outputs are sorted by name, and so are their places.
        while let Some(Reverse(place)) = ready.pop() {
            order.push(place);
            for &dependent in &needed_by[place] {
                if let Some(count) = &mut waits[dependent] {
                    *count -= 1;
                    if *count == 0 {
                        ready.push(Reverse(dependent));
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
                let file = self.at(next).containerfile();
                return Problem::new(format!("circular dependency between packages: {trail}"))
                    .in_file(file);
            }
        }
    }
}

/// Reads platforms that are separated by commas.
fn platforms(list: &str) -> Result<Vec<String>, Problem> {
    let mut platforms = Vec::new();
    for name in list.split(',') {
        if let Err(error) = name.parse::<containerfile::Platform>() {
            return Err(Problem::new(error.to_string()));
        }
        if platforms.iter().any(|known| known == name) {
            return Err(Problem::new(format!("`{name}` is named twice")));
        }
        platforms.push(name.to_owned());
    }
    Ok(platforms)
}
