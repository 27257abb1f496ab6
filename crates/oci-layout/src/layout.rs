//! Reads OCI layouts: the layers of an image that an engine wrote as one with uncompressed layers, the
//! form that most engines share, and what a backend must know of a dependency. Knows the layout's
//! files, not what is in a layer.

use std::io;

use backend_api::{BuiltImage, EngineImage, EngineLayer};
use camino::Utf8Path;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::blob::{Blob, invalid};

/// The media types of a layer that is a plain tar.
const UNCOMPRESSED: [&str; 2] = [
    "application/vnd.oci.image.layer.v1.tar",
    "application/vnd.docker.image.rootfs.diff.tar",
];

/// Where a layout has its blobs.
const BLOBS: &str = "blobs/sha256";

/// The one image in an OCI layout. What leads to it, and its manifest, are what their names say;
/// whether the other blobs are is found out by whoever reads them.
#[derive(Debug)]
pub struct Layout {
    /// What the layout's index points to: the image, or an index that holds just it.
    pub top: Blob,
    /// The image's manifest.
    pub manifest: Blob,
    /// What kind of manifest it is.
    pub media_type: String,
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
    size: u64,
}

impl Layout {
    /// Reads the layout in `directory`. Nested indexes are followed while they name a single image.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::InvalidData`] with a sentence if it cannot be understood, or if a document is
    /// not what its name says.
    pub fn open(directory: &Utf8Path) -> io::Result<Self> {
        let IndexTarget {
            top,
            manifest,
            media_type,
        } = find(directory)?;
        let path = &manifest.path;
        let Manifest { config, layers } = parse(path, &manifest.read()?)?;
        let config = config.ok_or_else(|| invalid(format!("{path}: expected a config")))?;
        let blobs = directory.join(BLOBS);
        let layers = layers.iter().flatten();
        Ok(Self {
            top,
            config: blob(&blobs, &config)?,
            layers: layers
                .map(|layer| blob(&blobs, layer))
                .collect::<io::Result<_>>()?,
            manifest,
            media_type,
        })
    }
}

/// What the index of a layout leads to.
struct IndexTarget {
    top: Blob,
    manifest: Blob,
    media_type: String,
}

/// Finds what the index of the layout in `directory` points to, and the manifest of the one image there.
fn find(directory: &Utf8Path) -> io::Result<IndexTarget> {
    let mut top = None;
    let mut index: Index = read(&directory.join("index.json"))?;
    loop {
        let [only] = index.manifests.as_slice() else {
            let count = index.manifests.len();
            return Err(invalid(format!(
                "expected one image in {directory}, found {count}"
            )));
        };
        let found = blob(&directory.join(BLOBS), only)?;
        let top = top.get_or_insert_with(|| found.clone());
        if only.media_type.contains("manifest.v") {
            return Ok(IndexTarget {
                top: top.clone(),
                manifest: found,
                media_type: only.media_type.clone(),
            });
        }
        index = parse(&found.path, &found.read()?)?;
    }
}

/// Reads the layers of the one image in the OCI layout in `directory`, where each step of `image`
/// made one.
///
/// Nested indexes are followed while they name a single image; attestations beside it (of
/// platform `unknown`) are not asked for by any backend and therefore not looked for.
///
/// # Errors
///
/// [`io::ErrorKind::InvalidData`] with a sentence if the layout cannot be understood, if a layer
/// is compressed, or if the number of layers is not that of the base and the steps.
pub fn read_layout(directory: &Utf8Path, image: &BuiltImage) -> io::Result<EngineImage> {
    let IndexTarget { manifest, .. } = find(directory)?;
    read_manifest(&manifest.path, &directory.join(BLOBS), image)
}

/// Reads the layers of the image whose manifest is the file `manifest`, and whose blobs lie in
/// the directory `blobs`, each named by the hex digits of its digest.
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
    let bytes = beneath::read(path, beneath::MANIFEST)
        .map_err(|error| io::Error::new(error.kind(), format!("{path}: {error}")))?;
    parse(path, &bytes)
}

fn parse<T: DeserializeOwned>(path: &Utf8Path, bytes: &[u8]) -> io::Result<T> {
    serde_json::from_slice(bytes).map_err(|error| invalid(format!("{path}: {error}")))
}

