//! Looks at all packages of a plan before any is made, on all cores: which are up to date, and how
//! long the last build of each took.
//!
//! It finds only what is up to date together with all that it needs. Everything else, and whatever
//! cannot be read, is studied again when it is its turn: then it is known what that came out as.

use std::collections::BTreeMap;
use std::time::Duration;

use build::inputs_of_files;
use camino::Utf8Path;
use oci_image::Digest;
use rayon::iter::{IntoParallelIterator as _, IntoParallelRefIterator as _, ParallelIterator as _};
use state::Output;
use tokio::sync::watch;

use crate::package::Maker;

/// What is known of each package of a plan, by its place.
#[derive(Debug)]
pub(crate) struct Scan {
    /// The digests of those that are up to date. All that such a package needs is too.
    pub fresh: Vec<Option<Digest>>,
    /// How long its last build took.
    pub measured: Vec<Option<Duration>>,
}

/// Looks at all packages. `dependencies[i]` are the places of what package `i` needs, each of them
/// smaller than `i`. After an interruption nothing more is found up to date.
pub(crate) fn scan(
    maker: &Maker,
    dependencies: &[Vec<usize>],
    interrupted: &watch::Receiver<bool>,
) -> Scan {
    let packages = &maker.plan.packages;
    let look = |place: usize| maker.outputs.look(&packages[place].name).ok().flatten();
    let outputs: Vec<_> = (0..packages.len()).into_par_iter().map(look).collect();

    let mut of_directories: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (place, package) in packages.iter().enumerate() {
        let directory = package.context.as_str();
        of_directories.entry(directory).or_default().push(place);
    }
    let of_directories: Vec<_> = of_directories.into_iter().collect();
    let same: Vec<usize> = of_directories
        .par_iter()
        .filter(|_| !*interrupted.borrow())
        .flat_map_iter(|(directory, places)| {
            same_inputs(maker, dependencies, &outputs, directory.as_ref(), places)
        })
        .collect();

    let mut fresh = vec![None; packages.len()];
    for place in same {
        fresh[place] = outputs[place].as_ref().map(|output| output.digest);
    }
    for place in 0..packages.len() {
        if dependencies[place]
            .iter()
            .any(|&need| fresh[need].is_none())
        {
            fresh[place] = None;
        }
    }
    let durations = outputs.iter().map(|output| Some(output.as_ref()?.duration));
    Scan {
        fresh,
        measured: durations.collect(),
    }
}

/// Returns those of `places`, all of whose files are in `directory`, that were made from what is there
/// now and from what their dependencies came out as the last time.
fn same_inputs(
    maker: &Maker,
    dependencies: &[Vec<usize>],
    outputs: &[Option<Output>],
    directory: &Utf8Path,
    places: &[usize],
) -> Vec<usize> {
    let packages = &maker.plan.packages;
    let rules = maker.rules();
    let files = || -> Result<_, build::Error> {
        let (mut files, _) = rules.list(maker.directories.root(), directory)?;
        inputs_of_files(directory, &mut files, &maker.hashes)
    };
    let Ok(files) = files() else {
        return Vec::new();
    };
    let same = |place: &usize| {
        let needed: Option<BTreeMap<String, Digest>> = dependencies[*place]
            .iter()
            .map(|&need| Some((packages[need].name.clone(), outputs[need].as_ref()?.digest)))
            .collect();
        let package = &packages[*place];
        let needed = match &maker.given {
            Some(given) => Some(given.digests(package.dependencies())),
            None => needed,
        };
        let (Some(output), Some(needed)) = (&outputs[*place], needed) else {
            return false;
        };
        // An archive has to be written even of what is up to date.
        let stays = package.archives.is_empty() && maker.may_stay(package);
        let inputs = || rules.inputs(package, &files, &needed);
        stays
            && output.whole
            && maker.may_be(package, output.digest)
            && inputs().have(&output.key, maker.profile)
    };
    places.iter().copied().filter(same).collect()
}
