//! Reads OCI layouts: the layers of an image that an engine wrote as one with uncompressed layers, the
//! form that most engines share, and what a backend must know of a dependency. Knows the layout's
//! files, not what is in a layer.

use std::fs::File;
use std::io::{self, BufReader};

use camino::{Utf8Path, Utf8PathBuf};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::image::{BuiltImage, EngineImage, EngineLayer};

/// The media types of a layer that is a plain tar.
const UNCOMPRESSED: [&str; 2] = [
    "application/vnd.oci.image.layer.v1.tar",
    "application/vnd.docker.image.rootfs.diff.tar",
];

/// Where a layout has its blobs.
const BLOBS: &str = "blobs/sha256";

/// A file of a layout, whose name is its digest.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Blob {
    /// The hex digits of the sha256 that it has to have.
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
    config: Option<Descriptor>,
    layers: Option<Vec<Descriptor>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    media_type: String,
    digest: String,
}

impl Layout {
    /// Reads the layout in `folder`. Nested indexes are followed while they name a single image.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::InvalidData`] with a sentence if it cannot be understood.
    pub fn open(folder: &Utf8Path) -> io::Result<Self> {
        let (top, manifest) = find(folder)?;
        let path = manifest.path;
        let Manifest { config, layers } = read(&path)?;
        let config = config.ok_or_else(|| invalid(format!("{path}: expected a config")))?;
        let blobs = folder.join(BLOBS);
        let layers = layers.iter().flatten();
        Ok(Self {
            top,
            config: blob(&blobs, &config)?,
            layers: layers
                .map(|layer| blob(&blobs, layer))
                .collect::<io::Result<_>>()?,
        })
    }
}

/// Finds what the index of the layout in `folder` points to, and the manifest of the one image there.
fn find(folder: &Utf8Path) -> io::Result<(Blob, Blob)> {
    let mut top = None;
    let mut index: Index = read(&folder.join("index.json"))?;
    loop {
        let [only] = index.manifests.as_slice() else {
            let count = index.manifests.len();
            return Err(invalid(format!(
                "expected one image in {folder}, found {count}"
            )));
        };
        let found = blob(&folder.join(BLOBS), only)?;
        let top = top.get_or_insert_with(|| found.clone());
        if only.media_type.contains("manifest.v") {
            return Ok((top.clone(), found));
        }
        index = read(&found.path)?;
    }
}

/// Reads the layers of the one image in the OCI layout in `folder`, where each step of `image`
/// made one.
///
/// Nested indexes are followed while they name a single image; attestations beside it (of
/// platform `unknown`) are not asked for by any backend and therefore not looked for.
///
/// # Errors
///
/// [`io::ErrorKind::InvalidData`] with a sentence if the layout cannot be understood, if a layer
/// is compressed, or if the number of layers is not that of the base and the steps.
pub fn read_layout(folder: &Utf8Path, image: &BuiltImage) -> io::Result<EngineImage> {
    let (_, manifest) = find(folder)?;
    read_manifest(&manifest.path, &folder.join(BLOBS), image)
}

/// Reads the layers of the image whose manifest is the file `manifest`, and whose blobs lie in
/// the folder `blobs`, each named by the hex digits of its digest.
///
/// # Errors
///
/// As [`read_layout`].
pub fn read_manifest(
    manifest: &Utf8Path,
    blobs: &Utf8Path,
    image: &BuiltImage,
) -> io::Result<EngineImage> {
    let manifest: Manifest = read(manifest)?;
    let layers = manifest.layers.unwrap_or_default();
    let (expected, found) = (image.base_layers + image.steps.len(), layers.len());
    if found != expected {
        return Err(invalid(format!(
            "expected {expected} layers ({} of the base and one for each of {} instructions), \
             found {found}",
            image.base_layers,
            image.steps.len(),
        )));
    }
    let above = image.steps.iter().zip(&layers[image.base_layers..]);
    let layers = above.map(|(step, descriptor)| {
        if !UNCOMPRESSED.contains(&descriptor.media_type.as_str()) {
            let kind = &descriptor.media_type;
            return Err(invalid(format!(
                "expected uncompressed layers, found {kind}"
            )));
        }
        Ok(EngineLayer {
            step: step.id,
            tar: blob(blobs, descriptor)?.path,
        })
    });
    Ok(EngineImage {
        layers: layers.collect::<io::Result<_>>()?,
    })
}

