//! A tree as somebody looks at it who does not build it: everything that can be read, although some of it may be
//! wrong.
//!
//! It does not know what anybody looks for.

use camino::{Utf8Path, Utf8PathBuf};
use containerfile::Containerfile;

use crate::package::NoPackage;
use crate::problem::{Problem, Problems};
use crate::tree::{Tree, no_package, read, resolve, stages};

/// What is in a tree, right or wrong.
#[derive(Debug)]
pub struct Survey {
    /// The packages that are right. What they need and what is wrong is not in it.
    pub tree: Tree,
    /// Every directory of the tree that has a Containerfile or a `package.toml`, in order.
    pub packages: Vec<Surveyed>,
    /// Everything that is wrong, but for what is named and is not there.
    pub problems: Vec<Problem>,
    /// What is named and is not there. Where something is wrong, nothing is said of that.
    pub missing: Vec<Problem>,
}

/// One directory of a tree.
#[derive(Debug)]
pub struct Surveyed {
    /// The name of the directory that it is in.
    pub stage: String,
    /// Its name.
    pub name: String,
    /// The Containerfile, if there is one that can be parsed.
    pub containerfile: Option<Containerfile>,
    /// The text of a Containerfile that cannot be parsed.
    pub unparsed: Option<String>,
    /// The text of its `package.toml`, if that can be read.
    pub manifest: Option<String>,
}

impl Surveyed {
    /// Returns the path of the directory, relative to the tree's root.
    pub fn directory(&self) -> Utf8PathBuf {
        ["packages", &self.stage, &self.name].iter().collect()
    }
}

impl Survey {
    /// Looks at the tree in `root`.
    ///
    /// # Errors
    ///
    /// It is no tree, or one of its directories cannot be read.
    pub fn of(root: &Utf8Path) -> Result<Self, Problems> {
        let stages = stages(root)?;
        let mut problems = Vec::new();
        let mut warnings = Vec::new();
        let mut right = Vec::new();
        let mut packages = Vec::new();
        for (stage, read) in stages.iter().zip(read(&stages, |read| read)) {
            for (name, read) in stage.packages.iter().zip(read) {
                match read.package {
                    Ok(package) => right.push(package),
                    Err(NoPackage::Skipped(None)) => continue,
                    Err(NoPackage::Skipped(Some(why))) => warnings.push(why),
                    Err(NoPackage::Wrong(found)) => problems.extend(found),
                }
                packages.push(Surveyed {
                    stage: stage.name.clone(),
                    name: name.clone(),
                    containerfile: read.containerfile,
                    unparsed: read.unparsed,
                    manifest: read.manifest,
                });
            }
        }
        if packages.is_empty() {
            return Err(no_package(root).into());
        }
        let mut unresolved = Vec::new();
        let mut outputs = resolve(&right, &mut unresolved);
        outputs.dedup_by(|one, other| one.name == other.name);
        let (tree, missing) = Tree::of(&right, outputs, warnings);
        if problems.is_empty() {
            problems = unresolved;
        }
        // A package that is missing because it is wrong itself would only be noise.
        let missing = if problems.is_empty() {
            missing
        } else {
            Vec::new()
        };
        Ok(Self {
            tree,
            packages,
            problems,
            missing,
        })
    }
}
