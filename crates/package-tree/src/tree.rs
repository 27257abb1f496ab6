//! A whole tree: every package read, versions and dependencies resolved, outputs named.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;

use beneath::{Directory, Kind};
use camino::Utf8Path;
use containerfile::{Platform, Scope};
use rayon::iter::{IntoParallelRefIterator as _, ParallelIterator as _};

use crate::near::did_you_mean;
use crate::output::Output;
use crate::package::{self, NoPackage, Package, Read, Reference};
use crate::problem::{Problem, Problems};
use crate::source::{Seed, Source};
use crate::versions::Versions;

/// The platform that packages are built for unless they or the user say otherwise.
pub const DEFAULT_PLATFORM: &str = "linux/amd64";

/// A package tree that was read without a problem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tree {
    /// Sorted by name.
    outputs: Vec<Arc<Output>>,
    /// For each output the places of those that it is built from.
    needs: Vec<Vec<usize>>,
    warnings: Vec<Problem>,
}

impl Tree {
    /// Reads the tree in `root`: every `packages/<stage>/<name>/` that has a Containerfile.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with the tree, each with its place.
    pub fn open(root: &Utf8Path) -> Result<Self, Problems> {
        let mut problems = Vec::new();
        let mut warnings = Vec::new();
        let mut packages = Vec::new();
        let read = read(&stages(root)?, |read| read.package);
        for package in read.into_iter().flatten() {
            match package {
                Ok(package) => packages.push(package),
                Err(NoPackage::Skipped(why)) => warnings.extend(why),
                Err(NoPackage::Wrong(found)) => problems.extend(found),
            }
        }
        if problems.is_empty() && packages.is_empty() {
            return Err(no_package(root).into());
        }
        let outputs = resolve(&packages, &mut problems);
        if !problems.is_empty() {
            // A package that is missing because it is wrong itself would only be noise.
            return Err(Problems(problems));
        }
        let (tree, missing) = Self::of(&packages, outputs, warnings);
        if missing.is_empty() {
            Ok(tree)
        } else {
            Err(Problems(missing))
        }
    }

    /// Makes a tree of outputs, sorted by name. Returns a problem for each package that is named and is not there;
    /// nobody needs those in the tree.
    pub(crate) fn of(
        packages: &[Package],
        outputs: Vec<Arc<Output>>,
        warnings: Vec<Problem>,
    ) -> (Self, Vec<Problem>) {
        let (needs, missing) = needs(packages, &outputs);
        let tree = Self {
            outputs,
            needs,
            warnings,
        };
        (tree, missing)
    }

    /// Returns all outputs, sorted by name.
    pub fn outputs(&self) -> impl ExactSizeIterator<Item = &Output> + Clone {
        self.outputs.iter().map(Arc::as_ref)
    }

    /// Returns the output with this full name.
    pub fn output(&self, name: &str) -> Option<&Output> {
        self.place(name).map(|place| &*self.outputs[place])
    }

    /// Returns the place of the output with this full name among all.
    pub(crate) fn place(&self, name: &str) -> Option<usize> {
        let named = |output: &Arc<Output>| output.name.as_str().cmp(name);
        self.outputs.binary_search_by(named).ok()
    }

    /// Returns the output at a place.
    pub(crate) fn at(&self, place: usize) -> &Arc<Output> {
        &self.outputs[place]
    }

    /// Returns the places of what the output at `place` is built from, in the order of its
    /// [`Output::dependencies`].
    pub(crate) fn needs(&self, place: usize) -> &[usize] {
        &self.needs[place]
    }

    /// Returns what a person who builds `targets` should know, although the tree can be built.
    pub fn warnings(&self, targets: &[String]) -> impl Iterator<Item = &Problem> {
        let warnings = self.warnings.iter();
        warnings.filter(move |warning| match &warning.file {
            Some(file) => is_selected(file, targets),
            None => true,
        })
    }
}

/// Says that there is no package in a tree.
pub(crate) fn no_package(root: &Utf8Path) -> Problem {
    let hint = "name the tree's directory with -C";
    let message = format!("there is no package in {}", root.join("packages"));
    Problem::new(message).hint(hint)
}

/// Whether `targets` select the directory of a package that `file` is in, if it were a package.
fn is_selected(file: &Utf8Path, targets: &[String]) -> bool {
    let mut parts = file.components().skip(1).map(|part| part.as_str());
    let stage = parts.next().unwrap_or_default();
    let name = parts.next().unwrap_or_default();
    let full = format!("{stage}-{name}");
    let selects = |target: &String| ["all", stage, name, &full].contains(&target.as_str());
    targets.is_empty() || targets.iter().any(selects)
}

/// A stage: its directory, and the names of what may be packages there, sorted.
pub(crate) struct Stage {
    pub(crate) name: String,
    directory: Directory,
    pub(crate) packages: Vec<String>,
}

