//! What the result of a step is a function of, as one digest: the key under which it is kept.
//!
//! Two steps with the same key make the same files, as far as what they run makes the same files
//! twice. So everything is in it that a step can see, and that is not the same in every build: the
//! files that it stands on and takes, with their times, its environment, and who carries it out.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Mutex;

use containerfile::{Base, Instruction, Run, StageId, Step};
use rustix::process::Resource;
use snapshot::{Digest, Digester, Look, Tree};

use super::add::Order;
use super::builder::{Builder, lock};
use super::failure::Result;
use super::image::{Image, Layer};
use super::mounts::{self, Kind, Mount};
use crate::job::ContextKind;

/// The key of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) digest: Digest,
    /// A file that the step takes has names elsewhere, so that somebody might have written to it
    /// before it was copied.
    pub(super) is_shared: bool,
}

/// Where a `COPY`, an `ADD` or a mount takes files from.
pub(super) enum Origin<'a> {
    Nothing,
    /// Somebody's folder.
    Folder(PathBuf),
    Stage(StageId),
    Image(&'a Image),
}

/// Returns what tells an image's file system from any other.
pub(super) fn of_image(image: &Image) -> Digest {
    let layers = image.layers().iter();
    let digester = Digester::default().part("image");
    layers
        .fold(digester, |all, layer| all.part(&layer.blob.hex))
        .finish()
}

/// Returns what tells the empty file system from any other.
pub(super) fn of_nothing() -> Digest {
    Digester::default().part("nothing").finish()
}

/// Returns what tells a file system from any other that is `below` with `files` put on it.
pub(super) fn of_stack(below: Digest, files: Digest) -> Digest {
    let digester = Digester::default().part("stack");
    digester
        .part(below.as_bytes())
        .part(files.as_bytes())
        .finish()
}

impl Builder {
    /// Returns the key of the unpacked files of a layer, which depend on the layers below it only if
    /// these are said.
    pub(super) fn key_of_layer(&self, layer: &Layer, below: Option<&[Layer]>) -> Digest {
        let layers = below.into_iter().flatten().chain([layer]);
        let digester = Digester::default().part(self.circumstances.as_bytes());
        let digester = digester.part(if below.is_none() { "layer" } else { "layers" });
        // What another image says of the same blob's archive has not been compared with it.
        let add =
            |digester: Digester, layer: &Layer| digester.part(&layer.blob.hex).part(&layer.archive);
        layers.fold(digester, add).finish()
    }

    /// Returns the key of a step of the image or of another stage, on what `below` stands for.
    /// `stage` tells what is known of a stage. Nothing if a stage that it takes from is not known.
    pub(super) fn key(
        &self,
        step: &Step,
        below: Digest,
        stage: &dyn Fn(StageId) -> Option<Digest>,
    ) -> Result<Option<Key>> {
        let mut parts = Parts {
            builder: self,
            stage,
            digester: Digester::default()
                .part(self.circumstances.as_bytes())
                .part(below.as_bytes())
                // Only a step of the image is kept with its layer.
                .part(if self.makes_layer(step) { "layer" } else { "" })
                .part(step.instruction.keyword()),
            is_shared: false,
        };
        let all_known = match &step.instruction {
            Instruction::Run(run) => parts.run(step, run)?,
            Instruction::Copy(copy) => {
                parts.add(format!("{copy:?}"));
                parts.sources(step, &Order::of_copy(copy))?
            }
            Instruction::Add(add) => {
                parts.add(format!("{add:?}"));
                parts.sources(step, &Order::of_add(add))?
            }
            Instruction::Workdir(path) => {
                parts.add(path);
                parts.add(&step.user);
                true
            }
            _ => true,
        };
        Ok(all_known.then(|| Key {
            digest: parts.digester.finish(),
            is_shared: parts.is_shared,
        }))
    }

    /// Returns what a `--from`, or the lack of one, stands for.
    pub(super) fn origin(&self, from: Option<&str>) -> Result<Origin<'_>> {
        let Some(from) = from else {
            return Ok(Origin::Folder(self.job.context.clone().into()));
        };
        Ok(match self.build.source(from) {
            Base::Scratch => Origin::Nothing,
            Base::Stage(id) => Origin::Stage(id),
            Base::Image(name) => {
                let mut contexts = self.job.contexts.iter();
                match contexts.find(|context| context.name == name) {
                    Some(context) if context.kind == ContextKind::Folder => {
                        Origin::Folder(context.path.clone().into())
                    }
                    _ => Origin::Image(self.known_image(&name)?),
                }
            }
        })
    }
}

