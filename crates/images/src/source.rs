//! Where images lie: what form it has is found out from what is there, never from its name.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, Write as _};
use std::sync::Arc;

use beneath::Directory;
use camino::Utf8Path;
use compression::Format;
use oci_image::Digest;

use crate::archive::Members;
use crate::beginning::Beginning;
use crate::blobs::{Blobs, LayoutBlobs};
use crate::docker;
use crate::error::{Error, io};
use crate::files::Files;
use crate::image::{Image, ImageRef};
use crate::json::{Listing, Pointer, Saved, parse};
use crate::layout::{FoundImage, Walk, read_image};
use crate::limits::Limits;

/// The file of a layout that says what lies in it.
const INDEX: &str = "index.json";

/// In what form images lie somewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// An OCI layout in a directory.
    Layout,
    /// An OCI layout in a tar.
    OciArchive,
    /// What `docker save` writes, without an OCI layout in it.
    DockerArchive,
    /// A registry, or something else that has blobs.
    Blobs,
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Layout => "OCI layout",
            Self::OciArchive => "oci-archive",
            Self::DockerArchive => "docker-archive",
            Self::Blobs => "registry",
        })
    }
}

enum Contents {
    Layout(Arc<dyn Blobs>, Vec<FoundImage>),
    Docker(Arc<Files>, Vec<Saved>),
}

/// Somewhere that images lie.
pub struct Source {
    place: String,
    form: Form,
    limits: Limits,
    images: Vec<ImageRef>,
    attestations: Vec<Digest>,
    index: Option<Vec<u8>>,
    contents: Contents,
}

impl Source {
    /// Opens a directory or a file, whichever form it has. Manifests and indexes are read and verified.
    ///
    /// # Errors
    ///
    /// What is wrong with it, or that no image lies there.
    pub fn open(path: &Utf8Path, limits: &Limits) -> Result<Self, Error> {
        let metadata = std::fs::metadata(path).map_err(io("open", path.as_str()))?;
        if metadata.is_dir() {
            let directory = Directory::open(path).map_err(io("open", path.as_str()))?;
            return Self::of_directory(directory, limits);
        }
        let file = beneath::open(path).map_err(io("open", path.as_str()))?;
        Self::of_file(file, path, limits)
    }

    /// Opens a layout in a directory. No symbolic link in it is followed.
    ///
    /// # Errors
    ///
    /// As [`Source::open`].
    pub fn of_directory(directory: Directory, limits: &Limits) -> Result<Self, Error> {
        let path = directory.path().to_owned();
        let files = Arc::new(Files::Directory(directory));
        let index = files.read(INDEX, limits.document)?;
        let index = index.ok_or_else(|| Error::NotAnImage {
            path,
            why: format!("the directory has no `{INDEX}`"),
        })?;
        Self::of_layout(files, index, Form::Layout, limits)
    }

    /// Opens an archive, which lies in `path` for messages.
    ///
    /// # Errors
    ///
    /// As [`Source::open`].
    pub fn of_file(file: File, path: &Utf8Path, limits: &Limits) -> Result<Self, Error> {
        let file = Arc::new(decompressed(file, path, limits)?);
        let members = Members::read(&file, path.as_str(), limits)?;
        let files = Arc::new(Files::Archive {
            place: path.to_string(),
            file,
            members,
        });
        if let Some(index) = files.read(INDEX, limits.document)? {
            return Self::of_layout(files, index, Form::OciArchive, limits);
        }
        if files.open(docker::MANIFEST)?.is_none() {
            return Err(Error::NotAnImage {
                path: path.to_owned(),
                why: format!(
                    "the archive has neither `{INDEX}` nor `{}`",
                    docker::MANIFEST
                ),
            });
        }
        let (images, saved): (Vec<_>, Vec<_>) = docker::list(&files, limits)?.into_iter().unzip();
        let source = Self {
            place: path.to_string(),
            form: Form::DockerArchive,
            limits: *limits,
            images,
            attestations: Vec::new(),
            index: None,
            contents: Contents::Docker(files, saved),
        };
        source.not_empty()
    }

    /// Opens what lies somewhere under the digest of a manifest or an index, such as in a registry.
    ///
    /// # Errors
    ///
    /// As [`Source::open`].
    pub fn of_blobs(
        blobs: Arc<dyn Blobs>,
        digest: Digest,
        size: u64,
        limits: &Limits,
    ) -> Result<Self, Error> {
        let top = Pointer {
            media_type: String::new(),
            digest,
            size,
            annotations: None,
            platform: None,
        };
        Self::follow(blobs, &[top], Form::Blobs, None, limits)
    }

    fn of_layout(
        files: Arc<Files>,
        index: Vec<u8>,
        form: Form,
        limits: &Limits,
    ) -> Result<Self, Error> {
        let listing: Listing = parse(&index, INDEX, files.place())?;
        let pointers = listing.manifests.unwrap_or_default();
        let blobs: Arc<dyn Blobs> = Arc::new(LayoutBlobs(files));
        Self::follow(blobs, &pointers, form, Some(index), limits)
    }

