//! The images in a layout, one for each platform: opened together, found by platform, or put
//! together into one layout.
//!
//! It knows platforms and digests. It does not know how an image is made.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;

use beneath::Directory;
use camino::Utf8Path;

use crate::digest::Digest;
use crate::layout::{Layout, LayoutError, LayoutWriter, at};
use crate::manifest::{Descriptor, Index};
use crate::profile::{Profile, REFERENCE};

/// What an image is called in a layout that is meant where nothing is said.
const USUAL: &str = "latest";

/// The images in a layout, in the order of its index; at least one.
#[derive(Debug, Clone)]
pub struct ImageSet {
    images: Vec<Layout>,
}

/// Which of the images in a layout is meant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Choice {
    /// What it is called there, if that is said.
    pub tag: Option<String>,
    /// The digest of its manifest or index, if that is said.
    pub digest: Option<Digest>,
}

impl Choice {
    /// Leaves of the entries of a layout those that are meant.
    fn take(&self, entries: &mut Vec<Descriptor>) {
        fn name(entry: &Descriptor) -> Option<&str> {
            entry.annotations.get(REFERENCE).map(String::as_str)
        }
        if let Some(digest) = self.digest {
            entries.retain(|entry| entry.digest == digest);
        }
        if let Some(tag) = &self.tag {
            entries.retain(|entry| name(entry) == Some(tag));
        } else if self.digest.is_none() {
            // Without names, several are one image for several platforms.
            let names: BTreeSet<_> = entries.iter().filter_map(name).collect();
            if names.len() > 1 {
                entries.retain(|entry| name(entry) == Some(USUAL));
            }
        }
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tag = match self.digest {
            Some(_) => self.tag.as_deref(),
            None => Some(self.tag.as_deref().unwrap_or(USUAL)),
        };
        let tag = tag.map(|tag| format!(":{tag}"));
        let digest = self.digest.map(|digest| format!("@{digest}"));
        [tag, digest]
            .into_iter()
            .flatten()
            .try_for_each(|part| f.write_str(&part))
    }
}

impl ImageSet {
    /// Opens all images of the layout in `directory`; see [`Layout::open`].
    pub fn open(directory: &Utf8Path) -> Result<Self, LayoutError> {
        Self::open_chosen(directory, None)
    }

    /// Opens the image that is meant, for each of its platforms.
    pub fn open_chosen(directory: &Utf8Path, choice: Option<&Choice>) -> Result<Self, LayoutError> {
        Self::of(Directory::open(directory), directory, choice)
    }

    /// Opens the images of the layout at `path` beneath the directory `parent`, which is trusted. No symbolic
    /// link is followed from there on.
    pub fn open_beneath(
        parent: &Utf8Path,
        path: &Utf8Path,
        choice: Option<&Choice>,
    ) -> Result<Self, LayoutError> {
        let opened = Directory::open(parent).and_then(|parent| parent.directory(path));
        Self::of(opened, &parent.join(path), choice)
    }

    fn of(
        opened: io::Result<Directory>,
        directory: &Utf8Path,
        choice: Option<&Choice>,
    ) -> Result<Self, LayoutError> {
        let choice = choice.cloned().unwrap_or_default();
        let mut refused = false;
        let images = Layout::open_all(&opened.map_err(at(directory))?, |entries| {
            choice.take(entries);
            refused = entries.is_empty();
        });
        if refused {
            return Err(LayoutError::NoneOf {
                directory: directory.to_owned(),
                choice: choice.to_string(),
            });
        }
        let images = images?;
        if images.is_empty() {
            let directory = directory.to_owned();
            return Err(LayoutError::NotOne {
                directory,
                found: 0,
            });
        }
        Ok(Self { images })
    }

    /// Returns the images.
    pub fn images(&self) -> &[Layout] {
        &self.images
    }

    /// Reads all layers and compares them with their digests.
    pub fn verify(&self) -> Result<(), LayoutError> {
        self.images.iter().try_for_each(Layout::verify)
    }

    /// Returns the first image.
    pub fn first(&self) -> &Layout {
        &self.images[0]
    }

    /// Returns the digest that stands for all of it: that of the manifest where there is one image,
    /// and that of the index where there are several.
    pub fn digest(&self) -> Digest {
        match self.images.as_slice() {
            [only] => only.manifest_digest(),
            several => several[0].parent_digest(),
        }
    }

    /// Returns each image's platform and the digest of its manifest.
    pub fn platforms(&self) -> Vec<(String, Digest)> {
        let image = |image: &Layout| (image.platform(), image.manifest_digest());
        self.images.iter().map(image).collect()
    }

    /// Returns every blob, each once.
    pub fn blobs(&self) -> Vec<&Descriptor> {
        let mut blobs: Vec<&Descriptor> = Vec::new();
        for blob in self.images.iter().flat_map(Layout::blobs) {
            if !blobs.iter().any(|known| known.digest == blob.digest) {
                blobs.push(blob);
            }
        }
        blobs
    }

    /// Returns the image for `platform`. Where there is but one, it was chosen when it was built.
    pub fn for_platform(&self, platform: &str) -> Result<&Layout, LayoutError> {
        if let [only] = self.images.as_slice() {
            return Ok(only);
        }
        let mut images = self.images.iter();
        let found = images.find(|image| image.platform() == platform);
        found.ok_or_else(|| LayoutError::NoPlatform {
            directory: self.first().directory().to_owned(),
            platform: platform.to_owned(),
            found: self.images.iter().map(Layout::platform).collect(),
        })
    }
}

/// Puts images of one name together into one layout at `destination`, in their order, in place of what
/// is there. Each is the only one of its own layout; bytes are shared where the file system can.
pub fn put_together(
    images: &[Layout],
    profile: &Profile,
    destination: &Utf8Path,
) -> Result<Digest, LayoutError> {
    let names = images.first().map(|image| image.names().clone());
    together(images, profile, names.unwrap_or_default(), destination)
}

/// Does the same with images that have no names yet, as a registry serves them: they are called as those that were built
/// here are.
pub fn put_together_as(
    images: &[Layout],
    profile: &Profile,
    (repository, tag): (&str, &str),
    destination: &Utf8Path,
) -> Result<Digest, LayoutError> {
    let names = profile.names(repository, tag);
    together(images, profile, names, destination)
}

fn together(
    images: &[Layout],
    profile: &Profile,
    names: BTreeMap<String, String>,
    destination: &Utf8Path,
) -> Result<Digest, LayoutError> {
    let writer = LayoutWriter::new(destination)?;
    let mut entries = Vec::new();
    for image in images {
        let manifest = image.manifest_descriptor();
        for blob in image.contents().chain([manifest]) {
            writer.share(image, blob)?;
        }
        let platform = image.manifest_platform();
        entries.push(Descriptor {
            platform: platform.or_else(|| Some(image.platform_fields())),
            ..manifest.clone()
        });
    }
    let index = writer.add(&Index::of(profile.media_types.index, entries).to_blob())?;
    let mut entry = Descriptor::new(profile.media_types.index, index);
    entry.annotations = names;
    writer.finish(&Index::of(profile.media_types.index, vec![entry]))?;
    Ok(index.digest)
}
