//! What the result of a step is a function of, as one digest: the key under which it is kept.
//!
//! Two steps with the same key make the same files, as far as what they run makes the same files
//! twice. So everything is in it that a step can see, and that is not the same in every build: the
//! files that it stands on and takes, with their times, its environment, and who carries it out.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use containerfile::{Instruction, Run, StageId, Step};
use rustix::process::Resource;
use snapshot::{Digest, Digester, Look, Tree};

use crate::worker::copy::Order;
use crate::worker::failure::Result;
use crate::worker::kept::digests;
use crate::worker::recipe::{Origin, Recipe};
use crate::worker::run::mounts::{self, Kind, Mount};
use crate::worker::run::network::Networks;
use crate::worker::threads::lock;

/// The key of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) digest: Digest,
    /// A file that the step takes has names elsewhere, so that somebody might have written to it
    /// before it was copied.
    pub(crate) is_shared: bool,
}

/// Knows what the keys of a build's steps are made of.
#[derive(Debug)]
pub(crate) struct Keys {
    recipe: Arc<Recipe>,
    circumstances: Digest,
    networks: Arc<Networks>,
    looked_at: LookedAt,
}

impl Keys {
    /// Prepares to find keys, of which none has been looked for.
    pub(crate) fn new(recipe: Arc<Recipe>, circumstances: Digest, networks: Arc<Networks>) -> Self {
        Self {
            recipe,
            circumstances,
            networks,
            looked_at: LookedAt::default(),
        }
    }

    /// Returns the key of a step of the image or of another stage, on what `below` stands for.
    /// `stage` tells what is known of a stage. Nothing if a stage that it takes from is not known.
    pub(crate) fn key(
        &self,
        step: &Step,
        below: Digest,
        stage: &dyn Fn(StageId) -> Option<Digest>,
    ) -> Result<Option<Key>> {
        let mut parts = Parts {
            keys: self,
            stage,
            digester: Digester::default()
                .part(self.circumstances.as_bytes())
                .part(below.as_bytes())
                // Only a step of the image is kept with its layer.
                .part(if self.recipe.makes_layer(step) {
                    "layer"
                } else {
                    ""
                })
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

    /// Forgets what was found in directories: it may have changed.
    pub(crate) fn forget(&self) {
        lock(&self.looked_at.0).clear();
    }
}

/// Somebody's directory, open.
struct Directory {
    path: PathBuf,
    tree: Tree,
}

/// What was found in directories before: of each, what was looked for.
#[derive(Debug, Default)]
struct LookedAt(Mutex<BTreeMap<(PathBuf, String), Look>>);

impl LookedAt {
    fn find(
        &self,
        directory: &Directory,
        what: String,
        look: impl FnOnce() -> Result<Look>,
    ) -> Result<Look> {
        let key = (directory.path.clone(), what);
        if let Some(found) = lock(&self.0).get(&key) {
            return Ok(*found);
        }
        let found = look()?;
        lock(&self.0).insert(key, found);
        Ok(found)
    }
}

/// The parts of a key, as they are found.
struct Parts<'a> {
    keys: &'a Keys,
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
        let network = self.keys.networks.of(run);
        let most = rustix::process::getrlimit(Resource::Nofile).maximum;
        let files = self.keys.recipe.job.open_files;
        self.add(format!("{network:?} {files:?} {most:?}"));
        self.add(format!(
            "{:?} {:?}",
            run.mounts, self.keys.recipe.job.platform
        ));
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
        self.origin(mount.from.as_deref(), |parts, directory| {
            let origin = mount.origin();
            let known = &parts.keys.looked_at;
            let look = known.find(directory, format!("{:?}", origin.as_bytes()), || {
                Ok(snapshot::look(&directory.tree, &origin)?)
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
        self.origin(order.from, |parts, directory| {
            let known = &parts.keys.looked_at;
            let look = known.find(directory, format!("{order:?}"), || {
                let mut all = Look::of_nothing();
                for taken in order.take(&directory.tree) {
                    all = all.and(taken?.look(&directory.tree)?);
                }
                Ok(all)
            })?;
            parts.files(look);
            Ok(())
        })
    }

    /// Takes what a `--from` stands for: of a directory what `look` finds in it. Returns whether it is
    /// known.
    fn origin(
        &mut self,
        from: Option<&str>,
        look: impl FnOnce(&mut Self, &Directory) -> Result<()>,
    ) -> Result<bool> {
        let digest = match self.keys.recipe.origin(from)? {
            Origin::Directory(path) => {
                let tree = Tree::open(&path)?;
                look(self, &Directory { path, tree })?;
                return Ok(true);
            }
            Origin::Nothing => Some(digests::of_nothing()),
            Origin::Image(image) => Some(digests::of_image(image)),
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
