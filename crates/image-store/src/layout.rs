//! Finds the parts of the one image in an OCI layout: what an engine must be told of a dependency.
//! Knows the layout's files, not what is in a layer.

use std::fs::File;
use std::io::{self, BufReader};

use camino::{Utf8Path, Utf8PathBuf};
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// A blob in a layout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blob {
    /// The hex digits of its digest.
    pub hex: String,
    /// Where it lies.
    pub path: Utf8PathBuf,
}

/// The one image in an OCI layout.
#[derive(Debug)]
pub struct Layout {
    /// What the layout's index points to: the image, or an index that holds just it.
    pub top: Blob,
    /// The image's configuration.
    pub config: Blob,
    /// The image's layers, the lowest first.
    pub layers: Vec<Blob>,
}

#[derive(Deserialize)]
struct Index {
    manifests: Vec<Descriptor>,
}

#[derive(Deserialize)]
struct Manifest {
    config: Descriptor,
    layers: Option<Vec<Descriptor>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    media_type: String,
    digest: String,
}

impl Layout {
    /// Reads the layout in `folder`.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::InvalidData`] with a sentence if it cannot be understood.
    pub fn open(folder: &Utf8Path) -> io::Result<Self> {
        let mut top = None;
        let mut index: Index = read(&folder.join("index.json"))?;
        loop {
            let [only] = index.manifests.as_slice() else {
                let count = index.manifests.len();
                return Err(invalid(format!(
                    "expected one image in {folder}, found {count}"
                )));
            };
            let found = blob(folder, only)?;
            let path = found.path.clone();
            let top = top.get_or_insert(found);
            if !only.media_type.contains("index.v") {
                let manifest: Manifest = read(&path)?;
                let layers = manifest.layers.iter().flatten();
                return Ok(Self {
                    top: top.clone(),
                    config: blob(folder, &manifest.config)?,
                    layers: layers
                        .map(|layer| blob(folder, layer))
                        .collect::<io::Result<_>>()?,
                });
            }
            index = read(&path)?;
        }
    }
}

fn read<T: DeserializeOwned>(path: &Utf8Path) -> io::Result<T> {
    let file = File::open(path)
        .map_err(|error| io::Error::new(error.kind(), format!("{path}: {error}")))?;
    serde_json::from_reader(BufReader::new(file))
        .map_err(|error| invalid(format!("{path}: {error}")))
}

/// Returns where a blob lies. Only hex digits become a part of the path.
fn blob(folder: &Utf8Path, descriptor: &Descriptor) -> io::Result<Blob> {
    match descriptor.digest.strip_prefix("sha256:") {
        Some(hex) if hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
            Ok(Blob {
                hex: hex.to_owned(),
                path: folder.join("blobs/sha256").join(hex),
            })
        }
        _ => Err(invalid(format!(
            "expected a sha256 digest in {folder}, found `{}`",
            descriptor.digest
        ))),
    }
}

fn invalid(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}
