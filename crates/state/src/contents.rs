//! What is in an image in `out/`: its files, and the entries of its layers.

use documents::{ContentFile, ContentLayer, Contents};
use oci_image::{Descriptor, Layout, list_layer};
use walkdir::WalkDir;

use crate::error::{Error, IoContext};
use crate::folders::Folders;

/// Reads what is in the image of the output `name` of a tree.
pub fn contents(folders: &Folders, name: &str) -> Result<Contents, Error> {
    let folder = folders.output(name);
    let images = folders.images(name)?;
    let mut files = Vec::new();
    for entry in WalkDir::new(&folder).sort_by_file_name() {
        let entry = entry.map_err(std::io::Error::from).at("read", &folder)?;
        if entry.file_type().is_file() {
            let size = entry.metadata().map_err(std::io::Error::from);
            let path = entry.path().strip_prefix(&folder).unwrap_or(entry.path());
            files.push(ContentFile {
                path: path.to_string_lossy().into_owned(),
                size: size.at("read", &folder)?.len(),
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
