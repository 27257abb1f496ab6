//! What a package's image is a function of, written down: its files, its arguments, its sources, and the
//! digests of what it needs.
//!
//! It does not know what was written down before, nor what follows from a difference.

use std::collections::BTreeMap;

use documents::DEPENDENCY;
use oci_image::Digest;
use package_tree::PlannedPackage;
use state::Inputs;

/// Writes down everything that a package's image is a function of: `files` are its files, and
/// `needed` what it needs.
pub(crate) fn inputs(
    package: &PlannedPackage,
    files: &Inputs,
    needed: &BTreeMap<String, Digest>,
) -> Inputs {
    let mut inputs = Inputs::default();
    inputs.add("output", &package.name, package.tag());
    inputs.add("platforms", "", &package.platforms.join(","));
    inputs.add("target", "", package.target.as_deref().unwrap_or_default());
    for (name, value) in &package.build_arguments() {
        inputs.add("argument", name, value);
    }
    inputs.extend(files);
    for source in &*package.sources {
        inputs.add("source", &source.file, &source.hash);
    }
    for (name, digest) in needed {
        inputs.add(DEPENDENCY, name, &digest.to_string());
    }
    inputs
}