/// Lists `packages/<stage>/<name>`, sorted. No link is followed: where one in a tree leads to is for
/// whoever wrote the tree to say, and may be anywhere on the machine.
pub(crate) fn stages(root: &Utf8Path) -> Result<Vec<Stage>, Problem> {
    let place = Utf8Path::new("packages");
    let top = Directory::open(root)
        .and_then(|root| root.directory(place))
        .map_err(|error| {
            let hint =
                "a tree has its packages in packages/<stage>/<name>/; -C DIR works on another one";
            let mut problem = Problem::unreadable(&error).in_file(root.join(place));
            problem.hint.get_or_insert_with(|| hint.to_owned());
            problem
        })?;
    let stage = |name: &String| {
        let path = place.join(name);
        let directory = top
            .directory(name.as_str().into())
            .map_err(|error| Problem::unreadable(&error).in_file(&path))?;
        Ok(Stage {
            name: name.clone(),
            packages: list(&directory, &path)?,
            directory,
        })
    };
    list(&top, place)?.par_iter().map(stage).collect()
}

/// Lists the directories in one of the tree, at `place`, sorted, without hidden ones.
fn list(directory: &Directory, place: &Utf8Path) -> Result<Vec<String>, Problem> {
    let entries = directory.entries();
    let mut names = Vec::new();
    for entry in entries.map_err(|error| Problem::unreadable(&error).in_file(place))? {
        let path = place.join(&entry.name);
        let leads_to_directory =
            || fs::metadata(directory.path().join(&entry.name)).is_ok_and(|found| found.is_dir());
        match entry.kind {
            _ if entry.name.starts_with('.') => {}
            Kind::Directory if entry.name.contains(char::REPLACEMENT_CHARACTER) => {
                let problem = Problem::new("the name is not UTF-8").in_file(path);
                return Err(problem.hint("rename the directory"));
            }
            Kind::Directory => names.push(entry.name),
            Kind::Link if leads_to_directory() => {
                let link = beneath::Problem::Link(entry.name.clone().into());
                return Err(Problem::unreadable(&link.into()).in_file(path));
            }
            _ => {}
        }
    }
    Ok(names)
}

/// Reads all packages, in the order of their directories. Each stage is opened once: the way to each of
/// its files is short then. Of each only what `take` takes is kept: the rest is given back by those who read it, all at
/// once.
pub(crate) fn read<T: Send>(stages: &[Stage], take: impl Fn(Read) -> T + Sync) -> Vec<Vec<T>> {
    let platform: Platform = DEFAULT_PLATFORM.parse().expect("the default is a platform");
    let scope = Scope::new(platform);
    let read = |stage: &Stage| {
        let packages = stage.packages.par_iter();
        packages
            .map(|package| {
                take(package::read(
                    &stage.directory,
                    &stage.name,
                    package,
                    &scope,
                ))
            })
            .collect()
    };
    stages.par_iter().map(read).collect()
}

/// Names every output and resolves what packages say of one another.
pub(crate) fn resolve(packages: &[Package], problems: &mut Vec<Problem>) -> Vec<Arc<Output>> {
    let versions = Versions::new(packages);
    let resolved: Vec<_> = packages
        .par_iter()
        .map(|package| outputs(package, &versions))
        .collect();
    let mut all = Vec::with_capacity(packages.len());
    for resolved in resolved {
        match resolved {
            Ok(outputs) => all.extend(outputs),
            Err(found) => problems.extend(found),
        }
    }
    // Of those with one name, the first package's stays first.
    all.sort_by(|one: &Arc<Output>, other| one.name.cmp(&other.name));
    for pair in all.windows(2) {
        if let [one, other] = pair
            && one.name == other.name
        {
            let message = format!("`{}` is also an output of {}", one.name, one.context);
            let file = other.context.join("package.toml");
            problems.push(Problem::new(message).in_file(file));
        }
    }
    all
}

