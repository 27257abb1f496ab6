//! What a stage begins with, and what its instructions take files from: nothing, a directory, another stage or
//! an image, which is unpacked when something needs it.

use std::sync::Arc;

use containerfile::{Base, StageId};
use snapshot::{Ownership, Stack};

use crate::worker::directories::Directories;
use crate::worker::failure::Result;
use crate::worker::files::stacks::{Stacks, View};
use crate::worker::files::stages::{StageFiles, Stages};
use crate::worker::files::unpack::Unpacker;
use crate::worker::kept::digests;
use crate::worker::recipe::{Origin, Recipe};

/// Where the files of a build come from.
#[derive(Debug)]
pub(crate) struct Sources {
    recipe: Arc<Recipe>,
    pub(crate) stacks: Arc<Stacks>,
    images: Unpacker,
    stages: Stages,
}

impl Sources {
    /// Begins with no stage, and with no image unpacked.
    pub(crate) fn new(recipe: Arc<Recipe>, stacks: Arc<Stacks>, images: Unpacker) -> Self {
        let stages = Stages::default();
        Self {
            recipe,
            stacks,
            images,
            stages,
        }
    }

    /// Makes a stage known to those that wait for it.
    pub(crate) fn add(&self, id: StageId, files: StageFiles) {
        self.stages.add(id, files);
    }

    /// Returns the file system of a stage, when it is built.
    pub(crate) fn stage(&self, id: StageId) -> StageFiles {
        self.stages.wait_for(id)
    }

    /// Returns the file system that a stage begins with.
    pub(crate) fn base(&self, base: &Base) -> Result<StageFiles> {
        Ok(match base {
            Base::Scratch => StageFiles {
                stack: self.stacks.of(&[]),
                digest: Some(digests::of_nothing()),
            },
            Base::Stage(id) => self.stage(*id),
            Base::Image(name) => {
                let image = self.recipe.image(name)?;
                StageFiles {
                    stack: self.images.unpack(image)?,
                    digest: Some(digests::of_image(image)),
                }
            }
        })
    }

    /// Returns the stack of what a `--from` stands for; nothing where it is none.
    pub(crate) fn stack(&self, from: Option<&str>) -> Result<Option<Stack>> {
        Ok(match self.recipe.origin(from)? {
            Origin::Directory(_) | Origin::Nothing => None,
            Origin::Stage(id) => Some(self.stage(id).stack),
            Origin::Image(image) => Some(self.images.unpack(image)?),
        })
    }

    /// Returns what a `COPY`, an `ADD` or a mount takes files from.
    pub(crate) fn view(&self, from: Option<&str>) -> Result<(View, Ownership)> {
        if let Origin::Directory(directory) = self.recipe.origin(from)? {
            return Ok((View::Directory(directory), Ownership::Root));
        }
        let stack = self.stack(from)?;
        let view = stack.map(|stack| self.stacks.view(&stack)).transpose()?;
        let empty = || View::Directory(Directories::empty().to_owned());
        Ok((view.flatten().unwrap_or_else(empty), Ownership::Kept))
    }
}
