//! How much of a build was kept by earlier ones, found out before anything is built.
//!
//! A step is looked up under a key that has in it what the steps before it made, not only what they
//! are: a step that is made again makes files with other times, and so whatever stands on it is
//! made again as well. What is kept for a stage is therefore its first steps, and all of a stage if
//! it is kept whole. Of what is found only that is read which is needed: the layers of the image,
//! and the files of stages that a step stands on, or takes from, that has to be done.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use containerfile::{Base, Instruction, ResolvedStage, StageId, Step, StepId};
use snapshot::{Digest, Place};

use crate::worker::equal::Equal;
use crate::worker::kept::cache::Cache;
use crate::worker::kept::digests;
use crate::worker::kept::entry::{KeptEntry, Part};
use crate::worker::key::Keys;
use crate::worker::recipe::{Origin, Recipe};
use crate::worker::threads::{lock, thread};

/// What there is before the build begins.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    stages: BTreeMap<StageId, Head>,
    /// The stages whose files are needed. Of no other is anything done.
    needed: BTreeSet<StageId>,
}

/// What was kept of a stage.
#[derive(Debug, Default)]
struct Head {
    /// Its first steps that make a layer, in order.
    kept: Vec<KeptEntry>,
    /// What tells its file system from any other, if all of its steps were kept.
    whole: Option<Digest>,
}

impl Plan {
    /// Finds out what of a recipe was kept, and that all of it that is needed is whole.
    pub(crate) fn find(recipe: &Recipe, keys: &Keys, equal: &Equal, cache: Option<&Cache>) -> Self {
        let Some(cache) = cache else {
            let mut plan = Self::default();
            plan.need(recipe.build.target, recipe);
            return plan;
        };
        loop {
            let plan = Self::look_up_equal(recipe, keys, equal, cache);
            let broken = plan.broken(recipe, cache);
            if broken.is_empty() {
                return plan;
            }
            for key in broken {
                cache.discard(key);
            }
        }
    }

    /// Returns what was kept of a stage: its first steps, in order.
    pub(crate) fn kept(&self, id: StageId) -> &[KeptEntry] {
        self.stages.get(&id).map_or(&[], |head| &head.kept)
    }

    /// Tells whether a stage's files are needed.
    pub(crate) fn needs(&self, id: StageId) -> bool {
        self.needed.contains(&id)
    }

    /// Looks up what was kept. Of equal steps either all are taken, which one of them has made, or none.
    fn look_up_equal(recipe: &Recipe, keys: &Keys, equal: &Equal, cache: &Cache) -> Self {
        loop {
            let plan = Self::look_up(recipe, keys, cache);
            let mut given_up = false;
            for group in equal.groups() {
                let found: Vec<_> = group.iter().map(|id| plan.entry(recipe, *id)).collect();
                let origins: BTreeSet<_> = found.iter().map(|entry| entry.map(origin)).collect();
                if origins.len() > 1 {
                    for entry in found.into_iter().flatten() {
                        cache.give_up(entry.key);
                        given_up = true;
                    }
                }
            }
            if !given_up {
                return plan;
            }
        }
    }

    /// Returns what was kept of a step.
    fn entry(&self, recipe: &Recipe, id: StepId) -> Option<&KeptEntry> {
        let stage = recipe.build.stage(id.stage)?;
        let mut steps = stage.steps.iter().filter(|step| step.makes_layer());
        let place = steps.position(|step| step.id == id)?;
        self.kept(id.stage).get(place)
    }

    fn look_up(recipe: &Recipe, keys: &Keys, cache: &Cache) -> Self {
        let mut plan = Self::default();
        for stage in &recipe.build.stages {
            let known = |id: StageId| plan.stages.get(&id)?.whole;
            let head = Head::find(stage, recipe, keys, cache, &known);
            plan.stages.insert(stage.id, head);
        }
        let target = recipe.build.target;
        let head = plan.stages.get(&target);
        if head.is_none_or(|head| head.whole.is_none()) {
            plan.need(target, recipe);
        }
        plan
    }

    /// Takes note that the files of a stage are needed, and so are those that its steps take which
    /// have to be done.
    fn need(&mut self, id: StageId, recipe: &Recipe) {
        let Some(stage) = recipe.build.stage(id) else {
            return;
        };
        if !self.needed.insert(id) {
            return;
        }
        if let Base::Stage(base) = stage.base {
            self.need(base, recipe);
        }
        let steps = stage.steps.iter().filter(|step| step.makes_layer());
        let missing: Vec<&Step> = steps.skip(self.kept(id).len()).collect();
        for from in missing.into_iter().flat_map(sources) {
            if let Ok(Origin::Stage(id)) = recipe.origin(Some(from)) {
                self.need(id, recipe);
            }
        }
    }

    /// Returns the keys of what is needed and not what it was.
    fn broken(&self, recipe: &Recipe, cache: &Cache) -> BTreeSet<Digest> {
        let mut parts = Vec::new();
        for stage in &recipe.build.stages {
            let steps = stage.steps.iter().filter(|step| step.makes_layer());
            for (step, entry) in steps.zip(self.kept(stage.id)) {
                if recipe.makes_layer(step) {
                    parts.push((entry, Part::Layer));
                }
                if self.needs(stage.id) {
                    parts.push((entry, Part::Files));
                }
            }
        }
        let (parts, broken) = (Mutex::new(parts), Mutex::new(BTreeSet::new()));
        let look = || {
            loop {
                let next = lock(&parts).pop();
                let Some((entry, part)) = next else { break };
                lock(&broken).extend(cache.broken(entry, part));
            }
        };
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        std::thread::scope(|scope| {
            for _ in 1..cores.min(lock(&parts).len()) {
                // Whoever cannot be started is not missed: all of it is looked at here.
                let _ = thread().spawn_scoped(scope, look);
            }
            look();
        });
        broken.into_inner().unwrap_or_default()
    }
}

impl Head {
    /// Finds what was kept of a stage. `known` tells what is known of those before it.
    fn find(
        stage: &ResolvedStage,
        recipe: &Recipe,
        keys: &Keys,
        cache: &Cache,
        known: &dyn Fn(StageId) -> Option<Digest>,
    ) -> Self {
        let mut head = Self::default();
        let mut top = match &stage.base {
            Base::Scratch => Some(digests::of_nothing()),
            Base::Image(name) => recipe.image(name).ok().map(digests::of_image),
            Base::Stage(id) => known(*id),
        };
        for step in stage.steps.iter().filter(|step| step.makes_layer()) {
            let Some(below) = top else { break };
            // What is wrong with a step is said when it is done.
            let key = keys.key(step, below, known).ok().flatten();
            let entry = key.and_then(|key| cache.find(key.digest));
            top = entry
                .as_ref()
                .map(|entry| digests::of_stack(below, entry.digest));
            head.kept.extend(entry);
        }
        head.whole = top;
        head
    }
}

/// Returns whose files an entry has: of which entries, and where in them.
fn origin(entry: &KeptEntry) -> Vec<(Digest, Place)> {
    if entry.stacked.is_empty() {
        return vec![(entry.key, Place::root())];
    }
    let parts = entry.stacked.iter();
    parts
        .map(|part| (part.entry.key, part.place.clone()))
        .collect()
}

/// Returns what a step takes files from, as it is named.
pub(crate) fn sources(step: &Step) -> Vec<&str> {
    match &step.instruction {
        Instruction::Copy(copy) => copy.from.as_deref().into_iter().collect(),
        Instruction::Run(run) => run.mounts.iter().filter_map(|mount| mount.from()).collect(),
        _ => Vec::new(),
    }
}
