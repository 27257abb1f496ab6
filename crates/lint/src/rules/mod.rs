//! How each rule is checked, one file for each part of a package that rules look at.
//!
//! It does not know rule sets: what is of another set is left out later.

mod buildkit;
mod engines;
mod hermetic;
mod manifest;
mod packages;
mod seeds;
mod sources;
mod stages;
mod tree_2024;
mod variables;

use crate::finding::Finding;
use crate::subject::Subject;

pub(crate) use sources::takes;

/// Lets every rule look at a Containerfile and its package.
pub(crate) fn check(subject: &Subject<'_>, found: &mut Vec<Finding>) {
    engines::check(subject, found);
    hermetic::check(subject, found);
    stages::check(subject, found);
    buildkit::check(subject, found);
    variables::check(subject, found);
    tree_2024::check(subject, found);
    if let Some(package) = &subject.package {
        sources::check(subject, package, found);
        seeds::check(package, found);
        packages::check(subject, package, found);
        manifest::check(package, found);
    }
}
