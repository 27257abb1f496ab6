//! Images that stand for what the packages of a plan need, where that is not to be built.
//!
//! Whoever gives them has made sure that they are what their digests say.

use std::collections::BTreeMap;

use build::{Context, Recipe};
use camino::Utf8PathBuf;
use oci_image::Digest;

/// Images that stand for what packages need, by full name.
#[derive(Debug, Clone, Default)]
pub struct Given {
    images: BTreeMap<String, GivenImage>,
}

/// An image that is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GivenImage {
    /// The digest of its manifest, or of its index if it has several platforms.
    pub digest: Digest,
    /// The directory with its layout.
    pub layout: Utf8PathBuf,
}

impl Given {
    /// Returns the image of a package, if it is given.
    pub fn image(&self, name: &str) -> Option<&GivenImage> {
        self.images.get(name)
    }

    /// Returns the digests of what a package needs. What is not given is missing in it.
    pub(crate) fn digests<'a>(
        &self,
        needed: impl Iterator<Item = &'a str>,
    ) -> BTreeMap<String, Digest> {
        let digest = |name: &str| Some((name.to_owned(), self.images.get(name)?.digest));
        needed.filter_map(digest).collect()
    }

    /// Has a recipe take its dependencies from here.
    pub(crate) fn give(&self, recipe: &mut Recipe) {
        for (name, image) in &self.images {
            let context = Context::Given(image.layout.clone(), image.digest);
            if let Some(own) = recipe.contexts.get_mut(&build::name_of_package(name)) {
                *own = context;
            }
        }
    }
}

impl FromIterator<(String, GivenImage)> for Given {
    fn from_iter<I: IntoIterator<Item = (String, GivenImage)>>(images: I) -> Self {
        Self {
            images: images.into_iter().collect(),
        }
    }
}
