//! Where the recorded image of a package can be had, to build others from it: being equal to the record suffices,
//! wherever it comes from.

use std::collections::BTreeMap;

use camino::Utf8PathBuf;
use make::{Given, GivenImage};
use oci_image::{Digest, ImageSet, LayoutError};
use package_tree::{Plan, PlannedPackage};
use rayon::prelude::*;
use state::{Digests, Directories};

/// A place with images of packages.
#[derive(Debug, Clone)]
pub enum Origin {
    /// The outputs of a tree, or of a reproduction in it.
    Tree(Directories),
    /// A directory of the user's, with a layout by the full name of each package.
    Directory(Utf8PathBuf),
}

impl Origin {
    /// Returns where the layout of a package would be, and opens it if something is there.
    fn open(&self, name: &str) -> (Utf8PathBuf, Option<Result<ImageSet, LayoutError>>) {
        let is_there = |path: &Utf8PathBuf| path.symlink_metadata().is_ok();
        match self {
            Self::Tree(directories) => {
                let found = is_there(&directories.output(name)).then(|| directories.images(name));
                (directories.output_in_tree(name), found)
            }
            Self::Directory(directory) => {
                let layout = directory.join(name);
                let found = is_there(&layout).then(|| ImageSet::open(&layout));
                (layout, found)
            }
        }
    }
}

/// A package whose recorded image was not found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// The package's full name.
    pub package: String,
    /// The digest that it has to have, for each platform; nothing where it is not recorded.
    pub recorded: Vec<(String, Digest)>,
    /// What was found in its place, and where.
    pub instead: Vec<(Utf8PathBuf, String)>,
}

/// Finds the recorded images of all that `packages` need, in `plan`, and verifies every byte of them.
///
/// # Errors
///
/// All that were not found.
pub fn give(
    origins: &[Origin],
    plan: &Plan,
    packages: &Plan,
    recorded: &Digests,
) -> Result<Given, Vec<Missing>> {
    let by_name: BTreeMap<&str, &PlannedPackage> = plan
        .packages
        .iter()
        .map(|package| (package.name.as_str(), package))
        .collect();
    let needed = packages.packages.iter();
    let mut needed: Vec<&str> = needed.flat_map(|package| package.dependencies()).collect();
    needed.sort_unstable();
    needed.dedup();
    let found: Vec<_> = needed
        .par_iter()
        .map(|name| find(origins, by_name[name], recorded))
        .collect();
    let (mut given, mut missing) = (Vec::new(), Vec::new());
    for found in found {
        match found {
            Ok(image) => given.push(image),
            Err(lacks) => missing.push(lacks),
        }
    }
    if missing.is_empty() {
        Ok(given.into_iter().collect())
    } else {
        Err(missing)
    }
}

fn find(
    origins: &[Origin],
    package: &PlannedPackage,
    recorded: &Digests,
) -> Result<(String, GivenImage), Missing> {
    let of_platform = |(place, platform): (usize, &String)| {
        let other = Some(platform.as_str()).filter(|_| place > 0);
        Some((
            platform.clone(),
            recorded.of(&package.stage, &package.name, other)?,
        ))
    };
    let platforms = package.platforms.iter().enumerate();
    let expected: Option<Vec<(String, Digest)>> = platforms.map(of_platform).collect();
    let mut missing = Missing {
        package: package.name.clone(),
        recorded: expected.clone().unwrap_or_default(),
        instead: Vec::new(),
    };
    let Some(expected) = expected else {
        return Err(missing);
    };
    let expected: Vec<Digest> = expected.into_iter().map(|(_, digest)| digest).collect();
    for origin in origins {
        let (layout, found) = origin.open(&package.name);
        let Some(found) = found else { continue };
        match found.and_then(|image| image.verify().map(|()| image)) {
            Ok(image) if digests(&image) == expected => {
                let digest = image.digest();
                return Ok((package.name.clone(), GivenImage { digest, layout }));
            }
            Ok(image) => {
                let found: Vec<_> = digests(&image).iter().map(ToString::to_string).collect();
                missing.instead.push((layout, found.join(", ")));
            }
            Err(error) => missing.instead.push((layout, error.to_string())),
        }
    }
    Err(missing)
}

fn digests(image: &ImageSet) -> Vec<Digest> {
    image
        .platforms()
        .into_iter()
        .map(|(_, digest)| digest)
        .collect()
}
