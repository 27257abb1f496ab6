//! An image in a directory, as an OCI layout: opened and verified, or written beside its place and
//! moved there when it is whole.
//!
//! A layout may have come with a tree that somebody else made: its files are regular, and no symbolic link
//! in it is followed. It knows files and digests. It does not know what is in a layer or a config.

use std::collections::BTreeMap;
use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::fd::AsFd as _;
use std::os::unix::fs::{PermissionsExt, symlink};

use beneath::Directory;
use camino::{Utf8Path, Utf8PathBuf};
use rayon::iter::{IntoParallelRefIterator as _, ParallelIterator as _};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use serde::de::DeserializeOwned;
use tempfile::{NamedTempFile, TempDir};

use crate::digest::{Digest, Measured};
use crate::manifest::{Descriptor, Index, Manifest, OCI_LAYOUT, PlatformFields};
use crate::media_types::{INDEX, LAYER};

/// The file of a layout that says what lies in it.
pub(crate) const INDEX_FILE: &str = "index.json";

/// Where blobs are in a layout.
const BLOBS: &str = "blobs/sha256";

/// Media types of Docker for what OCI has a name of its own for, and that name.
const SAME_AS_OCI: [(&str, &str); 1] =
    [("application/vnd.docker.image.rootfs.diff.tar.gzip", LAYER)];

/// A directory that is not the layout of one image.
#[derive(Debug, thiserror::Error)]
pub enum LayoutError {
    /// A file cannot be read or written.
    #[error("{path}")]
    Io {
        /// The file.
        path: Utf8PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file does not hold the JSON that belongs there.
    #[error("{path} is not the JSON of {expected}")]
    Json {
        /// The file.
        path: Utf8PathBuf,
        /// What was expected.
        expected: &'static str,
        /// Why.
        source: serde_json::Error,
    },
    /// There is not one image in the layout.
    #[error("expected one image in {directory}, found {found}")]
    NotOne {
        /// The layout.
        directory: Utf8PathBuf,
        /// How many there are.
        found: usize,
    },
    /// None of the images has the name or the digest that is meant.
    #[error("there is no image `{choice}` in {directory}")]
    NoneOf {
        /// The layout.
        directory: Utf8PathBuf,
        /// The tag and the digest.
        choice: String,
    },
    /// None of several images is of a platform.
    #[error("expected an image for {platform} in {directory}, found those for {}", found.join(", "))]
    NoPlatform {
        /// The layout.
        directory: Utf8PathBuf,
        /// The platform.
        platform: String,
        /// Those that there are.
        found: Vec<String>,
    },
    /// A blob is not what its name says.
    #[error("{path} was changed: expected {expected_size} bytes, found {} with the digest {}", found.size, found.digest)]
    Changed {
        /// The blob, whose name is the digest that was expected.
        path: Utf8PathBuf,
        /// The size that was expected, in bytes.
        expected_size: u64,
        /// What is there.
        found: Measured,
    },
    /// Something that should be small is not.
    #[error("{path} has {size} bytes; expected at most {limit} of JSON", limit = beneath::MANIFEST)]
    TooLarge {
        /// The blob.
        path: Utf8PathBuf,
        /// Its size in bytes.
        size: u64,
    },
    /// A layer is compressed in another way.
    #[error("expected layers of type {LAYER} in {directory}, found {found}")]
    LayerType {
        /// The layout.
        directory: Utf8PathBuf,
        /// The type that was found.
        found: String,
    },
}

/// One image in a layout.
#[derive(Debug, Clone)]
pub struct Layout {
    directory: Utf8PathBuf,
    manifest_digest: Digest,
    manifest: Manifest,
    config: Vec<u8>,
    platform: PlatformFields,
    /// The blobs that lead to the manifest, and itself.
    documents: Vec<Descriptor>,
}

impl Layout {
    /// Opens a layout of one image, however many indexes lead to it; manifest and config are
    /// verified, layers are not: see [`Layout::verify`].
    pub fn open(place: &Utf8Path) -> Result<Self, LayoutError> {
        let directory = Directory::open(place).map_err(at(place))?;
        let mut images = Self::open_all(&directory, |_| ())?;
        match (images.pop(), images.len()) {
            (Some(only), 0) => Ok(only),
            (_, others) => Err(LayoutError::NotOne {
                directory: place.to_owned(),
                found: others + usize::from(others > 0),
            }),
        }
    }

