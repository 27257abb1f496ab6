//! The file systems of a build: what a stage begins with, how far it has come, and what is taken from
//! it. Images are unpacked when something needs them.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};

use backend_api::Blob;
use containerfile::{Base, StageId};
use snapshot::{Digest, Mounted, Ownership, Stack, Stacking, Tree};

use super::builder::{Builder, lock};
use super::cache::Part;
use super::failure::Result;
use super::folders::Folders;
use super::image::Image;
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
    /// Puts the changes of a step on it.
    pub(super) fn put(&mut self, files: PathBuf, digest: Option<Digest>) -> Result<()> {
        self.digest = match (self.digest, digest) {
            (Some(below), Some(digest)) => Some(key::of_stack(below, digest)),
            _ => None,
        };
        let is_empty = Tree::open(&files)?
            .names(&snapshot::Place::root())?
            .is_empty();
        self.stack.grow(files, is_empty);
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
    fn unpack(&self, image: &Image) -> Result<Stack> {
        let mut stack = self.stack();
        let layers = image.layers();
        match self.stacking {
            Stacking::Copies if layers.is_empty() => {}
            Stacking::Copies => {
                stack.push(self.once(layers, || self.unpack_into_one(layers))?);
            }
            Stacking::Overlay => {
                for layer in layers {
                    let one = std::slice::from_ref(layer);
                    stack.push(self.once(one, || self.unpack_layer(layer))?);
                }
            }
        }
        Ok(stack)
    }

    /// Returns the folder that `layers` were unpacked into; the first who asks has it done.
    fn once(&self, layers: &[Blob], unpack: impl FnOnce() -> Result<PathBuf>) -> Result<PathBuf> {
        let unpacked = Arc::clone(lock(&self.unpacked).entry(layers.to_vec()).or_default());
        let mut unpacked = lock(&unpacked);
        if let Some(folder) = &*unpacked {
            return Ok(folder.clone());
        }
        Ok(unpacked.insert(unpack()?).clone())
    }

    fn unpack_into_one(&self, layers: &[Blob]) -> Result<PathBuf> {
        let folder = self.folders.folder()?;
        let into = Tree::open(&folder)?;
        for layer in layers {
            snapshot::unpack(open(layer)?, layer.path.as_str(), &into, self.stacking)?;
        }
        Ok(folder)
    }

    fn unpack_layer(&self, layer: &Blob) -> Result<PathBuf> {
        let key = self.key_of_layer(&layer.hex);
        if let Some(cache) = &self.cache
            && let Some(entry) = cache.find(key)
        {
            if entry.is_whole(Part::Files) {
                return self.folders.link(&entry.files());
            }
            cache.discard(key);
        }
        let (entry, files) = self.folders.entry()?;
        let into = Tree::open(&files)?;
        snapshot::unpack(open(layer)?, layer.path.as_str(), &into, self.stacking)?;
        if let Some(cache) = &self.cache {
            // What is not what its name says is used by nobody else.
            let found = snapshot::sha256(open(layer)?);
            let found = found.map_err(|error| Failure::io("read", &layer.path, &error))?;
            if found.to_string() == layer.hex {
                cache.keep(key, &entry, None);
            }
        }
        Ok(files)
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

fn open(layer: &Blob) -> Result<File> {
    let opened = File::open(&layer.path);
    opened.map_err(|error| Failure::io("open", &layer.path, &error))
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