/// Somebody's folder, open.
pub(super) struct Folder {
    path: PathBuf,
    tree: Tree,
}

/// What was found in folders before: of each, what was looked for.
#[derive(Debug, Default)]
pub(super) struct LookedAt(Mutex<BTreeMap<(PathBuf, String), Look>>);

impl LookedAt {
    fn find(
        &self,
        folder: &Folder,
        what: String,
        look: impl FnOnce() -> Result<Look>,
    ) -> Result<Look> {
        let key = (folder.path.clone(), what);
        if let Some(found) = lock(&self.0).get(&key) {
            return Ok(*found);
        }
        let found = look()?;
        lock(&self.0).insert(key, found);
        Ok(found)
    }

    /// Forgets all of it: it may have changed.
    pub(super) fn forget(&self) {
        lock(&self.0).clear();
    }
}

/// The parts of a key, as they are found.
struct Parts<'a> {
    builder: &'a Builder,
    stage: &'a dyn Fn(StageId) -> Option<Digest>,
    digester: Digester,
    is_shared: bool,
}

impl Parts<'_> {
    fn add(&mut self, part: impl AsRef<[u8]>) {
        self.digester = std::mem::take(&mut self.digester).part(part);
    }

    /// Takes what a process finds. Returns whether all of it is known.
    fn run(&mut self, step: &Step, run: &Run) -> Result<bool> {
        // How they are written down does not matter, as long as other values are other texts.
        self.add(format!("{:?}", step.invocation()));
        self.add(format!("{:?}", step.environment));
        self.add(format!("{:?}", (&step.working_directory, &step.user)));
        let network = self.builder.network(run);
        let most = rustix::process::getrlimit(Resource::Nofile).maximum;
        let files = self.builder.job.open_files;
        self.add(format!("{network:?} {files:?} {most:?}"));
        self.add(format!("{:?} {:?}", run.mounts, self.builder.job.platform));
        for mount in mounts::of_run(step, run)? {
            let is_of_files = match &mount.kind {
                Kind::Bind => true,
                // Without an origin it is empty.
                Kind::Cache(_) => mount.from.is_some(),
                Kind::Temporary(_) | Kind::Script(_) => false,
            };
            if is_of_files && !self.mount(&mount)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Takes what a mount is of. Returns whether all of it is known.
    fn mount(&mut self, mount: &Mount) -> Result<bool> {
        self.origin(mount.from.as_deref(), |parts, folder| {
            let origin = mount.origin();
            let known = &parts.builder.looked_at;
            let look = known.find(folder, format!("{:?}", origin.as_bytes()), || {
                Ok(snapshot::look(&folder.tree, &origin)?)
            })?;
            parts.files(look);
            Ok(())
        })
    }

    /// Takes what is copied. Returns whether all of it is known.
    fn sources(&mut self, step: &Step, order: &Order<'_>) -> Result<bool> {
        self.add(&step.working_directory);
        if !order.has_paths() {
            return Ok(true);
        }
        self.origin(order.from, |parts, folder| {
            let known = &parts.builder.looked_at;
            let look = known.find(folder, format!("{order:?}"), || {
                let mut all = Look::of_nothing();
                for taken in order.take(&folder.tree) {
                    all = all.and(taken?.look(&folder.tree)?);
                }
                Ok(all)
            })?;
            parts.files(look);
            Ok(())
        })
    }

    /// Takes what a `--from` stands for: of a folder what `look` finds in it. Returns whether it is
    /// known.
    fn origin(
        &mut self,
        from: Option<&str>,
        look: impl FnOnce(&mut Self, &Folder) -> Result<()>,
    ) -> Result<bool> {
        let digest = match self.builder.origin(from)? {
            Origin::Folder(path) => {
                let tree = Tree::open(&path)?;
                look(self, &Folder { path, tree })?;
                return Ok(true);
            }
            Origin::Nothing => Some(of_nothing()),
            Origin::Image(image) => Some(of_image(image)),
            Origin::Stage(id) => (self.stage)(id),
        };
        if let Some(digest) = digest {
            self.add(digest.as_bytes());
        }
        Ok(digest.is_some())
    }

    fn files(&mut self, look: Look) {
        self.add(look.digest.as_bytes());
        self.is_shared |= look.is_shared;
    }
}
