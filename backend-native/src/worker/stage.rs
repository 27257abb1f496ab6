//! One stage: its steps, one after the other, each on what those before it have made.
//!
//! It does not know how far other stages are: it waits for one only where it takes something from it.

use std::fs::File;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;

use backend_api::StepId;
use containerfile::{Instruction, ResolvedStage, StageId, Step};
use snapshot::{Stack, Stacking, Tree};

use crate::job::Failure;
use crate::worker::directories::Snapshot;
use crate::worker::equal::{Equal, StepFiles};
use crate::worker::failure::{Result, unsupported};
use crate::worker::files::sources::Sources;
use crate::worker::files::stacks::{Stacks, View, writable};
use crate::worker::files::stages::StageFiles;
use crate::worker::kept::results::Results;
use crate::worker::key::{Key, Keys};
use crate::worker::plan::{Plan, sources};
use crate::worker::recipe::Recipe;
use crate::worker::report::Report;
use crate::worker::run::process::{Done, Runner};
use crate::worker::share::{Shared, share};
use crate::worker::step::carry_out;
use crate::worker::threads::lock;

/// What the stages of a build are built with, each on a thread of its own.
#[derive(Debug)]
pub(crate) struct StageBuilder {
    pub(crate) recipe: Arc<Recipe>,
    pub(crate) sources: Arc<Sources>,
    pub(crate) results: Arc<Results>,
    pub(crate) keys: Keys,
    pub(crate) equal: Arc<Equal>,
    pub(crate) runner: Runner,
    pub(crate) report: Arc<Report>,
}

impl StageBuilder {
    /// Builds a stage from where it was kept on, and makes its file system known to the others.
    pub(crate) fn build(&self, id: StageId, plan: &Plan) -> Result<()> {
        let Some(stage) = self.recipe.build.stage(id) else {
            return Ok(());
        };
        let mut files = self.sources.base(&stage.base)?;
        let kept = plan.kept(id);
        for entry in kept {
            files.put(self.results.directories(entry)?, Some(entry.digest))?;
        }
        for (label, step) in labelled(stage).skip(kept.len()) {
            let name = self.recipe.name(step);
            self.report.line(name, label);
            let done = self.step(step, name, &mut files);
            done.map_err(|failure| failure.at(name))?;
        }
        self.sources.add(id, files);
        Ok(())
    }

    /// Does a step, unless an equal one has been done, and puts its changes on what is below it.
    fn step(&self, step: &Step, name: Option<StepId>, files: &mut StageFiles) -> Result<()> {
        let made = match self.equal.slot(step) {
            None => self.make(step, name, files)?,
            Some(slot) => {
                // What it takes of other stages is there: nobody who has the slot waits for one that waits for it.
                self.wait_for_sources(step)?;
                let mut slot = lock(&slot);
                match &*slot {
                    Some(made) => self.take_over(step, made.clone(), files)?,
                    None => slot.insert(self.make(step, name, files)?).clone(),
                }
            }
        };
        files.put(made.directories, made.digest)
    }

    /// Waits for the stages that a step takes something from.
    fn wait_for_sources(&self, step: &Step) -> Result<()> {
        for from in sources(step) {
            self.sources.stack(Some(from))?;
        }
        Ok(())
    }

    /// Takes what an equal step has made, and writes the layer if one is asked for.
    fn take_over(&self, step: &Step, made: StepFiles, files: &StageFiles) -> Result<StepFiles> {
        let references = made.directories.iter();
        let references = references.map(|directory| self.results.kept_at(directory));
        let references = references.collect::<Option<Vec<_>>>();
        let key = self.key(step, files).filter(|_| references.is_some());
        let layer = self.recipe.layer(step);
        if let (Some(key), Some(references)) = (key, &references)
            && references
                .iter()
                .any(|kept| kept.key == key.digest.to_string())
        {
            // It was kept for this step as well.
            return Ok(made);
        }
        if let ([only], Some(layer)) = (made.directories.as_slice(), &layer) {
            let below = self.below(step, files)?;
            write_layer(&Tree::open(only)?, &below, &self.sources.stacks, layer)?;
            let key = key.map(|key| key.digest);
            let references = references.unwrap_or_default();
            let digest = self.results.keep_stacked(key, &references, Some(layer))?;
            return Ok(StepFiles { digest, ..made });
        }
        let shared = Shared {
            directories: made.directories,
            references: references.unwrap_or_default(),
        };
        self.stack(&shared, key, layer.as_deref(), files)
    }

    /// Returns what a step is done on, and compared with: nothing for a COPY that is only linked into the image.
    fn below(&self, step: &Step, files: &StageFiles) -> Result<Stack> {
        let stacks = &self.sources.stacks;
        if !step.instruction.is_linked() {
            return Ok(files.stack.clone());
        }
        if stacks.kind() == Stacking::Copies {
            let what = "--link, since overlayfs is not available here,";
            return Err(unsupported(step.instruction.keyword(), what));
        }
        Ok(stacks.of(&[]))
    }