    fn follow(
        blobs: Arc<dyn Blobs>,
        pointers: &[Pointer],
        form: Form,
        index: Option<Vec<u8>>,
        limits: &Limits,
    ) -> Result<Self, Error> {
        let mut walk = Walk::default();
        walk.follow(&blobs, pointers, &[], limits)?;
        let source = Self {
            place: blobs.place().to_owned(),
            form,
            limits: *limits,
            images: walk.found.iter().map(|found| found.image.clone()).collect(),
            attestations: walk.attestations,
            index,
            contents: Contents::Layout(blobs, walk.found),
        };
        source.not_empty()
    }

    fn not_empty(self) -> Result<Self, Error> {
        if self.present().next().is_some() {
            return Ok(self);
        }
        Err(Error::NotAnImage {
            path: self.place.into(),
            why: "it lists no image that is there".to_owned(),
        })
    }

    /// Returns where it is, for messages.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// Returns its form.
    pub fn form(&self) -> Form {
        self.form
    }

    /// Returns its images, in their order.
    pub fn images(&self) -> &[ImageRef] {
        &self.images
    }

    /// Returns those of its images that are there.
    pub fn present(&self) -> impl Iterator<Item = &ImageRef> {
        self.images.iter().filter(|image| !image.is_absent)
    }

    /// Returns the digests of what lies beside the images and is none: attestations.
    pub fn attestations(&self) -> &[Digest] {
        &self.attestations
    }

    /// Returns the bytes of the `index.json` of a layout, which no digest names.
    pub fn index(&self) -> Option<&[u8]> {
        self.index.as_deref()
    }

    /// Reads one of the images.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    ///
    /// # Panics
    ///
    /// If it is not one of [`Source::images`].
    pub fn image(&self, image: &ImageRef) -> Result<Image, Error> {
        let place = self.images.iter().position(|known| known == image);
        let place = place.expect("the image is one of this source");
        match &self.contents {
            Contents::Layout(blobs, found) => read_image(blobs, &found[place], &self.limits),
            Contents::Docker(files, saved) => {
                docker::read_image(files, image, &saved[place], &self.limits)
            }
        }
    }

    /// Reads the images for `platform`, as `os/architecture[/variant]`; without a platform, all.
    ///
    /// # Errors
    ///
    /// What is wrong with one of them.
    pub fn of_platform(&self, platform: Option<&str>) -> Result<Vec<Image>, Error> {
        let is_other = |found: &str| platform.is_some_and(|wanted| wanted != found);
        let mut images = Vec::new();
        for image in self.present() {
            if image.platform.as_deref().is_some_and(is_other) {
                continue;
            }
            let image = self.image(image)?;
            if !is_other(&image.platform) {
                images.push(image);
            }
        }
        Ok(images)
    }

    /// Reads the one image for `platform`; without a platform, the only one.
    ///
    /// # Errors
    ///
    /// That there is none, or not one.
    pub fn only(&self, platform: Option<&str>) -> Result<Image, Error> {
        let mut images = self.of_platform(platform)?;
        match images.pop() {
            Some(only) if images.is_empty() => Ok(only),
            _ => Err(Error::NotOne {
                place: self.place.clone(),
                found: self.present().map(ImageRef::label).collect(),
            }),
        }
    }
}

/// Returns the file, or what it is once it is decompressed, in a file without a name.
fn decompressed(file: File, path: &Utf8Path, limits: &Limits) -> Result<File, Error> {
    let mut file = file;
    let beginning = Beginning::read(&file).and_then(|found| file.rewind().map(|()| found));
    let format = match beginning.map_err(io("read", path.as_str()))? {
        Beginning::Tar => return Ok(file),
        Beginning::Other(Format::None) => {
            return Err(Error::NotAnImage {
                path: path.to_owned(),
                why: "the file is neither a tar nor compressed".to_owned(),
            });
        }
        Beginning::Other(format) => format,
    };
    let (what, place) = ("the archive", path.as_str());
    let damaged = |error| Error::of_read(error, what, place);
    let mut tar = tempfile::tempfile().map_err(io("create a temporary file for", place))?;
    let mut input = compression::decoder(format, io::BufReader::with_capacity(1 << 16, file))
        .map_err(damaged)?;
    let mut buffer = vec![0; 1 << 18];
    let mut size = 0;
    loop {
        let count = input.read(&mut buffer).map_err(damaged)?;
        if count == 0 {
            break;
        }
        size += count as u64;
        if size > limits.blob {
            return Err(Error::TooLarge {
                what: "the archive, once it is decompressed,".to_owned(),
                place: place.to_owned(),
                limit: format!("{} bytes", limits.blob),
            });
        }
        let written = tar.write_all(&buffer[..count]);
        written.map_err(io("write a temporary copy of", place))?;
    }
    tar.rewind()
        .map_err(io("read a temporary copy of", place))?;
    Ok(tar)
}
