//! A whole tree: every package read, versions and dependencies resolved, outputs named.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::ops::Range;

use camino::{Utf8Path, Utf8PathBuf};
use containerfile::{Platform, Position, Scope};
use rayon::iter::{IntoParallelRefIterator as _, ParallelIterator as _};

use crate::manifest::Manifest;
use crate::near::did_you_mean;
use crate::output::Output;
use crate::problem::{Problem, Problems};
use crate::source::Source;

/// The platform that packages are built for unless they or the user say otherwise.
pub const DEFAULT_PLATFORM: &str = "linux/amd64";

/// What the names of packages begin with in a Containerfile.
const REFERENCE: &str = "stagex/";

/// A package tree that was read without a problem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tree {
    /// Sorted by name.
    outputs: Vec<Output>,
    /// For each output the places of those that it is built from.
    needs: Vec<Vec<usize>>,
    warnings: Vec<Problem>,
}

/// A package while the tree is read.
struct Package {
    stage: String,
    name: String,
    folder: Utf8PathBuf,
    manifest: Manifest,
    text: String,
    references: Vec<Reference>,
}

/// A package that a Containerfile names, and where.
struct Reference {
    name: String,
    position: Position,
}

impl Package {
    fn manifest_path(&self) -> Utf8PathBuf {
        self.folder.join("package.toml")
    }

    fn full_name(&self) -> String {
        format!("{}-{}", self.stage, self.name)
    }

    /// Returns the names that its outputs have, without the stage.
    fn yields(&self) -> &[String] {
        if self.manifest.subpackages.is_empty() {
            std::slice::from_ref(&self.name)
        } else {
            &self.manifest.subpackages
        }
    }

    /// Makes a problem at a place in its `package.toml`.
    fn problem(&self, place: &Range<usize>, message: impl Into<String>) -> Problem {
        let position = Position::in_source(&self.text, place.start);
        let problem = Problem::new(message).in_file(self.manifest_path());
        problem.at(position.line, position.column)
    }
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
        // Half of the time goes by in the file system, and the rest is parsing.
        let folders = folders(root)?;
        let read: Vec<_> = folders
            .par_iter()
            .map(|folder| read(root, folder))
            .collect();
        for read in read {
            match read {
                Ok(Read::Package(package)) => packages.push(*package),
                Ok(Read::Skipped(why)) => warnings.extend(why),
                Err(found) => problems.extend(found),
            }
        }
        if problems.is_empty() && packages.is_empty() {
            let hint = "name another folder with -C";
            let message = format!("there is no package in {}", root.join("packages"));
            return Err(Problem::new(message).hint(hint).into());
        }
        let outputs = resolve(&packages, &mut problems);
        if !problems.is_empty() {
            // A package that is missing because it is wrong itself would only be noise.
            return Err(Problems(problems));
        }
        let needs = needs(&packages, &outputs)?;
        Ok(Self {
            outputs,
            needs,
            warnings,
        })
    }

    /// Returns all outputs, sorted by name.
    pub fn outputs(&self) -> impl ExactSizeIterator<Item = &Output> {
        self.outputs.iter()
    }

    /// Returns the output with this full name.
    pub fn output(&self, name: &str) -> Option<&Output> {
        self.place(name).map(|place| &self.outputs[place])
    }

    /// Returns the place of the output with this full name among all.
    pub(crate) fn place(&self, name: &str) -> Option<usize> {
        let named = |output: &Output| output.name.as_str().cmp(name);
        self.outputs.binary_search_by(named).ok()
    }

    /// Returns the output at a place.
    pub(crate) fn at(&self, place: usize) -> &Output {
        &self.outputs[place]
    }

    /// Returns the places of what the output at `place` is built from, in the order of its
    /// [`Output::dependencies`].
    pub(crate) fn needs(&self, place: usize) -> &[usize] {
        &self.needs[place]
    }

    /// Returns what a person should know although the tree can be built.
    pub fn warnings(&self) -> &[Problem] {
        &self.warnings
    }
}

/// What a package's folder turned out to be.
enum Read {
    Package(Box<Package>),
    /// No package, with a warning if somebody may think it is one.
    Skipped(Option<Problem>),
}

/// Lists `packages/<stage>/<name>`, sorted, relative to the root.
fn folders(root: &Utf8Path) -> Result<Vec<Utf8PathBuf>, Problem> {
    let list = |folder: &Utf8PathBuf| -> Result<Vec<Utf8PathBuf>, Problem> {
        let failed = |error: io::Error| {
            Problem::new(format!("cannot be read: {error}")).in_file(folder.clone())
        };
        list(root, folder).map_err(failed)
    };
    let top = Utf8PathBuf::from("packages");
    let stages = list(&top).map_err(|problem| {
        problem
            .in_file(root.join(&top))
            .hint("a tree has its packages in packages/<stage>/<name>/")
    })?;
    let packages: Vec<_> = stages.par_iter().map(list).collect::<Result<_, _>>()?;
    Ok(packages.into_iter().flatten().collect())
}

