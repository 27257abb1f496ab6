//! The versions of all packages: of those too that have another's.
//!
//! Knows who has whose version, not what one looks like.

use std::collections::BTreeMap;

use camino::Utf8PathBuf;

use crate::near::did_you_mean;
use crate::package::Package;
use crate::problem::Problem;

/// The version of a package.
pub(crate) struct FoundVersion {
    pub(crate) version: Option<String>,
    /// The directories of the other packages whose `package.toml` it depends on.
    pub(crate) from: Vec<Utf8PathBuf>,
}

/// The versions of all packages, with those that are another's.
pub(crate) struct Versions<'a> {
    /// By full name: of packages, and of their outputs; empty if nobody asks for any.
    packages: BTreeMap<String, &'a Package>,
}

impl<'a> Versions<'a> {
    pub(crate) fn new(packages: &'a [Package]) -> Self {
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
    pub(crate) fn of(&self, package: &'a Package) -> Result<FoundVersion, Problem> {
        let mut from_others = Vec::new();
        if package.manifest.version_from.is_none() {
            return Ok(FoundVersion {
                version: package.manifest.version.clone(),
                from: from_others,
            });
        }
        let mut trail = vec![package.full_name()];
        let mut current = package;
        while let Some((from, position)) = &current.manifest.version_from {
            let Some(next) = self.packages.get(from) else {
                let message =
                    format!("`version_from` names `{from}`, and there is no such package");
                let mut problem = current.problem(*position, message);
                problem.hint = did_you_mean(from, self.packages.keys().map(String::as_str));
                return Err(problem);
            };
            trail.push(next.full_name());
            if trail[..trail.len() - 1].contains(&trail[trail.len() - 1]) {
                let message = format!("circular `version_from`: {}", trail.join(" -> "));
                return Err(current.problem(*position, message));
            }
            from_others.push(next.directory());
            current = next;
        }
        Ok(FoundVersion {
            version: current.manifest.version.clone(),
            from: from_others,
        })
    }
}
