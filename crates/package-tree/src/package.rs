//! One package as its directory has it: its two files, read.
//!
//! Knows nothing of other packages.

use std::io;
use std::sync::Arc;

use beneath::Directory;
use camino::{Utf8Path, Utf8PathBuf};
use containerfile::{Containerfile, Position, Scope};

use crate::manifest::Manifest;
use crate::network::Runs;
use crate::problem::Problem;

/// What the names of packages begin with in a Containerfile.
const REFERENCE: &str = "stagex/";
/// The name of the directory with the sources, where an image could be named.
const SOURCES: &str = "fetch";
/// The name of the root file system that a package with seeds is built from, where an image could be named.
pub const SEED: &str = "seed";

const CONTAINERFILE: &str = "Containerfile";
const MANIFEST: &str = "package.toml";

/// The most images that a Containerfile names: all outputs of a package have a list of them.
const MOST_REFERENCES: usize = 4096;

/// A package while the tree is read.
pub(crate) struct Package {
    pub(crate) stage: String,
    pub(crate) name: String,
    pub(crate) manifest: Manifest,
    pub(crate) references: Arc<[Reference]>,
    pub(crate) runs: Arc<Runs>,
}

/// A package that a Containerfile names, or what else it takes for an image, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reference {
    pub(crate) name: String,
    /// The tags and digests that a package is named with, as they are written, and where.
    pub(crate) versions: Vec<(String, Position)>,
    /// Whether it is named as a package.
    pub(crate) is_package: bool,
    pub(crate) position: Position,
}

impl Reference {
    /// Whether it is the name of the seeds, where there are any.
    pub(crate) fn is_seed(&self) -> bool {
        !self.is_package && self.name == SEED
    }
}

/// Why a directory gives no package.
pub(crate) enum NoPackage {
    /// It is none, with a warning if somebody may think that it is one.
    Skipped(Option<Problem>),
    /// It is a package, and is wrong.
    Wrong(Vec<Problem>),
}

impl Package {
    /// Returns its directory, relative to the tree's root.
    pub(crate) fn directory(&self) -> Utf8PathBuf {
        directory(&self.stage, &self.name)
    }

    pub(crate) fn full_name(&self) -> String {
        format!("{}-{}", self.stage, self.name)
    }

    /// Returns the names that its outputs have, without the stage.
    pub(crate) fn yields(&self) -> &[String] {
        if self.manifest.subpackages.is_empty() {
            std::slice::from_ref(&self.name)
        } else {
            &self.manifest.subpackages
        }
    }

    /// Makes a problem at a place in its `package.toml`.
    pub(crate) fn problem(&self, position: Position, message: impl Into<String>) -> Problem {
        let problem = Problem::new(message).in_file(self.directory().join(MANIFEST));
        problem.at(position.line, position.column)
    }

    /// Makes a problem at a place in its Containerfile.
    pub(crate) fn problem_of_containerfile(
        &self,
        position: Position,
        message: impl Into<String>,
    ) -> Problem {
        let problem = Problem::new(message).in_file(self.directory().join(CONTAINERFILE));
        problem.at(position.line, position.column)
    }
}

/// Returns the directory of a package, relative to the tree's root.
fn directory(stage: &str, name: &str) -> Utf8PathBuf {
    ["packages", stage, name].iter().collect()
}

/// What the directory of a package has.
pub(crate) struct Read {
    /// The Containerfile, if there is one that can be parsed.
    pub(crate) containerfile: Option<Containerfile>,
    /// The text of a Containerfile that cannot be parsed.
    pub(crate) unparsed: Option<String>,
    /// The text of its `package.toml`, if that can be read.
    pub(crate) manifest: Option<String>,
    /// The package, or why there is none.
    pub(crate) package: Result<Package, NoPackage>,
}

/// Reads the package `name` in the directory of a stage, which is open.
pub(crate) fn read(beside: &Directory, stage: &str, name: &str, scope: &Scope) -> Read {
    let mut read = Read {
        containerfile: None,
        unparsed: None,
        manifest: None,
        package: Err(NoPackage::Skipped(None)),
    };
    read.package = package(beside, stage, name, scope, &mut read);
    read
}