/// Lists the folders in `folder` of the tree in `root`, sorted, without hidden ones.
fn list(root: &Utf8Path, folder: &Utf8Path) -> io::Result<Vec<Utf8PathBuf>> {
    let mut names = Vec::new();
    for entry in root.join(folder).read_dir_utf8()? {
        let entry = entry?;
        let kind = entry.file_type()?;
        // What a link leads to may be a folder too.
        let is_folder =
            kind.is_dir() || (kind.is_symlink() && fs::metadata(entry.path())?.is_dir());
        if is_folder && !entry.file_name().starts_with('.') {
            names.push(entry.file_name().to_owned());
        }
    }
    names.sort_unstable();
    Ok(names.iter().map(|name| folder.join(name)).collect())
}

/// Reads one package's files.
fn read(root: &Utf8Path, folder: &Utf8Path) -> Result<Read, Vec<Problem>> {
    let place = root.join(folder);
    let load = |name: &str| match fs::read_to_string(place.join(name)) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => {
            let problem = Problem::new(format!("cannot be read: {error}"));
            Err(vec![problem.in_file(folder.join(name))])
        }
    };
    let (containerfile, text) = match (load("Containerfile")?, load("package.toml")?) {
        (Some(containerfile), Some(text)) => (containerfile, text),
        (None, None) => return Ok(Read::Skipped(None)),
        (Some(_), None) => {
            let problem = Problem::new("is left out: there is no package.toml beside it");
            return Ok(Read::Skipped(Some(
                problem.in_file(folder.join("Containerfile")),
            )));
        }
        (None, Some(_)) => {
            let problem = Problem::new("there is no Containerfile beside it");
            return Err(vec![problem.in_file(folder.join("package.toml"))]);
        }
    };
    let last = |folder: Option<&Utf8Path>| {
        let name = folder.and_then(Utf8Path::file_name);
        name.unwrap_or_default().to_owned()
    };
    let (name, stage) = (last(Some(folder)), last(folder.parent()));
    let manifest = Manifest::read(&folder.join("package.toml"), &text, &name);
    let references = references(folder, &containerfile);
    match (manifest, references) {
        (Ok(manifest), Ok(references)) => {
            let folder = folder.to_owned();
            let package = Package {
                stage,
                name,
                folder,
                manifest,
                text,
                references,
            };
            Ok(Read::Package(Box::new(package)))
        }
        (Err(mut problems), Err(problem)) => {
            problems.push(problem);
            Err(problems)
        }
        (Err(problems), Ok(_)) => Err(problems),
        (Ok(_), Err(problem)) => Err(vec![problem]),
    }
}

/// Finds the packages that the Containerfile in `folder` names, each once, in the order of the file.
fn references(folder: &Utf8Path, text: &str) -> Result<Vec<Reference>, Problem> {
    let wrong = |error| Problem::of_containerfile(folder.join("Containerfile"), &error);
    let file = containerfile::parse(text).map_err(wrong)?;
    let platform: Platform = DEFAULT_PLATFORM.parse().expect("the default is a platform");
    let mut found: Vec<Reference> = Vec::new();
    for reference in file.references(&Scope::new(platform)).map_err(wrong)? {
        let Some(name) = reference.name.strip_prefix(REFERENCE) else {
            continue;
        };
        let name = name.split([':', '@']).next().unwrap_or_default();
        if found.iter().all(|known| known.name != name) {
            let position = Position::in_source(text, reference.span.start);
            found.push(Reference {
                name: name.to_owned(),
                position,
            });
        }
    }
    Ok(found)
}

/// Names every output and resolves what packages say of one another.
fn resolve(packages: &[Package], problems: &mut Vec<Problem>) -> Vec<Output> {
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
    all.sort_by(|one: &Output, other| one.name.cmp(&other.name));
    for pair in all.windows(2) {
        if let [one, other] = pair
            && one.name == other.name
        {
            let message = format!("`{}` is an output of {} too", one.name, one.context);
            let file = other.context.join("package.toml");
            problems.push(Problem::new(message).in_file(file));
        }
    }
    all
}

