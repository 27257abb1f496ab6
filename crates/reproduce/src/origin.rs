//! Where the recorded image of a package can be had, to build others from it: being equal to the record suffices,
//! wherever it comes from.

use std::collections::BTreeMap;

use camino::Utf8PathBuf;
use make::{Given, GivenImage};
use oci_image::{Digest, ImageSet};
use package_tree::{Plan, PlannedPackage};
use rayon::prelude::*;
use state::Digests;

use crate::recorder::recorded_of;

/// Directories with layouts by the full name of their package, in the order in which they are looked into.
#[derive(Debug, Clone, Default)]
pub struct Origins(pub Vec<Utf8PathBuf>);

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
    origins: &Origins,
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
    origins: &Origins,
    package: &PlannedPackage,
    recorded: &Digests,
) -> Result<(String, GivenImage), Missing> {
    let of_platform = |(place, platform): (usize, &String)| {
        let other = Some(platform.as_str()).filter(|_| place > 0);
        Some((platform.clone(), recorded_of(recorded, package, other)?))
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
    for origin in &origins.0 {
        let layout = origin.join(&package.name);
        if layout.symlink_metadata().is_err() {
            continue;
        }
        let opened = ImageSet::open(&layout).and_then(|image| image.verify().map(|()| image));
        match opened {
            Ok(image)
                if digests(&image) == expected.iter().map(|(_, of)| *of).collect::<Vec<_>>() =>
            {
                let digest = image.digest();
                return Ok((package.name.clone(), GivenImage { digest, layout }));
            }
            Ok(image) => {
                let found = digests(&image)
                    .iter()
                    .map(ToString::to_string)
                    .collect::<Vec<_>>();
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