/// Returns a file in the directory `blobs`. The digest is what a document says, so only hex digits are taken.
fn blob(blobs: &Utf8Path, descriptor: &Descriptor) -> io::Result<Blob> {
    let is_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    match descriptor.digest.strip_prefix("sha256:") {
        Some(hex) if hex.len() == 64 && hex.bytes().all(is_hex) => Ok(Blob {
            hex: hex.to_owned(),
            size: descriptor.size,
            path: blobs.join(hex),
        }),
        _ => Err(invalid(format!(
            "expected a sha256 digest in {blobs}, found `{}`",
            descriptor.digest
        ))),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use backend_api::{BuildKey, Step, StepId, StepKind};
    use camino::Utf8PathBuf;
    use rstest::rstest;
    use sha2::{Digest as _, Sha256};

    use super::*;
    use printable::hex;

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

    const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

    /// A layout of one image with a config and two layers.
    struct Scene {
        _temporary: tempfile::TempDir,
        directory: Utf8PathBuf,
        config: Utf8PathBuf,
        manifest: Utf8PathBuf,
        layers: [Utf8PathBuf; 2],
    }

    impl Scene {
        fn new(layer_type: &str) -> Self {
            let temporary = tempfile::tempdir().unwrap();
            let directory = Utf8PathBuf::from_path_buf(temporary.path().to_owned()).unwrap();
            let blobs = directory.join(BLOBS);
            std::fs::create_dir_all(&blobs).unwrap();
            let put = |media_type: &str, text: &str| {
                let hex = hex(&Sha256::digest(text.as_bytes()));
                let path = blobs.join(&hex);
                std::fs::write(&path, text).unwrap();
                let size = text.len();
                let descriptor = format!(
                    r#"{{"mediaType":"{media_type}","digest":"sha256:{hex}","size":{size}}}"#
                );
                (path, descriptor)
            };
            let (config, described) = put("application/vnd.oci.image.config.v1+json", "{}");
            let (base, first) = put(layer_type, "base");
            let (top, second) = put(layer_type, "top");
            let (manifest, image) = put(
                "application/vnd.oci.image.manifest.v1+json",
                &format!(r#"{{"config":{described},"layers":[{first},{second}]}}"#),
            );
            let index = format!(r#"{{"manifests":[{image}]}}"#);
            std::fs::write(directory.join("index.json"), index).unwrap();
            Self {
                _temporary: temporary,
                directory,
                config,
                manifest,
                layers: [base, top],
            }
        }

        /// Opens it and reads all of it.
        fn read(&self) -> io::Result<()> {
            let layout = Layout::open(&self.directory)?;
            layout.config.read()?;
            layout
                .layers
                .iter()
                .try_for_each(|layer| layer.open()?.finish())
        }
    }

    #[test]
    fn layers_above_the_base_go_to_their_steps() {
        let scene = Scene::new(LAYER);
        let found = read_layout(&scene.directory, &image(1)).unwrap();
        assert_eq!(
            found.layers,
            [EngineLayer {
                step: StepId { stage: 0, index: 0 },
                tar: scene.layers[1].clone(),
            }]
        );
    }

    #[rstest]
    #[case::as_long("bAse", "found 4 with the digest")]
    #[case::shorter("bas", "found 3 with the digest")]
    #[case::longer("based", "has more than 4 bytes")]
    fn a_layer_that_was_changed_is_named(#[case] text: &str, #[case] expected: &str) {
        let scene = Scene::new(LAYER);
        scene.read().unwrap();
        std::fs::write(&scene.layers[0], text).unwrap();
        let error = scene.read().unwrap_err().to_string();
        assert!(error.contains(scene.layers[0].as_str()), "{error}");
        assert!(error.contains(expected), "{error}");
    }

    #[rstest]
    fn a_document_that_was_changed_is_named(
        #[values(|scene: &Scene| scene.config.clone(), |scene: &Scene| scene.manifest.clone())]
        document: fn(&Scene) -> Utf8PathBuf,
    ) {
        let scene = Scene::new(LAYER);
        let path = document(&scene);
        let mut text = std::fs::read_to_string(&path).unwrap();
        text.push(' ');
        std::fs::write(&path, text).unwrap();
        let error = scene.read().unwrap_err().to_string();
        assert!(error.contains(path.as_str()), "{error}");
        assert!(error.contains("was changed"), "{error}");
    }

    /// Something that is read for ever, or never, or takes more memory than there is.
    #[rstest]
    #[case::a_pipe(|path: &Utf8Path| pipe(path), "named pipe")]
    #[case::zeros(|path: &Utf8Path| symlink("/dev/zero", path).unwrap(), "a device")]
    #[case::a_directory(|path: &Utf8Path| std::fs::create_dir(path).unwrap(), "a directory")]
    #[case::huge(|path: &Utf8Path| huge(path), "")]
    fn what_is_no_file_of_a_layout_is_refused(
        #[case] make: fn(&Utf8Path),
        #[case] expected: &str,
        #[values(
            |scene: &Scene| scene.directory.join("index.json"),
            |scene: &Scene| scene.config.clone(),
            |scene: &Scene| scene.manifest.clone(),
            |scene: &Scene| scene.layers[1].clone(),
        )]
        which: fn(&Scene) -> Utf8PathBuf,
    ) {
        let scene = Scene::new(LAYER);
        let path = which(&scene);
        std::fs::remove_file(&path).unwrap();
        make(&path);
        let error = scene.read().unwrap_err().to_string();
        assert!(error.contains(path.as_str()), "{error}");
        assert!(error.contains(expected), "{error}");
    }

    fn pipe(path: &Utf8Path) {
        let (kind, mode) = (rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU);
        rustix::fs::mknodat(rustix::fs::CWD, path.as_str(), kind, mode, 0).unwrap();
    }

    fn huge(path: &Utf8Path) {
        let file = std::fs::File::create(path).unwrap();
        file.set_len(1 << 40).unwrap();
    }

    #[test]
    fn a_size_that_lies_is_an_error_before_much_is_read() {
        let scene = Scene::new(LAYER);
        let mut layout = Layout::open(&scene.directory).unwrap();
        for size in [3, 5, 1 << 50] {
            layout.layers[0].size = size;
            assert!(layout.layers[0].open().unwrap().finish().is_err());
            assert!(layout.layers[0].read().is_err());
        }
    }

    #[test]
    fn a_missing_layer_is_said() {
        let scene = Scene::new(LAYER);
        let error = read_layout(&scene.directory, &image(2))
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("expected 3 layers") && error.contains("found 2"),
            "{error}"
        );
    }

    #[test]
    fn compressed_layers_are_refused() {
        let scene = Scene::new("application/vnd.oci.image.layer.v1.tar+gzip");
        let error = read_layout(&scene.directory, &image(1))
            .unwrap_err()
            .to_string();
        assert!(error.contains("expected uncompressed layers"), "{error}");
    }
}
