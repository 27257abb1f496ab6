//! What of a plan a runtime cannot carry out, found before anything is built.
//!
//! It does not know what runtimes can do.

use build::{Recipe, Refusal, Refusals};
use oci_image::Profile;
use package_tree::{Hermetic, PlannedPackage};
use rayon::iter::{IntoParallelRefIterator as _, ParallelIterator as _};
use state::Directories;

/// Returns what cannot be carried out of packages, as far as their files say that. `ask` finds it out for one.
pub fn refusals(
    ask: &(dyn Fn(&Recipe) -> Vec<Refusal> + Sync),
    profile: &'static Profile,
    directories: &Directories,
    packages: &[&PlannedPackage],
    hermetic: Option<&Hermetic>,
) -> Refusals {
    let refused: Vec<_> = packages
        .par_iter()
        .map(|package| {
            let mut recipe = Recipe::of_package(profile, directories, package);
            recipe.keep_network = hermetic.map(|hermetic| hermetic.excepted(package));
            ask(&recipe)
        })
        .collect();
    let mut refusals = Refusals::default();
    for (package, refused) in packages.iter().zip(refused) {
        refusals.add(&package.name, refused);
    }
    refusals
}