fn read<T: DeserializeOwned>(path: &Utf8Path) -> io::Result<T> {
    let file = File::open(path)
        .map_err(|error| io::Error::new(error.kind(), format!("{path}: {error}")))?;
    serde_json::from_reader(BufReader::new(file))
        .map_err(|error| invalid(format!("{path}: {error}")))
}

/// Returns a file in the folder `blobs`. The digest is what a document says, so only hex digits are taken.
fn blob(blobs: &Utf8Path, descriptor: &Descriptor) -> io::Result<Blob> {
    match descriptor.digest.strip_prefix("sha256:") {
        Some(hex) if hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
            Ok(Blob {
                hex: hex.to_owned(),
                path: blobs.join(hex),
            })
        }
        _ => Err(invalid(format!(
            "expected a sha256 digest in {blobs}, found `{}`",
            descriptor.digest
        ))),
    }
}

fn invalid(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::BuildKey;
    use crate::step::{Step, StepId, StepKind};

    fn image(steps: usize) -> BuiltImage {
        let step = |index| Step {
            id: StepId { stage: 0, index },
            kind: StepKind::Run,
        };
        BuiltImage {
            key: BuildKey::new("k"),
            reference: String::new(),
            also_made: Vec::new(),
            steps: (0..steps).map(step).collect(),
            base_layers: 1,
            work: Utf8PathBuf::new(),
        }
    }

    fn layout(layer_type: &str) -> (tempfile::TempDir, Utf8PathBuf) {
        let temporary = tempfile::tempdir().unwrap();
        let folder = Utf8PathBuf::from_path_buf(temporary.path().to_owned()).unwrap();
        let blobs = folder.join("blobs/sha256");
        std::fs::create_dir_all(&blobs).unwrap();
        let digest = |digit: &str| format!("sha256:{}", digit.repeat(64));
        let layer = |digit| {
            format!(
                r#"{{"mediaType":"{layer_type}","digest":"{}"}}"#,
                digest(digit)
            )
        };
        let manifest = format!(r#"{{"layers":[{},{}]}}"#, layer("a"), layer("b"));
        std::fs::write(blobs.join("c".repeat(64)), manifest).unwrap();
        let index = format!(
            r#"{{"manifests":[{{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"{}"}}]}}"#,
            digest("c")
        );
        std::fs::write(folder.join("index.json"), index).unwrap();
        (temporary, folder)
    }

    #[test]
    fn layers_above_the_base_go_to_their_steps() {
        let (_temporary, folder) = layout("application/vnd.oci.image.layer.v1.tar");
        let found = read_layout(&folder, &image(1)).unwrap();
        let tar = folder.join("blobs/sha256").join("b".repeat(64));
        assert_eq!(
            found.layers,
            [EngineLayer {
                step: StepId { stage: 0, index: 0 },
                tar
            }]
        );
    }

    #[test]
    fn a_missing_layer_is_said() {
        let (_temporary, folder) = layout("application/vnd.oci.image.layer.v1.tar");
        let error = read_layout(&folder, &image(2)).unwrap_err().to_string();
        assert!(
            error.contains("expected 3 layers") && error.contains("found 2"),
            "{error}"
        );
    }

    #[test]
    fn compressed_layers_are_refused() {
        let (_temporary, folder) = layout("application/vnd.oci.image.layer.v1.tar+gzip");
        let error = read_layout(&folder, &image(1)).unwrap_err().to_string();
        assert!(error.contains("expected uncompressed layers"), "{error}");
    }
}