    /// Opens each image of a layout of those that `take` leaves of its entries, in the order of its index.
    pub(crate) fn open_all(
        directory: &Directory,
        take: impl FnOnce(&mut Vec<Descriptor>),
    ) -> Result<Vec<Self>, LayoutError> {
        let place = directory.path();
        let path = Self::index(place);
        let bytes = directory.read(INDEX_FILE.into(), beneath::MANIFEST);
        let bytes = bytes.map_err(at(&path))?;
        let mut index: Index = parse(&path, &bytes, "an index")?;
        take(&mut index.manifests);
        let mut documents = Vec::new();
        loop {
            // Only the last index may name several: they are one image for several platforms.
            match index.manifests.as_slice() {
                [entry] if !entry.is_manifest() => {
                    let bytes = read_blob(directory, entry)?;
                    let path = blob_path(place, &entry.digest);
                    documents.push(entry.clone());
                    index = parse(&path, &bytes, "an index")?;
                }
                entries if entries.iter().all(Descriptor::is_manifest) => {
                    let image = |entry| Self::open_image(directory, entry, &documents);
                    return entries.iter().map(image).collect();
                }
                entries => {
                    return Err(LayoutError::NotOne {
                        directory: place.to_owned(),
                        found: entries.len(),
                    });
                }
            }
        }
    }

    fn open_image(
        directory: &Directory,
        entry: &Descriptor,
        indexes: &[Descriptor],
    ) -> Result<Self, LayoutError> {
        let place = directory.path();
        let bytes = read_blob(directory, entry)?;
        let path = blob_path(place, &entry.digest);
        let mut manifest: Manifest = parse(&path, &bytes, "a manifest")?;
        for layer in manifest.layers.iter_mut().flatten() {
            expect_layer(place, layer)?;
        }
        let config = read_blob(directory, &manifest.config)?;
        let path = blob_path(place, &manifest.config.digest);
        Ok(Self {
            directory: place.to_owned(),
            manifest_digest: entry.digest,
            manifest,
            platform: parse(&path, &config, "a config")?,
            config,
            documents: indexes.iter().chain([entry]).cloned().collect(),
        })
    }

    /// Returns the place.
    pub fn directory(&self) -> &Utf8Path {
        &self.directory
    }

    /// Returns the digest of the manifest: the image's digest.
    pub fn manifest_digest(&self) -> Digest {
        self.manifest_digest
    }

    /// Returns the manifest.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Returns the platform that the config says, as `os/architecture[/variant]`.
    pub fn platform(&self) -> String {
        self.platform.to_string()
    }

    /// Returns the platform that is noted beside the manifest.
    pub fn manifest_platform(&self) -> Option<PlatformFields> {
        self.manifest_descriptor().platform.clone()
    }

    /// Returns the platform that the config says, as an index has it.
    pub(crate) fn platform_fields(&self) -> PlatformFields {
        self.platform.clone()
    }

    /// Returns what leads to the manifest.
    pub(crate) fn manifest_descriptor(&self) -> &Descriptor {
        self.documents.last().expect("the manifest is the last")
    }

    /// Returns the digest of the index that leads to the manifest, or its own if none does.
    pub(crate) fn parent_digest(&self) -> Digest {
        let place = self.documents.len().saturating_sub(2);
        self.documents[place].digest
    }

    /// Returns what is noted beside the first thing in the layout: the names of the image.
    pub(crate) fn names(&self) -> &BTreeMap<String, String> {
        &self.documents[0].annotations
    }

