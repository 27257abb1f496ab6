//! Takes images that others have built for those of a tree, as if they had been built here from what the tree has now.
//!
//! It does not know who says that they were.

use std::collections::BTreeMap;

use build::Error;
use oci_image::{Digest, ImageSet, put_together_as};
use package_tree::PlannedPackage;
use state::{Directories, Outputs, Record};

use crate::given::GivenImage;
use crate::keys::Keys;

/// The runtime that a record names whose image nobody has built here.
pub const SUBSTITUTED: &str = "substituted";

/// Puts an image into `out/` in place of what is there, with the record of a build from images with the digests `needed`.
/// What is the same is left as it is: tells whether anything was put there.
///
/// # Errors
///
/// What cannot be read or written.
pub fn substitute(
    (directories, outputs): (&Directories, &Outputs),
    keys: &Keys<'_>,
    package: &PlannedPackage,
    needed: &BTreeMap<String, Digest>,
    image: &GivenImage,
) -> Result<bool, Error> {
    let Some(inputs) = keys.inputs(package, needed) else {
        return Ok(false);
    };
    let key = inputs.key(keys.profile());
    let name = &package.name;
    let output = outputs.look(name)?;
    let is_same = output
        .is_some_and(|output| output.whole && output.key == key && output.digest == image.digest);
    if is_same {
        return Ok(false);
    }
    let repository = build::name_of_package(name);
    let destination = directories.output(name);
    let images = if image.layout.is_relative() {
        ImageSet::open_beneath(directories.root(), &image.layout, None)
    } else {
        ImageSet::open(&image.layout)
    }?;
    // It was verified before, and may be another by now. Its blobs are verified while they are taken.
    if images.digest() != image.digest {
        return Err(Error::Replaced {
            name: repository,
            found: images.digest(),
            expected: image.digest,
        });
    }
    Record::remove(directories, name)?;
    let called = (repository.as_str(), package.tag());
    let digest = put_together_as(images.images(), keys.profile(), called, &destination)?;
    let is_index = images.images().len() > 1;
    let record = Record {
        key,
        digest: if is_index { digest } else { image.digest },
        runtime: SUBSTITUTED.to_owned(),
        milliseconds: 0,
        inputs,
        seeds: Vec::new(),
    };
    record.write(directories, name)?;
    Ok(true)
}