    /// Does a step on what is below it.
    fn make(&self, step: &Step, name: Option<StepId>, files: &StageFiles) -> Result<StepFiles> {
        let key = self.key(step, files);
        let layer = self.recipe.layer(step);
        let below = self.below(step, files)?;
        if !step.instruction.is_linked()
            && let Some(shared) = share(step, &below, &self.sources, &self.results)?
        {
            return self.stack(&shared, key, layer.as_deref(), files);
        }
        let (snapshot, done) = self.change(step, name, &below)?;
        let upper = Tree::open(&snapshot.upper)?;
        done.stubs.remove(&upper)?;
        if let Some(layer) = &layer {
            write_layer(&upper, &below, &self.sources.stacks, layer)?;
        }
        let key = key.filter(|key| done.is_certain && self.still_is(*key, step, files));
        let key = key.map(|key| key.digest);
        let kept = self.results.keep_step(key, snapshot, layer.as_deref());
        let (directories, digest) = kept?;
        Ok(StepFiles {
            directories,
            digest,
        })
    }

    /// Carries out a step on what is below it. Returns where its changes are.
    fn change(&self, step: &Step, name: Option<StepId>, below: &Stack) -> Result<(Snapshot, Done)> {
        loop {
            let snapshot = self.sources.stacks.directories.snapshot()?;
            let done = {
                let root = root(step, below, &snapshot)?;
                carry_out(
                    step,
                    name,
                    (root.path(), &snapshot.upper, below),
                    &self.runner,
                )?
                // Whatever was mounted in it goes with it.
            };
            if let Some(done) = done {
                return Ok((snapshot, done));
            }
            let line = "it makes a device file, or gives a file to a user beyond the ranges that are set \
                        aside for this user: it begins again, and looks at files take longer";
            self.report.line(name, line);
            snapshot::clear(&snapshot.entry)
                .map_err(|error| Failure::io("clear", snapshot.entry.display(), &error))?;
        }
    }

    /// Does a step whose files are stacked, and not copied.
    fn stack(
        &self,
        shared: &Shared,
        key: Option<Key>,
        layer: Option<&Path>,
        files: &StageFiles,
    ) -> Result<StepFiles> {
        let stacks = &self.sources.stacks;
        if let Some(layer) = layer
            && let Some(upper) = stacks.view(&stacks.of(&shared.directories))?
        {
            write_layer(&upper.tree()?, &files.stack, stacks, layer)?;
        }
        let key = key.map(|key| key.digest);
        let digest = self.results.keep_stacked(key, &shared.references, layer)?;
        Ok(StepFiles {
            directories: shared.directories.clone(),
            digest,
        })
    }

    /// Returns the key of a step that is about to be done, if it can be kept.
    fn key(&self, step: &Step, files: &StageFiles) -> Option<Key> {
        let below = self.results.cache().and(files.digest)?;
        let stage = |id| self.sources.stage(id).digest;
        // What is wrong with a step is said when it is done.
        let key = self.keys.key(step, below, &stage);
        key.ok().flatten()
    }

    /// Tells whether a step that was done still has its key: what others can write to may have been something
    /// else by the time it was copied.
    fn still_is(&self, key: Key, step: &Step, files: &StageFiles) -> bool {
        if !key.is_shared {
            return true;
        }
        self.keys.forget();
        self.key(step, files) == Some(key)
    }
}

/// Returns the file system that a step is done in.
fn root(step: &Step, below: &Stack, snapshot: &Snapshot) -> Result<View> {
    let is_run = matches!(step.instruction, Instruction::Run(_));
    if below.directories().is_empty() && !is_run {
        // What there is will be what the step has made.
        return Ok(View::Directory(snapshot.upper.clone()));
    }
    writable(below, snapshot)
}

/// Writes the layer of changes on what is below them.
fn write_layer(upper: &Tree, below: &Stack, stacks: &Stacks, path: &Path) -> Result<()> {
    let lower = stacks.view(below)?;
    let tree = lower.as_ref().map(View::tree).transpose()?;
    let changes = snapshot::changes(upper, tree.as_ref(), stacks.kind())?;
    let file = File::options()
        .write(true)
        .read(true)
        .create_new(true)
        .mode(0o600)
        .open(path);
    let file = file.map_err(|error| Failure::io("make", path.display(), &error))?;
    Ok(snapshot::write_archive(&changes, upper, file)?)
}

/// Returns the steps of a stage that make a layer, each with what is said of it.
pub(crate) fn labelled(stage: &ResolvedStage) -> impl Iterator<Item = (String, &Step)> {
    let name = stage.name.clone().unwrap_or_else(|| stage.id.0.to_string());
    let steps = stage.steps.iter().filter(|step| step.makes_layer());
    let steps: Vec<&Step> = steps.collect();
    let count = steps.len();
    steps.into_iter().enumerate().map(move |(place, step)| {
        let first = step.source.lines().next().unwrap_or_default();
        let label = format!("[{name} {}/{count}] {first}", place + 1);
        (label, step)
    })
}