    /// Returns the bytes of the config.
    pub fn config(&self) -> &[u8] {
        &self.config
    }

    /// Returns every blob of the image: indexes, the manifest, the config and the layers.
    pub fn blobs(&self) -> impl Iterator<Item = &Descriptor> {
        self.documents.iter().chain(self.contents())
    }

    /// Returns the config and the layers.
    pub(crate) fn contents(&self) -> impl Iterator<Item = &Descriptor> {
        std::iter::once(&self.manifest.config).chain(self.manifest.layers())
    }

    /// Makes the new directory `to` a layout of this one image, whose blobs are where they are.
    pub fn link(&self, to: &Utf8Path) -> Result<(), LayoutError> {
        let blobs = self.directory.join("blobs");
        let index = Index::of(INDEX, vec![self.manifest_descriptor().clone()]);
        let made = fs::create_dir_all(to)
            .and_then(|()| blobs.canonicalize())
            .and_then(|blobs| symlink(blobs, to.join("blobs")))
            .and_then(|()| fs::write(to.join(INDEX_FILE), index.to_file()))
            .and_then(|()| fs::write(to.join("oci-layout"), OCI_LAYOUT));
        made.map_err(at(to))
    }

    /// Returns the path of the blob with `digest` in the layout in `directory`.
    pub fn blob(directory: &Utf8Path, digest: &Digest) -> Utf8PathBuf {
        blob_path(directory, digest)
    }

    /// Returns the path of the file in `directory` that says what lies in the layout.
    pub fn index(directory: &Utf8Path) -> Utf8PathBuf {
        directory.join(INDEX_FILE)
    }

    /// Opens a blob for reading.
    pub fn open_blob(&self, descriptor: &Descriptor) -> Result<File, LayoutError> {
        let path = blob_path(&self.directory, &descriptor.digest);
        Directory::open(&self.directory)
            .and_then(|directory| directory.file(&within(&descriptor.digest)))
            .map_err(at(&path))
    }

    /// Reads all layers and compares them with their digests.
    pub fn verify(&self) -> Result<(), LayoutError> {
        let layers = self.manifest.layers().par_iter();
        let verified: Vec<_> = layers.map(|layer| self.verify_blob(layer)).collect();
        verified.into_iter().collect()
    }

    fn verify_blob(&self, descriptor: &Descriptor) -> Result<(), LayoutError> {
        let path = blob_path(&self.directory, &descriptor.digest);
        let found = Measured::of_reader(self.open_blob(descriptor)?).map_err(at(&path))?;
        expect(&path, descriptor, found)
    }
}

/// A layout that is being written. It appears in its place when it is whole, or not at all.
pub(crate) struct LayoutWriter {
    directory: TempDir,
    root: Utf8PathBuf,
    destination: Utf8PathBuf,
}

impl LayoutWriter {
    /// Starts a layout beside `destination`, so that it can be moved there at once.
    pub(crate) fn new(destination: &Utf8Path) -> Result<Self, LayoutError> {
        let parent = destination
            .parent()
            .filter(|parent| !parent.as_str().is_empty());
        let parent = parent.unwrap_or(Utf8Path::new("."));
        fs::create_dir_all(parent).map_err(at(parent))?;
        let prefix = format!(".{}.", destination.file_name().unwrap_or_default());
        let directory = tempfile::Builder::new()
            .prefix(&prefix)
            .tempdir_in(parent)
            .map_err(at(parent))?;
        let root = Utf8PathBuf::from_path_buf(directory.path().to_owned())
            .map_err(|path| io::Error::other(format!("{} is not UTF-8", path.display())))
            .map_err(at(parent))?;
        let writer = Self {
            directory,
            root,
            destination: destination.to_owned(),
        };
        fs::create_dir_all(writer.blobs()).map_err(at(&writer.root))?;
        Ok(writer)
    }

    /// Returns the directory that blobs belong into.
    pub(crate) fn blobs(&self) -> Utf8PathBuf {
        self.root.join(BLOBS)
    }

