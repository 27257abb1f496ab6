//! What is in an image in `out/`: its files, and the entries of its layers.

use documents::{ContentFile, ContentLayer, Contents};
use oci_image::{Descriptor, Layout, list_layer};
use walkdir::WalkDir;

use crate::directories::Directories;
use crate::error::{Error, IoContext};

/// Reads what is in the image of the output `name` of a tree.
pub fn contents(directories: &Directories, name: &str) -> Result<Contents, Error> {
    let directory = directories.output(name);
    let images = directories.images(name)?;
    let mut files = Vec::new();
    for entry in WalkDir::new(&directory).sort_by_file_name() {
        let entry = entry.map_err(std::io::Error::from).at("read", &directory)?;
        if entry.file_type().is_file() {
            let size = entry.metadata().map_err(std::io::Error::from);
            let path = entry
                .path()
                .strip_prefix(&directory)
                .unwrap_or(entry.path());
            files.push(ContentFile {
                path: path.to_string_lossy().into_owned(),
                size: size.at("read", &directory)?.len(),
            });
        }
    }
    let several = images.images().len() > 1;
    let layer = |(image, layer): (&Layout, &Descriptor)| {
        Ok(ContentLayer {
            platform: several.then(|| image.platform()),
            digest: layer.digest.into(),
            entries: list_layer(image, layer)?,
        })
    };
    let of_image = |image| {
        Layout::manifest(image)
            .layers()
            .iter()
            .map(move |layer| (image, layer))
    };
    let layers = images.images().iter().flat_map(of_image).map(layer);
    Ok(Contents {
        name: name.to_owned(),
        files,
        layers: layers.collect::<Result<_, Error>>()?,
    })
}
