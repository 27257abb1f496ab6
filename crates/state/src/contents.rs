//! What is in an image in `out/`: its files, and the entries of its layers.

use oci_image::{Descriptor, Layout, ListedEntry, list_layer};
use serde::Serialize;
use walkdir::WalkDir;

use crate::error::{Error, IoContext};
use crate::folders::Folders;

/// What is in an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Contents {
    /// The package's full name.
    pub name: String,
    /// The files of the layout, sorted by path.
    pub files: Vec<ContentFile>,
    /// The layers, the lowest first.
    pub layers: Vec<ContentLayer>,
}

/// A file of a layout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ContentFile {
    /// Its path in the layout.
    pub path: String,
    /// Its size in bytes.
    pub size: u64,
}

/// A layer of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ContentLayer {
    /// The platform of the image that it is of, where there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub platform: Option<String>,
    /// The digest of the blob.
    pub digest: String,
    /// Its entries, in their order.
    pub entries: Vec<ListedEntry>,
}

impl Contents {
    /// Reads what is in the image of the output `name` of a tree.
    pub fn of_output(folders: &Folders, name: &str) -> Result<Self, Error> {
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
                digest: layer.digest.to_string(),
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
        Ok(Self {
            name: name.to_owned(),
            files,
            layers: layers.collect::<Result<_, Error>>()?,
        })
    }
}
