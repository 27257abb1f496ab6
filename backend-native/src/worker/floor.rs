//! The file systems of a build: what a stage begins with, how far it has come, and what is taken from
//! it. Images are unpacked when something needs them.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};

use containerfile::{Base, StageId};
use snapshot::{Digest, Mounted, Ownership, Place, Stack, Stacking, Tree};

use super::builder::{Builder, Unpacked, lock};
use super::cache::Beside;
use super::entry::Part;
use super::failure::Result;
use super::folders::Folders;
use super::image::{Image, Layer};
use super::key::{self, Origin};
use crate::job::{Failure, FailureKind};

/// The file system of a stage, as far as it has come.
#[derive(Debug, Clone)]
pub(super) struct Floor {
    pub(super) stack: Stack,
    /// What tells it from any other; nothing where no step on it can be kept.
    pub(super) digest: Option<Digest>,
}

impl Floor {
    /// Puts the changes of a step on it, which are in directories that are stacked, from the lowest to the
    /// highest.
    pub(super) fn put(&mut self, files: Vec<PathBuf>, digest: Option<Digest>) -> Result<()> {
        self.digest = match (self.digest, digest) {
            (Some(below), Some(digest)) => Some(key::of_stack(below, digest)),
            _ => None,
        };
        for files in files {
            let is_empty = Tree::open(&files)?.names(&Place::root())?.is_empty();
            self.stack.grow(files, is_empty);
        }
        Ok(())
    }
}

impl Builder {
    pub(super) fn base(&self, base: &Base) -> Result<Floor> {
        Ok(match base {
            Base::Scratch => Floor {
                stack: self.stack(),
                digest: Some(key::of_nothing()),
            },
            Base::Stage(id) => self.wait_for(*id),
            Base::Image(name) => {
                let image = self.known_image(name)?;
                Floor {
                    stack: self.unpack(image)?,
                    digest: Some(key::of_image(image)),
                }
            }
        })
    }

