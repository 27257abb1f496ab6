//! Seeds: what is built from root file systems that somebody else made.
//!
//! It does not know what is in them.

use package_tree::BOOTSTRAP;

use crate::finding::Finding;
use crate::subject::Package;
use crate::table::{SEED_OUTSIDE_BOOTSTRAP, SINGLE_SEED};

pub(super) fn check(package: &Package<'_>, found: &mut Vec<Finding>) {
    let seeds = package.manifest.seeds.as_slice();
    let Some((first, others)) = seeds.split_first() else {
        return;
    };
    let manifest = &package.manifest_source;
    if package.stage != BOOTSTRAP {
        let message = format!("a package of {} is built from seeds", package.stage);
        found.push(manifest.finding(&SEED_OUTSIDE_BOOTSTRAP, first.span, message));
    }
    if others.is_empty() {
        let message = format!("`{}` is the only seed", first.value);
        found.push(manifest.finding(&SINGLE_SEED, first.span, message));
    }
}