/// Names the outputs of one package.
fn outputs(package: &Package, versions: &Versions<'_>) -> Result<Vec<Output>, Vec<Problem>> {
    let version = versions.of(package).map_err(|problem| vec![problem])?;
    let mut problems = Vec::new();
    let mut sources: Vec<Source> = Vec::with_capacity(package.manifest.sources.len());
    for (description, place) in &package.manifest.sources {
        match description.expand(version.as_deref()) {
            Ok(source) => {
                let same_file = |other: &&Source| other.file == source.file;
                if let Some(other) = sources.iter().find(same_file)
                    && other.hash != source.hash
                {
                    let message = format!(
                        "sources `{}` and `{}` are both called `{}`",
                        other.key, source.key, source.file
                    );
                    let problem = package.problem(place, message);
                    problems.push(problem.hint("give one another `file`"));
                }
                sources.push(source);
            }
            Err(message) => {
                let message = format!("source `{}`: {message}", description.key);
                problems.push(package.problem(place, message));
            }
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let output = |yielded: &String| output(package, yielded, version.clone(), &sources);
    Ok(package.yields().iter().map(output).collect())
}

fn output(package: &Package, yielded: &str, version: Option<String>, sources: &[Source]) -> Output {
    let is_subpackage = !package.manifest.subpackages.is_empty();
    Output {
        name: format!("{}-{yielded}", package.stage),
        stage: package.stage.clone(),
        package: yielded.to_owned(),
        origin: package.name.clone(),
        version,
        platforms: package.manifest.platforms.clone(),
        target: is_subpackage.then(|| format!("package-{yielded}")),
        context: package.folder.clone(),
        containerfile: package.folder.join("Containerfile"),
        fetch: Utf8Path::new("fetch")
            .join(&package.stage)
            .join(&package.name),
        sources: sources.to_vec(),
        dependencies: package
            .references
            .iter()
            .map(|each| each.name.clone())
            .collect(),
        memory: package.manifest.memory,
    }
}

/// Returns for each output the places of those that it is built from.
///
/// # Errors
///
/// A problem for each package that is named and is not there.
fn needs(packages: &[Package], outputs: &[Output]) -> Result<Vec<Vec<usize>>, Problems> {
    let places: BTreeMap<&str, usize> = outputs
        .iter()
        .enumerate()
        .map(|(place, output)| (output.name.as_str(), place))
        .collect();
    let needs = |output: &Output| -> Option<Vec<usize>> {
        let names = output.dependencies.iter();
        names
            .map(|name| places.get(name.as_str()).copied())
            .collect()
    };
    let found: Option<Vec<_>> = outputs.par_iter().map(needs).collect();
    found.ok_or_else(|| {
        let problems = packages
            .iter()
            .flat_map(|package| missing(package, &places));
        Problems(problems.collect())
    })
}

/// Returns a problem for each package that is named and is not there.
fn missing(package: &Package, places: &BTreeMap<&str, usize>) -> Vec<Problem> {
    let absent = |reference: &&Reference| !places.contains_key(reference.name.as_str());
    let problem = |reference: &Reference| {
        let name = &reference.name;
        let mut problem = Problem::new(format!("there is no package `{name}`"))
            .in_file(package.folder.join("Containerfile"))
            .at(reference.position.line, reference.position.column);
        problem.hint = did_you_mean(name, places.keys().copied());
        problem
    };
    package
        .references
        .iter()
        .filter(absent)
        .map(problem)
        .collect()
}

/// The versions of all packages, with those that are another's.
struct Versions<'a> {
    /// By full name: of packages, and of their outputs; empty if nobody asks for any.
    packages: BTreeMap<String, &'a Package>,
}

impl<'a> Versions<'a> {
    fn new(packages: &'a [Package]) -> Self {
        let asks = |package: &Package| package.manifest.version_from.is_some();
        if !packages.iter().any(asks) {
            return Self {
                packages: BTreeMap::new(),
            };
        }
        let mut by_name = BTreeMap::new();
        for package in packages {
            for yielded in package.yields() {
                by_name.insert(format!("{}-{yielded}", package.stage), package);
            }
        }
        for package in packages {
            by_name.entry(package.full_name()).or_insert(package);
        }
        Self { packages: by_name }
    }

    /// Returns a package's version, following `version_from` as far as it goes.
    fn of(&self, package: &'a Package) -> Result<Option<String>, Problem> {
        if package.manifest.version_from.is_none() {
            return Ok(package.manifest.version.clone());
        }
        let mut trail = vec![package.full_name()];
        let mut current = package;
        while let Some((from, place)) = &current.manifest.version_from {
            let Some(next) = self.packages.get(from) else {
                let message =
                    format!("`version_from` names `{from}`, and there is no such package");
                let mut problem = current.problem(place, message);
                problem.hint = did_you_mean(from, self.packages.keys().map(String::as_str));
                return Err(problem);
            };
            trail.push(next.full_name());
            if trail[..trail.len() - 1].contains(&trail[trail.len() - 1]) {
                let message = format!("`version_from` goes in a circle: {}", trail.join(" -> "));
                return Err(current.problem(place, message));
            }
            current = next;
        }
        Ok(current.manifest.version.clone())
    }
}
