//! What is on this machine of packages: in `out/`, and where each runtime has reproduced them.
//!
//! It compares with what is recorded. It does not know what becomes of it.

use std::collections::{BTreeMap, BTreeSet};

use documents::{Attempt, Digest, MaterialKind};
use package_tree::{Plan, PlannedPackage};
use sign::Image;
use state::{Digests, Directories, Outputs, Trust};

/// What is on this machine of packages.
pub(super) struct Evidence<'a> {
    packages: BTreeMap<&'a str, &'a PlannedPackage>,
    recorded: &'a Digests,
    /// `out/`, and where each runtime has reproduced packages.
    places: Vec<(Directories, Outputs)>,
}

impl<'a> Evidence<'a> {
    /// Looks at `out/`, and at what each runtime has reproduced.
    pub(super) fn find(
        plan: &'a Plan,
        directories: &Directories,
        recorded: &'a Digests,
        attempts: &[Attempt],
    ) -> Self {
        let own = attempts
            .iter()
            .filter(|attempt| attempt.machine.whose.is_none());
        let labels: BTreeSet<&str> = own.map(|attempt| attempt.runtime.name.as_str()).collect();
        let reproduced = labels.into_iter();
        let reproduced = reproduced.map(|label| directories.of_reproduction(label));
        let look = |place: Directories| {
            let outputs = Outputs::of_tree(&place, Trust::FileSystem);
            (place, outputs)
        };
        let places = std::iter::once(directories.clone())
            .chain(reproduced)
            .map(look);
        let packages = plan.packages.iter();
        Self {
            packages: packages
                .map(|package| (package.name.as_str(), package))
                .collect(),
            recorded,
            places: places.collect(),
        }
    }

    /// Returns the digests of what a package was built from in an attempt; nothing if one is not the recorded one.
    pub(super) fn needed(
        &self,
        package: &PlannedPackage,
        attempt: &Attempt,
    ) -> Option<BTreeMap<String, Digest>> {
        let materials = attempt.materials.iter();
        let images = materials.filter(|material| material.kind == MaterialKind::Dependency);
        let images: BTreeMap<&str, &Digest> = images
            .map(|material| (material.name.as_str(), &material.digest))
            .collect();
        let needed = package.dependencies().map(|name| {
            let digest = images.get(name)?;
            self.is_recorded(self.packages.get(name)?, digest)
                .then(|| (name.to_owned(), (*digest).clone()))
        });
        needed.collect()
    }

    /// Tells whether a digest is what is recorded of a package: that of its manifest, or if it has several platforms,
    /// that of an index of the recorded manifests.
    fn is_recorded(&self, package: &PlannedPackage, digest: &Digest) -> bool {
        let first = self.recorded.of(&package.stage, &package.name, None);
        if package.platforms.len() == 1 {
            return first.map(Digest::from).as_ref() == Some(digest);
        }
        let is_index = |(directories, outputs): &(Directories, Outputs)| {
            let images = directories.images(&package.name);
            self.is_what_is_recorded(package, &built(outputs, package))
                && images.is_ok_and(|images| Digest::from(images.digest()) == *digest)
        };
        self.places.iter().any(is_index)
    }

    /// Tells whether images are the recorded ones of a package, for all of its platforms.
    fn is_what_is_recorded(&self, package: &PlannedPackage, images: &Built) -> bool {
        let Built::Whole(images) = images else {
            return false;
        };
        let recorded = self.recorded.of_package(package).into_iter().flatten();
        let recorded = recorded.map(|(platform, digest)| (platform, Digest::from(digest)));
        !images.is_empty() && images.iter().cloned().eq(recorded)
    }

    /// Returns where the recorded images of a package are, with all their bytes.
    pub(super) fn place(&self, package: &PlannedPackage) -> Option<&Directories> {
        let is_there = |(_, outputs): &&(Directories, Outputs)| {
            self.is_what_is_recorded(package, &built(outputs, package))
        };
        let place = self.places.iter().find(is_there);
        place.map(|(directories, _)| directories)
    }

    /// Tells whether the recorded images of a package are here, with all their bytes.
    pub(super) fn image(&self, package: &PlannedPackage) -> Image {
        let mut places = self
            .places
            .iter()
            .map(|(_, outputs)| built(outputs, package));
        match places.next() {
            Some(own) if self.is_what_is_recorded(package, &own) => return Image::There,
            // Another image, or a damaged one.
            Some(Built::Whole(_) | Built::Damaged) => return Image::Differs,
            Some(Built::Absent) | None => {}
        }
        if places.any(|images| self.is_what_is_recorded(package, &images)) {
            Image::There
        } else {
            Image::Missing
        }
    }
}

/// What lies in a place of a package.
enum Built {
    Absent,
    Damaged,
    /// Its platforms and digests.
    Whole(Vec<(String, Digest)>),
}

fn built(outputs: &Outputs, package: &PlannedPackage) -> Built {
    match outputs.images(&package.name) {
        Ok(images) if images.is_empty() => Built::Absent,
        Ok(images) => {
            let images = images.into_iter();
            Built::Whole(
                images
                    .map(|(platform, digest)| (platform, digest.into()))
                    .collect(),
            )
        }
        Err(_) => Built::Damaged,
    }
}
