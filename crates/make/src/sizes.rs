//! How large the images and the sources of a plan's packages are, where they are there.
//!
//! It believes what layouts say of their blobs: nothing is built on it.

use std::collections::BTreeMap;
use std::fs;

use documents::{GraphClosure, SizedPackage, Version};
use oci_image::Digest;
use package_tree::{Plan, PlannedPackage, Source};
use state::Directories;

/// The blobs of a package's image with their sizes, and its sources by their hashes; nothing of what is not there.
#[derive(Debug, Default)]
pub(crate) struct Parts {
    pub(crate) image: Option<BTreeMap<Digest, u64>>,
    pub(crate) sources: Vec<(String, Option<u64>)>,
}

impl Parts {
    /// Looks at one package.
    pub(crate) fn of(directories: &Directories, package: &PlannedPackage) -> Self {
        let image = directories.images(&package.name).ok().map(|image| {
            let blobs = image.blobs().into_iter();
            blobs.map(|blob| (blob.digest, blob.size)).collect()
        });
        let source = |source: &Source| {
            let path = directories.root().join(package.fetch()).join(&source.file);
            let found = fs::metadata(path).ok().filter(fs::Metadata::is_file);
            (source.hash.clone(), found.map(|found| found.len()))
        };
        let sources = package.sources.iter().map(source).collect();
        Self { image, sources }
    }
}

/// Finds out how large everything is.
pub fn sizes(directories: &Directories, plan: &Plan) -> GraphClosure {
    let mut blobs: BTreeMap<Digest, u64> = BTreeMap::new();
    let mut files: BTreeMap<String, Option<u64>> = BTreeMap::new();
    let mut size = |package: &PlannedPackage| {
        let Parts { image, sources } = Parts::of(directories, package);
        let known = || sources.iter().filter_map(|(_, size)| *size);
        let sized = SizedPackage {
            name: package.name.clone(),
            image: image.as_ref().map(|own| sum(own.values().copied())),
            sources: sum(known()),
            missing_sources: sources.len() - known().count(),
        };
        blobs.extend(image.into_iter().flatten());
        files.extend(sources);
        sized
    };
    let packages: Vec<SizedPackage> = plan.packages.iter().map(&mut size).collect();
    GraphClosure {
        version: Version,
        missing_images: packages.iter().filter(|each| each.image.is_none()).count(),
        missing_sources: files.values().filter(|each| each.is_none()).count(),
        images: sum(blobs.into_values()),
        sources: sum(files.into_values().flatten()),
        packages,
    }
}

fn sum(sizes: impl Iterator<Item = u64>) -> u64 {
    sizes.fold(0, u64::saturating_add)
}