/// Reads a package, and keeps in `kept` what its files say.
///
/// # Errors
///
/// Why there is no package.
fn package(
    beside: &Directory,
    stage: &str,
    name: &str,
    scope: &Scope,
    kept: &mut Read,
) -> Result<Package, NoPackage> {
    let in_file = |problem: Problem, file: &str| problem.in_file(directory(stage, name).join(file));
    let load = |file: &str| match beside.read_text(&Utf8Path::new(name).join(file), beneath::TEXT) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(NoPackage::Wrong(vec![in_file(
            Problem::unreadable(&error),
            file,
        )])),
    };
    let text = load(CONTAINERFILE);
    kept.manifest = load(MANIFEST)?;
    let text = text?;
    let parsed = text.as_deref().map(containerfile::parse).transpose();
    let wrong = |error| Problem::of_containerfile(&error);
    let references = match &parsed {
        Ok(Some(file)) => references(file, scope),
        Ok(None) => Ok(Vec::new()),
        Err(error) => Err(wrong(error.clone())),
    };
    let is_there = text.is_some();
    if parsed.is_err() {
        kept.unparsed = text;
    }
    kept.containerfile = parsed.ok().flatten();
    let manifest = match (is_there, &kept.manifest) {
        (true, Some(manifest)) => manifest,
        (false, None) => return Err(NoPackage::Skipped(None)),
        (true, None) => {
            let problem = Problem::new("is ignored: there is no package.toml beside it");
            return Err(NoPackage::Skipped(Some(in_file(problem, CONTAINERFILE))));
        }
        (false, Some(_)) => {
            let problem = Problem::new("there is no Containerfile beside it");
            return Err(NoPackage::Wrong(vec![in_file(problem, MANIFEST)]));
        }
    };
    let manifest = Manifest::read(manifest, stage, name);
    match (manifest, references) {
        (Ok(manifest), Ok(mut references)) => {
            if let Some(position) = manifest.seeds_at {
                let found = references.iter().position(Reference::is_seed);
                let Some(found) = found else {
                    let message = "no instruction uses the seeds";
                    let hint =
                        "name them as `seed`: FROM seed, COPY --from=seed or RUN --mount=from=seed";
                    let problem = Problem::new(message).at(position.line, position.column);
                    let problem = in_file(problem.hint(hint), MANIFEST);
                    return Err(NoPackage::Wrong(vec![problem]));
                };
                references.remove(found);
            }
            let runs = kept
                .containerfile
                .as_ref()
                .map(Runs::of)
                .unwrap_or_default();
            let unknown: Vec<Problem> = runs.problems(&manifest.network).collect();
            if !unknown.is_empty() {
                let problems = unknown.into_iter();
                let problems = problems.map(|problem| in_file(problem, MANIFEST));
                return Err(NoPackage::Wrong(problems.collect()));
            }
            Ok(Package {
                stage: stage.to_owned(),
                name: name.to_owned(),
                manifest,
                references: references.into(),
                runs: runs.into(),
            })
        }
        (manifest, references) => {
            let of_manifest = manifest.err().unwrap_or_default().into_iter();
            let of_containerfile = references.err().into_iter();
            let problems = of_manifest
                .map(|problem| in_file(problem, MANIFEST))
                .chain(of_containerfile.map(|problem| in_file(problem, CONTAINERFILE)));
            Err(NoPackage::Wrong(problems.collect()))
        }
    }
}

/// Finds the packages that a Containerfile names, and what it names that can be none, each once, in the
/// order of the file.
///
/// # Errors
///
/// A problem that does not know its file.
fn references(file: &Containerfile, scope: &Scope) -> Result<Vec<Reference>, Problem> {
    let wrong = |error| Problem::of_containerfile(&error);
    let mut found: Vec<Reference> = Vec::new();
    for reference in file.references(scope).map_err(wrong)? {
        if reference.name == SOURCES {
            continue;
        }
        let familiar = containerfile::familiar(&reference.name);
        let package = familiar
            .as_deref()
            .and_then(|name| name.strip_prefix(REFERENCE));
        let is_package = package.is_some();
        let (name, version) = match package {
            Some(package) => package.split_at(package.find([':', '@']).unwrap_or(package.len())),
            None => (reference.name.as_str(), ""),
        };
        let position = Position::in_source(&file.source, reference.span.start);
        let version = (!version.is_empty()).then(|| (version.to_owned(), position));
        let is_known =
            |known: &&mut Reference| known.name == name && known.is_package == is_package;
        if let Some(known) = found.iter_mut().find(is_known) {
            known.versions.extend(version);
            continue;
        }
        if found.len() == MOST_REFERENCES {
            let message = format!("uses more than {MOST_REFERENCES} images");
            return Err(Problem::new(message).at(position.line, position.column));
        }
        found.push(Reference {
            name: name.to_owned(),
            versions: version.into_iter().collect(),
            is_package,
            position,
        });
    }
    Ok(found)
}
