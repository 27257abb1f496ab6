//! Bills of materials, out of a plan: which packages, from which sources, and what needs what to be built.
//!
//! A bill says what the plan says. The plan does not say what of a dependency stays in an image, nor any licence, so
//! a bill does not either.

mod cyclonedx;
mod spdx;

use std::collections::{BTreeMap, BTreeSet};

use documents::{Digest, Plan, PlannedPackage, rfc3339};
use sha2::{Digest as _, Sha256};

pub use cyclonedx::cyclonedx;
pub use spdx::spdx;

/// What a bill is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// What was asked for, with its sources, and what it names in its Containerfile.
    Package,
    /// All of that, down to what needs nothing.
    Closure,
}

/// A bill of materials, before it has a format.
#[derive(Debug)]
pub struct Bill<'a> {
    /// What was asked for, sorted by name.
    roots: Vec<&'a PlannedPackage>,
    /// All packages, sorted by name.
    packages: Vec<&'a PlannedPackage>,
    /// The sources of those packages that are listed with theirs, by their hash.
    sources: BTreeMap<&'a str, Source<'a>>,
    /// The names of the packages that are listed with all that they are built from.
    whole: BTreeSet<&'a str>,
    recorded: &'a BTreeMap<String, Digest>,
    /// Where the images are published.
    registry: &'a str,
    created: String,
    stagex: &'a str,
}

/// A source, as all packages that have it say it together.
#[derive(Debug)]
struct Source<'a> {
    file: &'a str,
    version: Option<&'a str>,
    mirrors: Vec<&'a str>,
}

impl<'a> Bill<'a> {
    /// Makes the bill of what a plan was asked for. `recorded` are the recorded digests by full name, `registry` is
    /// where images are published, `epoch` the time of everything, and `stagex` the version of the program.
    pub fn new(
        plan: &'a Plan,
        scope: Scope,
        recorded: &'a BTreeMap<String, Digest>,
        registry: &'a str,
        epoch: i64,
        stagex: &'a str,
    ) -> Self {
        let mut all: Vec<&PlannedPackage> = plan.packages.iter().collect();
        all.sort_by_key(|package| &package.name);
        let roots: Vec<_> = all.iter().copied().filter(|each| each.requested).collect();
        let is_whole = |package: &&PlannedPackage| scope == Scope::Closure || package.requested;
        let whole: BTreeSet<&str> = all.iter().copied().filter(is_whole).map(name).collect();
        let mut listed = whole.clone();
        for package in all.iter().filter(|each| whole.contains(name(each))) {
            listed.extend(package.dependencies.iter().map(String::as_str));
        }
        all.retain(|package| listed.contains(name(package)));
        let mut sources: BTreeMap<&str, Source> = BTreeMap::new();
        for package in all.iter().filter(|each| whole.contains(name(each))) {
            for source in &package.sources {
                let version = source.version.as_deref().or(package.version.as_deref());
                let known = sources.entry(&source.hash).or_insert_with(|| Source {
                    file: &source.file,
                    version,
                    mirrors: Vec::new(),
                });
                for mirror in &source.mirrors {
                    if !known.mirrors.contains(&mirror.as_str()) {
                        known.mirrors.push(mirror);
                    }
                }
            }
        }
        Self {
            roots,
            packages: all,
            sources,
            whole,
            recorded,
            registry,
            created: rfc3339(epoch),
            stagex,
        }
    }

    /// Returns what the bill is called.
    fn name(&self) -> String {
        match self.roots.as_slice() {
            [package] => package.name.clone(),
            roots => format!("stagex-{}-packages", roots.len()),
        }
    }

    /// Returns the packages that are listed with all that they are built from.
    fn whole(&self) -> impl Iterator<Item = &'a PlannedPackage> {
        let packages = self.packages.iter().copied();
        packages.filter(|package| self.whole.contains(name(package)))
    }

    fn purl(&self, package: &PlannedPackage) -> String {
        let digest = self.recorded.get(&package.name);
        let tag = package.version.as_deref();
        crate::uri::of_image(self.registry, &package.name, digest, tag)
    }
}

fn name(package: &PlannedPackage) -> &str {
    &package.name
}

/// Returns the hash by which a document is known that has no name yet.
fn identity(document: &serde_json::Value) -> [u8; 32] {
    let text = serde_json::to_vec(document).expect("a bill is plain data");
    Sha256::digest(text).into()
}

fn text(document: &serde_json::Value) -> String {
    let text = serde_json::to_string_pretty(document);
    text.expect("a bill is plain data") + "\n"
}

#[cfg(test)]
mod tests;
