//! One package as its folder has it: its two files, read.
//!
//! Knows nothing of other packages.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::AsFd;
use std::sync::Arc;

use camino::Utf8PathBuf;
use containerfile::{Position, Scope};
use rustix::fs::{Mode, OFlags, openat};

use crate::manifest::Manifest;
use crate::problem::Problem;

/// What the names of packages begin with in a Containerfile.
const REFERENCE: &str = "stagex/";
/// The name of the folder with the sources, where an image could be named.
const SOURCES: &str = "fetch";

const CONTAINERFILE: &str = "Containerfile";
const MANIFEST: &str = "package.toml";

/// A package while the tree is read.
pub(crate) struct Package {
    pub(crate) stage: String,
    pub(crate) name: String,
    pub(crate) manifest: Manifest,
    pub(crate) references: Arc<[Reference]>,
}

/// A package that a Containerfile names, or what else it takes for an image, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reference {
    pub(crate) name: String,
    /// Whether it is named as a package.
    pub(crate) is_package: bool,
    pub(crate) position: Position,
}

/// Why a folder gives no package.
pub(crate) enum NoPackage {
    /// It is none, with a warning if somebody may think that it is one.
    Skipped(Option<Problem>),
    /// It is a package, and is wrong.
    Wrong(Vec<Problem>),
}

impl Package {
    /// Returns its folder, relative to the tree's root.
    pub(crate) fn folder(&self) -> Utf8PathBuf {
        folder(&self.stage, &self.name)
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
        let problem = Problem::new(message).in_file(self.folder().join(MANIFEST));
        problem.at(position.line, position.column)
    }

    /// Makes a problem at a place in its Containerfile.
    pub(crate) fn problem_of_containerfile(
        &self,
        position: Position,
        message: impl Into<String>,
    ) -> Problem {
        let problem = Problem::new(message).in_file(self.folder().join(CONTAINERFILE));
        problem.at(position.line, position.column)
    }
}

/// Returns the folder of a package, relative to the tree's root.
fn folder(stage: &str, name: &str) -> Utf8PathBuf {
    ["packages", stage, name].iter().collect()
}

/// What is read of one package after the other, in memory that is used again.
#[derive(Default)]
pub(crate) struct Texts {
    containerfile: String,
    manifest: String,
    path: String,
}

impl Texts {
    /// Reads the package `name` in the folder of a stage, which is open as `beside`.
    ///
    /// # Errors
    ///
    /// Why there is no package.
    pub(crate) fn read(
        &mut self,
        beside: impl AsFd,
        stage: &str,
        name: &str,
        scope: &Scope,
    ) -> Result<Package, NoPackage> {
        let in_file =
            |problem: Problem, file: &str| problem.in_file(folder(stage, name).join(file));
        let mut load = |file: &str, text: &mut String| {
            self.path.clear();
            let _ = write!(self.path, "{name}/{file}");
            load(&beside, &self.path, text).map_err(|error| {
                let problem = Problem::new(format!("cannot be read: {error}"));
                NoPackage::Wrong(vec![in_file(problem, file)])
            })
        };
        match (
            load(CONTAINERFILE, &mut self.containerfile)?,
            load(MANIFEST, &mut self.manifest)?,
        ) {
            (true, true) => {}
            (false, false) => return Err(NoPackage::Skipped(None)),
            (true, false) => {
                let problem = Problem::new("is left out: there is no package.toml beside it");
                return Err(NoPackage::Skipped(Some(in_file(problem, CONTAINERFILE))));
            }
            (false, true) => {
                let problem = Problem::new("there is no Containerfile beside it");
                return Err(NoPackage::Wrong(vec![in_file(problem, MANIFEST)]));
            }
        }
        let manifest = Manifest::read(&self.manifest, name);
        let references = references(&self.containerfile, scope);
        match (manifest, references) {
            (Ok(manifest), Ok(references)) => Ok(Package {
                stage: stage.to_owned(),
                name: name.to_owned(),
                manifest,
                references: references.into(),
            }),
            (manifest, references) => {
                let of_manifest = manifest.err().unwrap_or_default().into_iter();
                let problems = of_manifest.map(|problem| in_file(problem, MANIFEST)).chain(
                    references.err().map(|error| {
                        Problem::of_containerfile(folder(stage, name).join(CONTAINERFILE), &error)
                    }),
                );
                Err(NoPackage::Wrong(problems.collect()))
            }
        }
    }
}

/// Reads a file into `text`, in place of what is there; tells whether there is such a file.
fn load(beside: impl AsFd, path: &str, text: &mut String) -> io::Result<bool> {
    text.clear();
    let file = match openat(
        beside,
        path,
        OFlags::RDONLY | OFlags::CLOEXEC,
        Mode::empty(),
    ) {
        Ok(file) => File::from(file),
        Err(rustix::io::Errno::NOENT) => return Ok(false),
        Err(error) => return Err(error.into()),
    };
    // A file by itself would be asked for its size each time; what is read here is small.
    file.take(u64::MAX).read_to_string(text)?;
    Ok(true)
}

/// Finds the packages that a Containerfile names, and what it names that can be none, each once, in the
/// order of the file.
fn references(text: &str, scope: &Scope) -> Result<Vec<Reference>, containerfile::Error> {
    let mut found: Vec<Reference> = Vec::new();
    for reference in containerfile::parse(text)?.references(scope)? {
        if reference.name == SOURCES {
            continue;
        }
        let package = reference.name.strip_prefix(REFERENCE);
        let package = package.map(|name| name.split([':', '@']).next().unwrap_or_default());
        let (name, is_package) = (package.unwrap_or(&reference.name), package.is_some());
        let is_known = |known: &Reference| known.name == name && known.is_package == is_package;
        if !found.iter().any(is_known) {
            found.push(Reference {
                name: name.to_owned(),
                is_package,
                position: Position::in_source(text, reference.span.start),
            });
        }
    }
    Ok(found)
}
