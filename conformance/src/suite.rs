//! What is built: a tree of packages, each of which must have the same image on every runtime.
//! Either the suite's own cases, each of which shows one property, or any tree.
//!
//! Knows directories and names; builds nothing.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;

use camino::{Utf8Path, Utf8PathBuf};
use oci_image::Profile;
use package_tree::{DEFAULT_PLATFORM, Tree};
use state::Digests;

use crate::differences::{Differences, InvalidDifferences};
use crate::recorded::Recorded;

/// The encoding whose digests are recorded.
pub(crate) const PROFILE: &Profile = Profile::STAGEX_2026;
/// The stage that cases belong to in the tree that they are built in.
const STAGE: &str = "case";
/// Where a static busybox is found, for the shell of build stages.
const BUSYBOX: [&str; 2] = ["/bin/busybox", "/usr/bin/busybox"];

/// A package whose image must be the same everywhere.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Subject {
    /// A case's name is the property in few words; a package's is its full name.
    pub name: String,
    /// The property in one sentence, which a case's Containerfile begins with.
    pub property: String,
    /// The name of its output, `<stage>-<name>`.
    pub output: String,
    /// Whether it is built from seeds, which the command of `StageX` does not know.
    pub has_seeds: bool,
}

/// Packages to build everywhere, and what is known of their images.
#[derive(Debug, Clone)]
pub struct Suite {
    /// The packages, sorted by name.
    pub subjects: Vec<Subject>,
    /// The digests that their images have.
    pub recorded: Recorded,
    /// Where engines differ, and that is known.
    pub differences: Differences,
    /// Whether a subject without a recorded digest is a failure.
    pub all_recorded: bool,
    source: Source,
}

#[derive(Debug, Clone)]
enum Source {
    /// A directory with `cases/` and `support/`.
    Cases(Utf8PathBuf),
    /// A tree's directory.
    Tree(Utf8PathBuf),
}

