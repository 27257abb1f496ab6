//! How large the images and the sources of a plan's packages are, where they are there.
//!
//! It believes what layouts say of their blobs: nothing is built on it.

use std::collections::BTreeMap;
use std::fs;

use documents::{GraphClosure, SizedPackage, Version};
use oci_image::Digest;
use package_tree::{Plan, PlannedPackage};
use state::Directories;

/// Finds out how large everything is.
pub fn sizes(directories: &Directories, plan: &Plan) -> GraphClosure {
    let mut blobs: BTreeMap<Digest, u64> = BTreeMap::new();
    let mut files: BTreeMap<String, Option<u64>> = BTreeMap::new();
    let mut size = |package: &PlannedPackage| {
        let image = directories.images(&package.name).ok().map(|image| {
            let own: BTreeMap<Digest, u64> = image
                .blobs()
                .iter()
                .map(|blob| (blob.digest, blob.size))
                .collect();
            let bytes = sum(own.values().copied());
            blobs.extend(own);
            bytes
        });
        let mut sources = Vec::new();
        for source in &*package.sources {
            let path = directories.root().join(package.fetch()).join(&source.file);
            let found = fs::metadata(path).ok().filter(fs::Metadata::is_file);
            let found = found.map(|found| found.len());
            files.insert(source.hash.clone(), found);
            sources.push(found);
        }
        SizedPackage {
            name: package.name.clone(),
            image,
            sources: sum(sources.iter().flatten().copied()),
            missing_sources: sources.iter().filter(|each| each.is_none()).count(),
        }
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
