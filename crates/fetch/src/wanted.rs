//! What is wanted: a source, and the place in the tree that it belongs to.

use std::collections::BTreeSet;
use std::fmt;

use camino::Utf8PathBuf;
use package_tree::{PlannedPackage, Source};

/// A source, and the place in the tree that it belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The full name of the package that has it.
    pub package: String,
    /// The source.
    pub source: Source,
    /// Where it is declared, relative to the tree: `packages/core/musl/package.toml:12`.
    pub declared: String,
    /// The directory that it belongs to, relative to the tree: `fetch/core/musl`.
    pub directory: Utf8PathBuf,
}

impl Wanted {
    /// Returns the sources of packages, each once: packages that are built from one directory share theirs.
    pub fn of<'a>(packages: impl IntoIterator<Item = &'a PlannedPackage>) -> Vec<Self> {
        let mut known = BTreeSet::new();
        let mut wanted = Vec::new();
        for package in packages {
            for source in &*package.sources {
                let one = Self {
                    package: format!("{}-{}", package.stage, package.origin),
                    declared: format!("{}/package.toml:{}", package.context, source.line),
                    directory: package.fetch(),
                    source: source.clone(),
                };
                if known.insert(one.path()) {
                    wanted.push(one);
                }
            }
        }
        wanted
    }

    /// Returns the path of the file that it belongs to, relative to the tree.
    pub fn path(&self) -> Utf8PathBuf {
        self.directory.join(&self.source.file)
    }
}

/// Shown as its package and its file.
impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.package, self.source.file)
    }
}