/// A suite cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum SuiteError {
    /// A file cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// The file or directory.
        path: Utf8PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The table of differences is wrong.
    #[error(transparent)]
    Differences(#[from] InvalidDifferences),
    /// The tree is wrong, or has no such package.
    #[error(transparent)]
    Tree(#[from] package_tree::Problems),
    /// The tree's digests cannot be read.
    #[error(transparent)]
    Digests(#[from] state::Error),
}

impl Suite {
    /// Opens the suite's own cases: a directory with `cases/`, `support/`, `digests.txt` and
    /// `differences.toml`.
    pub fn of_cases(directory: &Utf8Path) -> Result<Self, SuiteError> {
        let cases = directory.join("cases");
        let subjects = list(&cases).map_err(read(&cases))?;
        let digests = directory.join("digests.txt");
        let recorded = Recorded::read(&digests).map_err(read(&digests))?;
        let table = directory.join("differences.toml");
        let differences = Differences::read(&table).map_err(read(&table))??;
        Ok(Self {
            subjects,
            recorded,
            differences,
            all_recorded: true,
            source: Source::Cases(directory.to_owned()),
        })
    }

    /// Opens what `targets` select of the tree in `root`; nothing selects everything.
    pub fn of_tree(root: &Utf8Path, targets: &[String]) -> Result<Self, SuiteError> {
        let plan = Tree::open(root)?.plan(targets, DEFAULT_PLATFORM, PROFILE.build_arguments)?;
        let digests = Digests::read(root)?;
        let mut subjects = Vec::new();
        let mut recorded = Recorded::default();
        for package in plan.packages.into_iter().filter(|each| each.requested) {
            if let Some(digest) = digests.only(&package.stage, &package.name) {
                recorded.set(&package.name, digest);
            }
            subjects.push(Subject {
                name: package.name.clone(),
                property: String::new(),
                output: package.name.clone(),
                has_seeds: !package.seeds.is_empty(),
            });
        }
        subjects.sort();
        Ok(Self {
            subjects,
            recorded,
            differences: Differences::default(),
            all_recorded: false,
            source: Source::Tree(root.to_owned()),
        })
    }

    /// Keeps those subjects whose name has one of `parts` in it; all if there are no parts.
    pub fn keep(&mut self, parts: &[String]) {
        let wanted = |subject: &Subject| {
            parts.is_empty() || parts.iter().any(|part| subject.name.contains(part))
        };
        self.subjects.retain(wanted);
    }

    /// Returns the subject of that name.
    pub fn subject(&self, name: &str) -> Option<&Subject> {
        self.subjects.iter().find(|subject| subject.name == name)
    }

    /// Returns why nothing of it can be built here, if so.
    pub fn absence(&self) -> Option<String> {
        let lacks = matches!(self.source, Source::Cases(_)) && busybox().is_none();
        lacks.then(|| "busybox is not here: install Debian's busybox-static".to_owned())
    }

    /// Lays out, in the empty directory `root`, a tree in which every subject can be made.
    ///
    /// Cases are built from the packages in `support/`, and among them Debian's static busybox,
    /// which gives build stages a shell and is in no recorded image.
    pub(crate) fn lay_out(&self, root: &Utf8Path) -> io::Result<()> {
        let packages = root.join("packages");
        match &self.source {
            Source::Cases(directory) => {
                copy_directory(&directory.join("support"), &packages.join("support"))?;
                let missing = || io::Error::new(io::ErrorKind::NotFound, "busybox is not here");
                let busybox = busybox().ok_or_else(missing)?;
                fs::copy(busybox, packages.join("support/busybox/busybox"))?;
                for subject in &self.subjects {
                    let case = directory.join("cases").join(&subject.name);
                    copy_directory(&case, &packages.join(STAGE).join(&subject.name))?;
                }
            }
            Source::Tree(tree) => {
                copy_directory(&tree.join("packages"), &packages)?;
                let tree = tree.canonicalize_utf8()?;
                self.link_sources(&tree, root)?;
            }
        }
        Ok(())
    }

    /// Links the sources of all that is built from `tree` into the tree in `root`. One that is not here is missed by
    /// whoever builds what needs it.
    fn link_sources(&self, tree: &Utf8Path, root: &Utf8Path) -> io::Result<()> {
        let outputs = self.subjects.iter().map(|subject| subject.output.clone());
        let outputs: Vec<String> = outputs.collect();
        let opened = Tree::open(tree).map_err(io::Error::other)?;
        let plan = opened.plan(&outputs, DEFAULT_PLATFORM, PROFILE.build_arguments);
        for package in plan.map_err(io::Error::other)?.packages {
            let fetch = package.fetch();
            for source in &*package.sources {
                let link = root.join(&fetch).join(&source.file);
                if let Some(place) = source_in(tree, &fetch, source)
                    && !link.exists()
                {
                    fs::create_dir_all(root.join(&fetch))?;
                    symlink(place, link)?;
                }
            }
        }
        Ok(())
    }
}

/// Returns where a source of a package is on this machine: in the tree's `fetch/`, or where a mirror names a file
/// of the tree. What is there is hashed before it is used.
fn source_in(
    tree: &Utf8Path,
    fetch: &Utf8Path,
    source: &package_tree::Source,
) -> Option<Utf8PathBuf> {
    let fetched = tree.join(fetch).join(&source.file);
    let local = |mirror: &String| {
        let path = mirror.strip_prefix("file:")?;
        (!path.starts_with('/')).then(|| tree.join(path))
    };
    let mut places = [fetched]
        .into_iter()
        .chain(source.mirrors.iter().filter_map(local));
    places.find(|place| place.exists())
}

/// Lists the cases in `directory`, sorted by name: each directory in it that has a Containerfile.
fn list(directory: &Utf8Path) -> io::Result<Vec<Subject>> {
    let mut subjects = Vec::new();
    for entry in directory.read_dir_utf8()? {
        let directory = entry?.into_path();
        let file = directory.join("Containerfile");
        if file.exists() {
            let name = directory.file_name().unwrap_or_default().to_owned();
            let text = beneath::read_text(&file, beneath::TEXT)?;
            let comment = text.lines().map_while(|line| line.strip_prefix('#'));
            let comment = comment.map(str::trim);
            // A directive stands before anything else.
            let comment = comment.filter(|line| !line.starts_with("escape="));
            let property = comment.collect::<Vec<_>>().join(" ");
            let output = format!("{STAGE}-{name}");
            subjects.push(Subject {
                name,
                property,
                output,
                has_seeds: false,
            });
        }
    }
    subjects.sort();
    Ok(subjects)
}

fn busybox() -> Option<&'static Utf8Path> {
    let mut paths = BUSYBOX.into_iter().map(Utf8Path::new);
    paths.find(|path| path.exists())
}

fn read(path: &Utf8Path) -> impl FnOnce(io::Error) -> SuiteError {
    let path = path.to_owned();
    move |source| SuiteError::Read { path, source }
}

/// Copies a directory with all that is in it: links as links.
pub(crate) fn copy_directory(from: &Utf8Path, to: &Utf8Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in from.read_dir_utf8()? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        let kind = entry.file_type()?;
        if kind.is_dir() {
            copy_directory(entry.path(), &target)?;
        } else if kind.is_symlink() {
            std::os::unix::fs::symlink(entry.path().read_link_utf8()?, &target)?;
        } else if !kind.is_file() {
            let message = format!("{} is not a regular file", entry.path());
            return Err(io::Error::other(message));
        } else {
            fs::copy(entry.path(), &target)?;
        }
    }
    Ok(())
}