/// Names the outputs of one package.
fn outputs(package: &Package, versions: &Versions<'_>) -> Result<Vec<Arc<Output>>, Vec<Problem>> {
    let found = versions.of(package).map_err(|problem| vec![problem])?;
    let mut problems = Vec::new();
    let mut sources: Vec<Source> = Vec::with_capacity(package.manifest.sources.len());
    for (description, position) in &package.manifest.sources {
        match description.expand(found.version.as_deref(), position.line) {
            Ok(source) => {
                let same_file = |other: &&Source| other.file == source.file;
                if let Some(other) = sources.iter().find(same_file)
                    && other.hash != source.hash
                {
                    let message = format!(
                        "sources `{}` and `{}` have the same file name, `{}`",
                        other.key, source.key, source.file
                    );
                    let problem = package.problem(*position, message);
                    problems.push(problem.hint("set `file` of one of them"));
                }
                sources.push(source);
            }
            Err(message) => {
                let message = format!("source `{}`: {message}", description.key);
                problems.push(package.problem(*position, message));
            }
        }
    }
    if let (Some(position), [_, second, ..]) = (
        package.manifest.seeds_at,
        package.manifest.platforms.as_slice(),
    ) {
        let message = format!("has seeds, and a second platform, `{second}`");
        let hint = "a root file system is of one platform: make a package for each platform";
        problems.push(package.problem(position, message).hint(hint));
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let seed = |(name, key): &(String, String)| {
        let source = sources.iter().find(|source| source.key == *key)?;
        let (name, source) = (name.clone(), source.clone());
        Some(Seed { name, source })
    };
    let seeds: Arc<[Seed]> = package.manifest.seeds.iter().filter_map(seed).collect();
    let sources = Arc::from(sources);
    let version_from = Arc::from(found.from);
    let network = package.manifest.network.iter();
    let network: Arc<[_]> = network.map(|(exception, _)| exception.clone()).collect();
    let output = |yielded: &String| {
        let is_subpackage = !package.manifest.subpackages.is_empty();
        Arc::new(Output {
            name: format!("{}-{yielded}", package.stage),
            stage: package.stage.clone(),
            package: yielded.clone(),
            origin: package.name.clone(),
            version: found.version.clone(),
            platforms: package.manifest.platforms.clone(),
            target: is_subpackage.then(|| format!("package-{yielded}")),
            context: package.directory(),
            version_from: Arc::clone(&version_from),
            sources: Arc::clone(&sources),
            seeds: Arc::clone(&seeds),
            references: Arc::clone(&package.references),
            network: Arc::clone(&network),
            runs: Arc::clone(&package.runs),
            memory: package.manifest.memory,
        })
    };
    Ok(package.yields().iter().map(output).collect())
}

/// Returns for each output the places of those that it is built from, and a problem for each package that is named
/// and is not there.
fn needs(packages: &[Package], outputs: &[Arc<Output>]) -> (Vec<Vec<usize>>, Vec<Problem>) {
    let places: BTreeMap<&str, usize> = outputs
        .iter()
        .enumerate()
        .map(|(place, output)| (output.name.as_str(), place))
        .collect();
    let needs = |output: &Arc<Output>| {
        let place = |reference: &Reference| {
            let place = places.get(reference.name.as_str()).copied();
            place.filter(|_| reference.is_package)
        };
        let found: Vec<_> = output.references.iter().filter_map(place).collect();
        let has_version = |reference: &Reference| !reference.versions.is_empty();
        let are_all =
            found.len() == output.references.len() && !output.references.iter().any(has_version);
        (found, are_all)
    };
    let found: Vec<_> = outputs.par_iter().map(needs).collect();
    let missing = if found.iter().all(|(_, are_all)| *are_all) {
        Vec::new()
    } else {
        let packages = packages.iter();
        packages
            .flat_map(|package| {
                let others = other_versions(package, &places, outputs);
                missing(package, &places).into_iter().chain(others)
            })
            .collect()
    };
    (found.into_iter().map(|(needs, _)| needs).collect(), missing)
}

/// Returns a problem for each package that is named with another version than it has here, or with a digest.
fn other_versions(
    package: &Package,
    places: &BTreeMap<&str, usize>,
    outputs: &[Arc<Output>],
) -> Vec<Problem> {
    let mut problems = Vec::new();
    for reference in package.references.iter() {
        let Some(place) = places.get(reference.name.as_str()) else {
            continue;
        };
        let tag = outputs[*place].tag();
        for (version, position) in &reference.versions {
            if version.strip_prefix(':') != Some(tag) {
                let name = &reference.name;
                let message = format!(
                    "`stagex/{name}{version}` is not what this tree has, which is `{name}:{tag}`"
                );
                let mut problem = package.problem_of_containerfile(*position, message);
                problem.hint = Some(format!("name it as `stagex/{name}`"));
                problems.push(problem);
            }
        }
    }
    problems
}

/// Returns a problem for each package that is named and is not there.
fn missing(package: &Package, places: &BTreeMap<&str, usize>) -> Vec<Problem> {
    let absent = |reference: &&Reference| {
        !(reference.is_package && places.contains_key(reference.name.as_str()))
    };
    let problem = |reference: &Reference| {
        let name = &reference.name;
        let (message, hint) = if reference.is_package {
            let hint = did_you_mean(name, places.keys().copied());
            (format!("there is no package `{name}`"), hint)
        } else if reference.is_seed() {
            let hint =
                "declare what it stands for in package.toml: [seeds.NAME] with source = \"KEY\"";
            let message =
                format!("`{name}` is neither a stage nor a package, and there are no seeds");
            (message, Some(hint.to_owned()))
        } else {
            let hint = "nothing is pulled: a package is named `stagex/<stage>-<name>`, the sources' \
                        directory is `fetch`";
            let message = format!("`{name}` is neither a stage nor a package");
            (message, Some(hint.to_owned()))
        };
        let mut problem = package.problem_of_containerfile(reference.position, message);
        problem.hint = hint;
        problem
    };
    package
        .references
        .iter()
        .filter(absent)
        .map(problem)
        .collect()
}
