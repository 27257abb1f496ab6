//! Where the recorded image of a package can be had, to build others from it: being equal to the record suffices,
//! wherever it comes from.

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};
use documents::ErrorKind;
use make::{Given, GivenImage};
use oci_image::{Digest, ImageSet, Layout, LayoutError, Profile};
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
    /// What was pulled from registries, with a layout by the digests of each image ([`name_of_pulled`]).
    Pulled(Directories),
}

impl Origin {
    /// Returns where the layout of a package would be, and opens it if something is there.
    fn open(
        &self,
        name: &str,
        expected: &[Digest],
    ) -> (Utf8PathBuf, Option<Result<ImageSet, LayoutError>>) {
        let is_there = |path: &Utf8PathBuf| path.symlink_metadata().is_ok();
        let of = |directories: &Directories, name: &str| {
            let found = is_there(&directories.output(name)).then(|| directories.images(name));
            (directories.output_in_tree(name), found)
        };
        match self {
            Self::Tree(directories) => of(directories, name),
            Self::Pulled(directories) => of(directories, &name_of_pulled(expected)),
            Self::Directory(directory) => {
                let layout = directory.join(name);
                let found = is_there(&layout).then(|| ImageSet::open(&layout));
                (layout, found)
            }
        }
    }
}

/// Returns what the layout of an image that was pulled is called: by its digest, or where it has one for each of several
/// platforms, by the digest of these.
///
/// # Panics
///
/// There is no digest.
pub fn name_of_pulled(recorded: &[Digest]) -> String {
    match recorded {
        [] => panic!("what is not recorded is not pulled"),
        [only] => only.hex(),
        several => {
            let several: Vec<String> = several.iter().map(ToString::to_string).collect();
            Digest::of(several.join("\n").as_bytes()).hex()
        }
    }
}

/// Puts the images of several platforms together as one that was built has them; `parts` are the layouts of each.
///
/// # Errors
///
/// One cannot be read, or the layout not be written.
pub fn put_together(
    parts: &[Utf8PathBuf],
    profile: &Profile,
    destination: &Utf8Path,
) -> Result<(), LayoutError> {
    let parts = parts.iter().map(|layout| Layout::open(layout));
    let parts: Vec<Layout> = parts.collect::<Result<_, _>>()?;
    oci_image::put_together(&parts, profile, destination).map(drop)
}

/// A package whose recorded image is needed, or was not found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// The package's full name.
    pub package: String,
    /// The digest that it has to have, for each platform; nothing where it is not recorded.
    pub recorded: Vec<(String, Digest)>,
    /// What was found in its place, and where.
    pub instead: Vec<(String, String)>,
    /// Of which kind it is what kept it from being looked for where it may be, if something did: trying again may help.
    pub kept: Option<ErrorKind>,
}

/// What was found of the recorded images that are needed.
#[derive(Debug, Default)]
pub struct RecordedImages {
    images: Vec<(String, GivenImage)>,
    /// The packages whose images were not found.
    pub missing: Vec<Missing>,
}

impl RecordedImages {
    /// Returns that nothing was found yet of what is needed.
    pub fn nothing_of(missing: Vec<Missing>) -> Self {
        Self {
            images: Vec::new(),
            missing,
        }
    }

    /// Returns what was found, as what packages are built from.
    ///
    /// # Errors
    ///
    /// All that were not found.
    pub fn give(self) -> Result<Given, Vec<Missing>> {
        if self.missing.is_empty() {
            Ok(self.images.into_iter().collect())
        } else {
            Err(self.missing)
        }
    }

    /// Looks for what is missing in other places.
    pub fn find(&mut self, origins: &[Origin]) {
        let missing = std::mem::take(&mut self.missing);
        let found: Vec<_> = missing
            .into_par_iter()
            .map(|missing| find(origins, missing))
            .collect();
        for found in found {
            match found {
                Ok(image) => self.images.push(image),
                Err(lacks) => self.missing.push(lacks),
            }
        }
    }
}

/// Finds the recorded images of all that `packages` need, in `plan`, and verifies every byte of them.
pub fn find_recorded(
    origins: &[Origin],
    plan: &Plan,
    packages: &Plan,
    recorded: &Digests,
) -> RecordedImages {
    let by_name: BTreeMap<&str, &PlannedPackage> = plan
        .packages
        .iter()
        .map(|package| (package.name.as_str(), package))
        .collect();
    let needed = packages.packages.iter();
    let mut needed: Vec<&str> = needed.flat_map(|package| package.dependencies()).collect();
    needed.sort_unstable();
    needed.dedup();
    let missing = |name: &&str| missing(by_name[name], recorded);
    let mut found = RecordedImages {
        images: Vec::new(),
        missing: needed.iter().map(missing).collect(),
    };
    found.find(origins);
    found
}

/// Returns what is recorded of a package, of which nothing was found yet.
fn missing(package: &PlannedPackage, recorded: &Digests) -> Missing {
    Missing {
        package: package.name.clone(),
        recorded: recorded.of_package(package).unwrap_or_default(),
        instead: Vec::new(),
        kept: None,
    }
}

fn find(origins: &[Origin], mut missing: Missing) -> Result<(String, GivenImage), Missing> {
    let expected: Vec<Digest> = missing.recorded.iter().map(|(_, digest)| *digest).collect();
    if expected.is_empty() {
        return Err(missing);
    }
    for origin in origins {
        let (layout, found) = origin.open(&missing.package, &expected);
        let Some(found) = found else { continue };
        let instead = match found.and_then(|image| image.verify().map(|()| image)) {
            Ok(image) if digests(&image) == expected => {
                let digest = image.digest();
                return Ok((missing.package, GivenImage { digest, layout }));
            }
            Ok(image) => {
                let found: Vec<_> = digests(&image).iter().map(ToString::to_string).collect();
                found.join(", ")
            }
            Err(error) => error.to_string(),
        };
        missing.instead.push((layout.into_string(), instead));
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