    /// Returns the file system of a stage, when it is built. If it is never built, neither is this
    /// one: the build has failed, and the process ends.
    pub(super) fn wait_for(&self, id: StageId) -> Floor {
        let mut stages = lock(&self.stages);
        loop {
            if let Some(floor) = stages.get(&id) {
                return floor.clone();
            }
            let waited = self.built.wait(stages);
            stages = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Returns an image that the build was given.
    pub(super) fn known_image(&self, name: &str) -> Result<&Image> {
        self.images.get(name).ok_or_else(|| {
            let message = format!("the build was given nothing for `{name}`");
            Failure::new(FailureKind::Internal, message)
        })
    }

    /// Returns a stack of nothing.
    pub(super) fn stack(&self) -> Stack {
        Stack::new(self.stacking)
    }

    /// Returns the file system of an image; its layers are unpacked if they have not been yet.
    pub(super) fn unpack(&self, image: &Image) -> Result<Stack> {
        let mut stack = self.stack();
        let layers = image.layers();
        if self.stacking == Stacking::Copies {
            if let Some((top, below)) = layers.split_last() {
                stack.push(self.once(top, below, |unpacked| {
                    let folder = self.unpack_into_one(image)?;
                    unpacked.on.insert(below.to_vec(), folder);
                    Ok(())
                })?);
            }
            return Ok(stack);
        }
        for (place, layer) in layers.iter().enumerate() {
            let below = &layers[..place];
            stack.push(self.once(layer, below, |unpacked| {
                self.unpack_layer(image, (below, layer), &stack, unpacked)
            })?);
            stack.check().map_err(|error| {
                Failure::from(error).within(format_args!("the image `{}`", image.name()))
            })?;
        }
        Ok(stack)
    }

    /// Returns the folder that a layer was unpacked into; the first who asks has it done.
    fn once(
        &self,
        layer: &Layer,
        below: &[Layer],
        unpack: impl FnOnce(&mut Unpacked) -> Result<()>,
    ) -> Result<PathBuf> {
        let unpacked = Arc::clone(lock(&self.unpacked).entry(layer.clone()).or_default());
        let mut unpacked = lock(&unpacked);
        if unpacked.folder(below).is_none() {
            unpack(&mut unpacked)?;
        }
        let folder = unpacked.folder(below).cloned();
        folder.ok_or_else(|| Failure::new(FailureKind::Internal, "a layer is nowhere"))
    }

    fn unpack_into_one(&self, image: &Image) -> Result<PathBuf> {
        let folder = self.folders.folder()?;
        let into = Tree::open(&folder)?;
        for layer in image.layers() {
            self.unpack_into(image, layer, &into, None)?;
        }
        Ok(folder)
    }

    /// Unpacks a layer into a folder of its own, unless that was kept.
    fn unpack_layer(
        &self,
        image: &Image,
        (below, layer): (&[Layer], &Layer),
        stack: &Stack,
        unpacked: &mut Unpacked,
    ) -> Result<()> {
        let alone = self.key_of_layer(layer, None);
        let on_those_below = self.key_of_layer(layer, Some(below));
        if let Some(folder) = self.kept_layer(alone)? {
            unpacked.alone = Some(folder);
            return Ok(());
        }
        if let Some(folder) = self.kept_layer(on_those_below)? {
            unpacked.on.insert(below.to_vec(), folder);
            return Ok(());
        }
        let (entry, mut files) = self.folders.entry()?;
        let view = self.view(stack)?;
        let tree = view.as_ref().map(View::tree).transpose()?;
        let depends = self.unpack_into(image, layer, &Tree::open(&files)?, tree.as_ref())?;
        let key = if depends { on_those_below } else { alone };
        if let Some(cache) = &self.cache {
            match cache.keep(key, &entry, Beside::default()) {
                Some(digest) => self.note_kept(files.clone(), key, digest, &Place::root()),
                // Another build was faster, and what stands on this layer is to be of its files.
                None => files = self.kept_layer(key)?.unwrap_or(files),
            }
        }
        if depends {
            unpacked.on.insert(below.to_vec(), files);
        } else {
            unpacked.alone = Some(files);
        }
        Ok(())
    }

    fn kept_layer(&self, key: Digest) -> Result<Option<PathBuf>> {
        let Some(cache) = &self.cache else {
            return Ok(None);
        };
        match cache.find(key) {
            Some(entry) if cache.broken(&entry, Part::Files).is_empty() => {
                let folder = self.folders.link(&entry.files())?;
                self.note_kept(folder.clone(), key, entry.digest, &Place::root());
                Ok(Some(folder))
            }
            Some(_) => {
                cache.discard(key);
                Ok(None)
            }
            None => Ok(None),
        }
    }

    /// Unpacks a layer. It fails unless the layer is what the image says: nothing is done with any other,
    /// and nothing kept. Returns whether its files depend on those below.
    fn unpack_into(
        &self,
        image: &Image,
        layer: &Layer,
        into: &Tree,
        below: Option<&Tree>,
    ) -> Result<bool> {
        let Layer { blob, archive } = layer;
        let (name, hex) = (image.name(), &blob.hex);
        let failed = |failure: Failure| {
            failure.within(format_args!(
                "cannot unpack the layer sha256:{hex} of the image `{name}`"
            ))
        };
        let wrong = |message: String| failed(Failure::build(message));
        let unreadable = |error: io::Error| wrong(error.to_string());
        let mut reader = blob.open().map_err(unreadable)?;
        let unpacked = snapshot::unpack(&mut reader, into, below, self.stacking);
        // That it is another layer is why it cannot be unpacked, if it cannot.
        reader.finish().map_err(unreadable)?;
        let found = unpacked.map_err(|error| failed(error.into()))?;
        let digest = format!("sha256:{}", found.archive);
        if *archive != digest {
            return Err(wrong(format!(
                "the image's configuration says {archive} of its archive, found {digest}"
            )));
        }
        Ok(found.depends_on_those_below)
    }

    /// Returns a stack as a tree to be read; nothing where it has no folder.
    pub(super) fn view(&self, stack: &Stack) -> Result<Option<View>> {
        match stack.folders() {
            [] => Ok(None),
            [only] => Ok(Some(View::Folder(only.clone()))),
            _ => {
                let at = self.folders.folder()?;
                let mounted = stack.mount_to_read(Folders::empty(), &at)?;
                Ok(Some(View::Mounted(mounted)))
            }
        }
    }

    /// Returns what a `COPY`, an `ADD` or a mount takes files from.
    pub(super) fn source(&self, from: Option<&str>) -> Result<(View, Ownership)> {
        let stack = match self.origin(from)? {
            Origin::Folder(folder) => return Ok((View::Folder(folder), Ownership::Root)),
            Origin::Nothing => self.stack(),
            Origin::Stage(id) => self.wait_for(id).stack,
            Origin::Image(image) => self.unpack(image)?,
        };
        let view = self.view(&stack)?;
        let empty = || View::Folder(Folders::empty().to_owned());
        Ok((view.unwrap_or_else(empty), Ownership::Kept))
    }
}

impl Unpacked {
    fn folder(&self, below: &[Layer]) -> Option<&PathBuf> {
        self.alone.as_ref().or_else(|| self.on.get(below))
    }
}

/// A file system that is only read.
#[derive(Debug)]
pub(super) enum View {
    Folder(PathBuf),
    Mounted(Mounted),
}

impl View {
    pub(super) fn path(&self) -> &Path {
        match self {
            Self::Folder(path) => path,
            Self::Mounted(mounted) => mounted.path(),
        }
    }

    pub(super) fn tree(&self) -> Result<Tree> {
        Ok(Tree::open(self.path())?)
    }
}
