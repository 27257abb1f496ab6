//! The steps of a build that are equal: each does the same to the same files, in different stages. They are carried out
//! once, as `BuildKit` does, so that what they make is the same to the nanosecond.
//!
//! It does not know how a step is done, nor what is kept of it.

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use containerfile::{Base, Instruction, StageId, Step, StepId};
use snapshot::{Digest, Digester};

use crate::worker::kept::digests;
use crate::worker::recipe::{Origin, Recipe};
use crate::worker::threads::lock;

/// What a step has made: its directories, from the lowest to the highest, and their digest if they were kept.
#[derive(Debug, Clone)]
pub(crate) struct StepFiles {
    pub(crate) directories: Vec<PathBuf>,
    pub(crate) digest: Option<Digest>,
}

/// Where the first of several equal steps leaves what it has made for the others.
pub(crate) type Slot = Arc<Mutex<Option<StepFiles>>>;

/// The equal steps of a build.
#[derive(Debug, Default)]
pub(crate) struct Equal {
    /// Steps that have an equal one: of those that are equal the same.
    groups: BTreeMap<StepId, Digest>,
    slots: Mutex<BTreeMap<Digest, Slot>>,
}

impl Equal {
    /// Finds the equal steps of a recipe.
    pub(crate) fn find(recipe: &Recipe) -> Self {
        let mut stages: BTreeMap<StageId, Digest> = BTreeMap::new();
        let mut all = Vec::new();
        let mut counts: BTreeMap<Digest, usize> = BTreeMap::new();
        for stage in &recipe.build.stages {
            let mut files = match &stage.base {
                Base::Scratch => Some(digests::of_nothing()),
                Base::Image(name) => recipe.image(name).ok().map(digests::of_image),
                Base::Stage(id) => stages.get(id).copied(),
            };
            for step in stage.steps.iter().filter(|step| step.makes_layer()) {
                let is_linked = step.instruction.is_linked();
                let on = |below| {
                    if is_linked {
                        digests::of_nothing()
                    } else {
                        below
                    }
                };
                let found = files.and_then(|below| work(step, on(below), recipe, &stages));
                let made = found.unwrap_or_else(|| alone(step));
                files = files.map(|below| digests::of_stack(below, made));
                if let Some(found) = found {
                    *counts.entry(found).or_default() += 1;
                    all.push((step.id, found));
                }
            }
            stages.extend(files.map(|files| (stage.id, files)));
        }
        all.retain(|(_, work)| counts[work] > 1);
        Self {
            groups: all.into_iter().collect(),
            slots: Mutex::default(),
        }
    }

    /// Returns where the first of those that are equal to a step leaves what it makes; nothing if it has no equal.
    pub(crate) fn slot(&self, step: &Step) -> Option<Slot> {
        let group = self.groups.get(&step.id)?;
        Some(Arc::clone(lock(&self.slots).entry(*group).or_default()))
    }

    /// Returns the groups of equal steps.
    pub(crate) fn groups(&self) -> impl Iterator<Item = Vec<StepId>> {
        let mut groups: BTreeMap<Digest, Vec<StepId>> = BTreeMap::new();
        for (id, group) in &self.groups {
            groups.entry(*group).or_default().push(*id);
        }
        groups.into_values()
    }
}

/// Returns what tells the result of a step on `below` from that of any other; nothing if something that it takes is not
/// known.
fn work(
    step: &Step,
    below: Digest,
    recipe: &Recipe,
    stages: &BTreeMap<StageId, Digest>,
) -> Option<Digest> {
    let origin = |from: Option<&str>| match recipe.origin(from).ok()? {
        Origin::Directory(path) => {
            let path = Digester::default().part(path.as_os_str().as_bytes());
            Some(path.finish().to_string())
        }
        Origin::Nothing => Some(digests::of_nothing().to_string()),
        Origin::Image(image) => Some(digests::of_image(image).to_string()),
        Origin::Stage(id) => stages.get(&id).map(Digest::to_string),
    };
    let mut instruction = step.instruction.clone();
    let mut origins = Vec::new();
    match &mut instruction {
        Instruction::Copy(copy) => origins.push(origin(copy.from.take().as_deref())?),
        Instruction::Add(_) => origins.push(origin(None)?),
        Instruction::Run(run) => {
            for mount in &mut run.mounts {
                origins.push(origin(mount.from())?);
                mount.fields.retain(|(name, _)| name != "from");
            }
        }
        _ => {}
    }
    let run = matches!(instruction, Instruction::Run(_));
    let run = run.then(|| (step.invocation(), &step.environment));
    let digester = Digester::default().part("work").part(below.as_bytes());
    let digester = digester.part(format!("{instruction:?} {origins:?} {run:?}"));
    let place = (&step.working_directory, &step.user);
    Some(digester.part(format!("{place:?}")).finish())
}

/// Returns what tells the result of a step from any other that is like no other.
fn alone(step: &Step) -> Digest {
    let digester = Digester::default().part("alone");
    digester.part(format!("{:?}", step.id)).finish()
}