    /// Adds a blob.
    pub(crate) fn add(&self, bytes: &[u8]) -> Result<Measured, LayoutError> {
        let measured = Measured {
            digest: Digest::of(bytes),
            size: bytes.len() as u64,
        };
        let blobs = self.blobs();
        let mut file = NamedTempFile::new_in(&blobs).map_err(at(&blobs))?;
        file.write_all(bytes).map_err(at(&blobs))?;
        keep_blob(file, &measured.digest, &blobs).map_err(at(&blobs))?;
        Ok(measured)
    }

    /// Adds a blob of another layout. It shares the other's bytes where the file system can.
    pub(crate) fn share(&self, layout: &Layout, blob: &Descriptor) -> Result<(), LayoutError> {
        layout.verify_blob(blob)?;
        let from = blob_path(&layout.directory, &blob.digest);
        let to = blob_path(&self.root, &blob.digest);
        // That it is a regular file, and no link on the way to it, was seen when it was verified.
        if to.exists() || fs::hard_link(&from, &to).is_ok() {
            return Ok(());
        }
        fs::copy(&from, &to).map_err(at(&from))?;
        File::open(&to)
            .and_then(|file| file.sync_all())
            .map_err(at(&to))
    }

    /// Writes the layout's own files, verifies all, and puts the layout into its place.
    pub(crate) fn finish(self, index: &Index) -> Result<(), LayoutError> {
        for (name, bytes) in [
            (INDEX_FILE, index.to_file()),
            ("oci-layout", OCI_LAYOUT.into()),
        ] {
            let path = self.root.join(name);
            let written = File::create(&path).and_then(|mut file| {
                file.write_all(&bytes)?;
                file.sync_all()
            });
            written.map_err(at(&path))?;
        }
        let written = Directory::open(&self.root).map_err(at(&self.root))?;
        for image in Layout::open_all(&written, |_| ())? {
            image.verify()?;
        }

        let blobs = self.blobs();
        for directory in [blobs.as_path(), &self.root.join("blobs"), &self.root] {
            sync_directory(directory).map_err(at(directory))?;
        }
        fs::set_permissions(&self.root, Permissions::from_mode(0o755)).map_err(at(&self.root))?;
        put_into_place(self.directory, &self.destination).map_err(at(&self.destination))
    }
}

/// Keeps a file as a blob. A blob of that name that is there already is the same.
pub(crate) fn keep_blob(file: NamedTempFile, digest: &Digest, blobs: &Utf8Path) -> io::Result<()> {
    file.as_file()
        .set_permissions(Permissions::from_mode(0o644))?;
    file.as_file().sync_all()?;
    file.persist(blobs.join(digest.hex()))?;
    Ok(())
}

/// Moves a directory to `destination`, in one step where the file system can.
fn put_into_place(directory: TempDir, destination: &Utf8Path) -> io::Result<()> {
    let path = Utf8Path::from_path(directory.path())
        .ok_or_else(|| io::Error::other("the path of a temporary directory is not UTF-8"))?;
    move_layout(path, destination)?;
    // It is not there any more, and must not be removed from its new place.
    let _moved = directory.keep();
    Ok(())
}

/// Moves a layout to `destination` on the same file system, in place of what is there; in one step where the file
/// system can.
///
/// # Errors
///
/// Those of the operating system. Then what was there is there; or, where it could not be put back, beside it in a
/// directory whose name begins with `.old.`.
pub fn move_layout(directory: &Utf8Path, destination: &Utf8Path) -> io::Result<()> {
    let parent = destination
        .parent()
        .filter(|parent| !parent.as_str().is_empty());
    let parent = parent.unwrap_or(Utf8Path::new("."));
    if fs::symlink_metadata(destination).is_err() {
        fs::rename(directory, destination)?;
    } else if renameat_with(
        CWD,
        directory.as_std_path(),
        CWD,
        destination.as_std_path(),
        RenameFlags::EXCHANGE,
    )
    .is_ok()
    {
        // It has the name now of what was there before, which need not be a directory.
        let name = directory.file_name().unwrap_or_default();
        let beside = directory.parent().unwrap_or(parent);
        let beside = File::open(beside)?;
        beneath::remove(beside.as_fd(), name.as_bytes())?;
    } else {
        let aside = tempfile::Builder::new()
            .prefix(".old.")
            .tempdir_in(parent)?;
        let old = aside.path().join("layout");
        fs::rename(destination, &old)?;
        if let Err(error) = fs::rename(directory, destination) {
            if fs::rename(&old, destination).is_err() {
                let _kept = aside.keep();
            }
            return Err(error);
        }
    }
    sync_directory(parent)
}

fn sync_directory(directory: &Utf8Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

fn blob_path(directory: &Utf8Path, digest: &Digest) -> Utf8PathBuf {
    directory.join(within(digest))
}

/// Returns the path of a blob in a layout.
pub(crate) fn within(digest: &Digest) -> Utf8PathBuf {
    Utf8Path::new(BLOBS).join(digest.hex())
}

/// Reads a blob that is small, and verifies it.
fn read_blob(directory: &Directory, descriptor: &Descriptor) -> Result<Vec<u8>, LayoutError> {
    let path = blob_path(directory.path(), &descriptor.digest);
    let size = descriptor.size;
    if size > beneath::MANIFEST {
        return Err(LayoutError::TooLarge { path, size });
    }
    let bytes = directory.read(&within(&descriptor.digest), beneath::MANIFEST);
    let bytes = bytes.map_err(at(&path))?;
    let found = Measured {
        digest: Digest::of(&bytes),
        size: bytes.len() as u64,
    };
    expect(&path, descriptor, found)?;
    Ok(bytes)
}

fn expect(path: &Utf8Path, descriptor: &Descriptor, found: Measured) -> Result<(), LayoutError> {
    let expected = (descriptor.digest, descriptor.size);
    if expected == (found.digest, found.size) {
        return Ok(());
    }
    Err(LayoutError::Changed {
        path: path.to_owned(),
        expected_size: descriptor.size,
        found,
    })
}

/// Gives a layer's type its name in OCI; one that is not a gzipped tar is refused.
fn expect_layer(directory: &Utf8Path, layer: &mut Descriptor) -> Result<(), LayoutError> {
    let same = SAME_AS_OCI
        .iter()
        .find(|(docker, _)| *docker == layer.media_type);
    if let Some((_, name)) = same {
        (*name).clone_into(&mut layer.media_type);
    }
    if layer.media_type == LAYER {
        return Ok(());
    }
    Err(LayoutError::LayerType {
        directory: directory.to_owned(),
        found: layer.media_type.clone(),
    })
}

fn parse<T: DeserializeOwned>(
    path: &Utf8Path,
    bytes: &[u8],
    expected: &'static str,
) -> Result<T, LayoutError> {
    serde_json::from_slice(bytes).map_err(|source| LayoutError::Json {
        path: path.to_owned(),
        expected,
        source,
    })
}

pub(crate) fn at(path: &Utf8Path) -> impl FnOnce(io::Error) -> LayoutError {
    let path = path.to_owned();
    |source| LayoutError::Io { path, source }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{Utf8Path, move_layout};

    #[test]
    fn what_is_not_replaced_is_still_there() {
        let temporary = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(temporary.path()).unwrap();
        let destination = root.join("layout");
        fs::create_dir(&destination).unwrap();
        fs::write(destination.join("file"), "old").unwrap();
        // There is nothing that could be moved there, neither in one step nor in two.
        assert!(move_layout(&root.join("missing"), &destination).is_err());
        let file = fs::read_to_string(destination.join("file"));
        assert_eq!(file.ok().as_deref(), Some("old"));
        assert_eq!(fs::read_dir(root).unwrap().count(), 1);
    }
}
