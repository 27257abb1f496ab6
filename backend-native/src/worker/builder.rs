//! One build: its stages, all at once, and the layers of the image that is asked for.

use std::collections::BTreeMap;
use std::error::Error as _;
use std::fs::File;
use std::os::unix::fs::OpenOptionsExt as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc};

use backend_api::StepId;
use containerfile::{Build, Instruction, Platform, ResolvedStage, Scope, StageId, Step};
use sandbox::Inside;
use snapshot::{Digest, Place, Stack, Stacking, Tree};

use super::cache::{Beside, Cache, of_stacked};
use super::circumstances::circumstances;
use super::entry::{Part, Reference};
use super::failure::Result;
use super::floor::{Floor, View};
use super::folders::{Folders, Snapshot, hand_on};
use super::image::{Image, Layer};
use super::key::{Key, LookedAt};
use super::network::Way;
use super::plan::Plan;
use super::report::Report;
use super::share::Shared;
use super::thread;
use crate::backend::{layer_name, layers};
use crate::job::{BuildJob, ContextKind, Failure, FailureKind, Message};

/// A build under way. Its stages are built at once, each on a thread of its own, which waits for
/// another stage only where it takes something from it.
pub(super) struct Builder {
    pub(super) job: BuildJob,
    pub(super) folders: Arc<Folders>,
    pub(super) inside: Inside,
    pub(super) report: Arc<Report>,
    pub(super) build: Build,
    pub(super) cache: Option<Cache>,
    pub(super) circumstances: Digest,
    pub(super) looked_at: LookedAt,
    pub(super) way: Way,
    pub(super) images: BTreeMap<String, Image>,
    layers: Layers,
    places: Places,
    pub(super) stacking: Stacking,
    pub(super) unpacked: Mutex<BTreeMap<Layer, Arc<Mutex<Unpacked>>>>,
    /// Where in a directory of a stack there are files with the set-user-ID or the set-group-ID bit.
    pub(super) set_ids: Mutex<BTreeMap<PathBuf, Arc<[Place]>>>,
    /// Where what is in a directory was kept, so that others can be stacked of it.
    pub(super) kept_at: Mutex<BTreeMap<PathBuf, Reference>>,
    pub(super) stages: Mutex<BTreeMap<StageId, Floor>>,
    /// Notified when a stage is built.
    pub(super) built: Condvar,
}

/// The folders that a layer was unpacked into.
#[derive(Debug, Default)]
pub(super) struct Unpacked {
    /// The one whose files do not depend on the layers below.
    pub(super) alone: Option<PathBuf>,
    /// Those whose files do, by these layers.
    pub(super) on: BTreeMap<Vec<Layer>, PathBuf>,
}

/// Builds, and writes the layers of the steps that are asked for.
///
/// The first stage that fails fails the build: what the others are doing ends with this process.
pub(super) fn build(job: BuildJob, inside: Inside, report: &Arc<Report>) -> Result<()> {
    let mut images = BTreeMap::new();
    for context in &job.contexts {
        if context.kind == ContextKind::Image {
            let image = Image::read(&context.name, &context.path)?;
            images.insert(context.name.clone(), image);
        }
    }
    let build = resolve(&job, &images)?;
    super::step::refuse_what_is_unknown(&build, job.network)?;
    let layers = layers_of(&job, &build)?;
    let folders = Arc::new(Folders::enter(&job.work)?);
    let stacking = stacking(&folders, report)?;
    // A copy has everything, and so is no result of one step.
    let cache = job.cache.as_ref().filter(|_| stacking == Stacking::Overlay);
    let cache = cache.and_then(|cache| {
        let opened = Cache::open(cache, &folders, report);
        let failed = |error| {
            let message = format!("nothing is kept in `{}`: {error}", cache.folder);
            report.say(Message::Notice { message });
        };
        opened.map_err(failed).ok()
    });
    let builder = Arc::new(Builder {
        layers,
        places: places_of(&job, &build),
        stacking,
        circumstances: circumstances(inside.rights, stacking),
        folders,
        job,
        inside,
        report: Arc::clone(report),
        build,
        cache,
        looked_at: LookedAt::default(),
        way: Way::default(),
        images,
        unpacked: Mutex::default(),
        set_ids: Mutex::default(),
        kept_at: Mutex::default(),
        stages: Mutex::default(),
        built: Condvar::new(),
    });
    let plan = Arc::new(builder.plan());
    for stage in &builder.build.stages {
        builder.take_kept(stage, &plan)?;
    }
    let needed = builder.build.stages.iter();
    let needed = needed.map(|stage| stage.id).filter(|id| plan.needs(*id));
    let (done, results) = mpsc::channel();
    for id in needed {
        let (builder, plan, done) = (Arc::clone(&builder), Arc::clone(&plan), done.clone());
        let started = thread().spawn(move || {
            // Nobody listens any more once a stage has failed.
            let _ = done.send(to_its_end(|| builder.stage(id, &plan)));
        });
        started.map_err(|error| Failure::thread(&error))?;
    }
    drop(done);
    results.into_iter().collect::<Result<()>>()?;
    if let Some(cache) = &builder.cache {
        cache.shrink();
    }
    Ok(())
}

/// Does something of which a result is awaited, and has one whatever happens: others would wait for ever.
fn to_its_end(work: impl FnOnce() -> Result<()>) -> Result<()> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
        let message = "a stage ended without a word";
        Err(Failure::new(FailureKind::Internal, message))
    })
}

/// Finds out whether folders can be stacked where this build has its own: not on every file system.
fn stacking(folders: &Folders, report: &Report) -> Result<Stacking> {
    let trial = folders.snapshot()?;
    let (upper, work, at) = (&trial.upper, &trial.work, &trial.merged);
    let mounted = Stack::default().mount(upper, work, Folders::empty(), at);
    let Err(error) = mounted else {
        return Ok(Stacking::Overlay);
    };
    // What was mounted was a trial, whose name tells nobody anything.
    let reason = error
        .source()
        .map_or_else(|| error.to_string(), ToString::to_string);
    let message = format!(
        "overlayfs is not available here ({reason}): each step copies the whole file system"
    );
    report.say(Message::Notice { message });
    Ok(Stacking::Copies)
}

/// A layer that is asked for: its place among the request's steps.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    pub(super) place: usize,
}

type Layers = BTreeMap<containerfile::StepId, Wanted>;

/// What steps are called outside, where their places are those of the original file.
type Places = BTreeMap<containerfile::StepId, StepId>;

/// Reads the Containerfile, and finds out what the target needs.
fn resolve(job: &BuildJob, images: &BTreeMap<String, Image>) -> Result<Build> {
    let path = &job.containerfile;
    let text = beneath::read_text(path, beneath::DOCUMENT);
    let text = text.map_err(|error| Failure::io("read", path, &error))?;
    let platform: Platform = job.platform.parse().map_err(|_| {
        let message = format!("`{}` is no platform", job.platform);
        Failure::unsupported(message)
    })?;
    let mut scope = Scope::new(platform);
    scope.build_args.clone_from(&job.build_arguments);
    scope.target.clone_from(&job.target);
    let facts = images.iter();
    scope.images = facts
        .map(|(name, image)| (name.clone(), image.facts.clone()))
        .collect();
    let build = containerfile::parse(&text).and_then(|file| file.resolve(&scope));
    build.map_err(|error| Failure::build(format!("{path}: {error}")))
}

/// Finds the steps that make the layers that are asked for: the same ones, in the same order.
fn layers_of(job: &BuildJob, build: &Build) -> Result<Layers> {
    let steps = build.image_steps().filter(|step| step.makes_layer());
    let steps: Vec<_> = steps.map(|step| step.id).collect();
    if steps.len() != job.steps.len() {
        let message = format!(
            "expected {} instructions that make a layer, found {}",
            job.steps.len(),
            steps.len()
        );
        return Err(Failure::new(FailureKind::Internal, message));
    }
    let wanted = (0..job.steps.len()).map(|place| Wanted { place });
    Ok(steps.into_iter().zip(wanted).collect())
}

fn places_of(job: &BuildJob, build: &Build) -> Places {
    let stages = build.stages.iter().zip(&job.stages);
    let steps = stages.flat_map(|(stage, names)| {
        let steps = stage.steps.iter().filter(|step| step.makes_layer());
        steps.map(|step| step.id).zip(names.iter().copied())
    });
    steps.collect()
}

impl Builder {
    /// Tells whether a step makes a layer that is asked for.
    pub(super) fn makes_layer(&self, step: &Step) -> bool {
        self.layers.contains_key(&step.id)
    }

    /// Hands on the layers of the steps that were kept.
    fn take_kept(&self, stage: &ResolvedStage, plan: &Plan) -> Result<()> {
        for ((label, step), entry) in labelled(stage).zip(plan.kept(stage.id)) {
            let place = self.places.get(&step.id).copied();
            self.report.line(place, format!("CACHED {label}"));
            if let Some(wanted) = self.layers.get(&step.id) {
                hand_on(&entry.layer(), &self.layer(*wanted))?;
            }
        }
        Ok(())
    }

    /// Builds a stage from where it was kept on, and makes its file system known to the others.
    fn stage(&self, id: StageId, plan: &Plan) -> Result<()> {
        let Some(stage) = self.build.stage(id) else {
            return Ok(());
        };
        let mut floor = self.base(&stage.base)?;
        let kept = plan.kept(id);
        for entry in kept {
            floor.put(self.folders_of(entry)?, Some(entry.digest))?;
        }
        for (label, step) in labelled(stage).skip(kept.len()) {
            let wanted = self.layers.get(&step.id).copied();
            let place = self.places.get(&step.id).copied();
            self.report.line(place, label);
            let done = self.step(step, &mut floor, place, wanted);
            done.map_err(|failure| failure.at(place))?;
        }
        lock(&self.stages).insert(id, floor);
        self.built.notify_all();
        Ok(())
    }

    /// Does a step, and puts its changes on what is below it.
    fn step(
        &self,
        step: &Step,
        floor: &mut Floor,
        place: Option<StepId>,
        wanted: Option<Wanted>,
    ) -> Result<()> {
        let key = self.key_if_kept(step, floor);
        if let Some(shared) = self.share(step, floor)? {
            return self.step_of_shared(floor, key, &shared, wanted);
        }
        let (snapshot, done) = loop {
            let snapshot = self.folders.snapshot()?;
            let done = {
                let root = root(step, &floor.stack, &snapshot)?;
                self.carry_out(step, place, (root.path(), &floor.stack))?
                // Whatever was mounted in it goes with it.
            };
            if let Some(done) = done {
                break (snapshot, done);
            }
            let line = "it makes a device file, or gives a file to a user beyond the ranges that are set \
                        aside for this user: it begins again, and looks at files take longer";
            self.report.line(place, line);
            snapshot::clear(&snapshot.entry)
                .map_err(|error| Failure::io("clear", snapshot.entry.display(), &error))?;
        };
        let upper = Tree::open(&snapshot.upper)?;
        done.stubs.remove(&upper)?;
        let key = key.filter(|_| done.is_certain);
        let layer = wanted.map(|wanted| self.layer(wanted));
        if let Some(layer) = &layer {
            self.write_layer(&upper, &floor.stack, layer)?;
        }
        let (files, digest) = self.keep(step, floor, key, (snapshot, layer.as_deref()))?;
        floor.put(files, digest)
    }

    /// Does a step whose files are stacked, and not copied.
    fn step_of_shared(
        &self,
        floor: &mut Floor,
        key: Option<Key>,
        shared: &Shared,
        wanted: Option<Wanted>,
    ) -> Result<()> {
        let layer = wanted.map(|wanted| self.layer(wanted));
        if let Some(layer) = &layer
            && let Some(upper) = self.view(&self.stack_of(shared))?
        {
            self.write_layer(&upper.tree()?, &floor.stack, layer)?;
        }
        let mut kept = None;
        if let (Some(cache), Some(key)) = (&self.cache, key) {
            let (entry, _) = self.folders.entry()?;
            let beside = Beside {
                layer: layer.as_deref(),
                stacked: &shared.references,
            };
            // Another build that was faster has stacked the same, unless it could not.
            let digest = of_stacked(&shared.references);
            let theirs = || Some(cache.find(key.digest)?.digest);
            let found = cache.keep(key.digest, &entry, beside).or_else(theirs);
            kept = found.filter(|found| *found == digest);
        }
        floor.put(shared.folders.clone(), kept)
    }

    /// Returns the key of a step that is about to be done, if it can be kept.
    fn key_if_kept(&self, step: &Step, floor: &Floor) -> Option<Key> {
        let below = self.cache.as_ref().and(floor.digest)?;
        // What is wrong with a step is said when it is done.
        let key = self.key(step, below, &|id| self.wait_for(id).digest);
        key.ok().flatten()
    }

    /// Keeps what a step has made. Returns where the files of its result are from now on, and their
    /// digest if they were kept.
    fn keep(
        &self,
        step: &Step,
        floor: &Floor,
        key: Option<Key>,
        (snapshot, layer): (Snapshot, Option<&Path>),
    ) -> Result<(Vec<PathBuf>, Option<Digest>)> {
        let own = vec![snapshot.upper.clone()];
        let (Some(cache), Some(key)) = (&self.cache, key) else {
            return Ok((own, None));
        };
        // What others can write to may have been something else by the time it was copied.
        if key.is_shared {
            self.looked_at.forget();
            if self.key_if_kept(step, floor) != Some(key) {
                return Ok((own, None));
            }
        }
        let beside = Beside {
            layer,
            ..Beside::default()
        };
        if let Some(digest) = cache.keep(key.digest, &snapshot.entry, beside) {
            self.note_kept(snapshot.upper, key.digest, digest, &Place::root());
            return Ok((own, Some(digest)));
        }
        // Another build was faster: its result is as good, and has been kept.
        let parts = [Part::Files, Part::Layer];
        let parts = &parts[..if layer.is_some() { 2 } else { 1 }];
        let theirs = cache.find(key.digest);
        let theirs = theirs.filter(|entry| {
            let mut parts = parts.iter();
            parts.all(|part| cache.broken(entry, *part).is_empty())
        });
        let Some(entry) = theirs else {
            return Ok((own, None));
        };
        if let Some(layer) = layer {
            std::fs::remove_file(layer)
                .map_err(|error| Failure::io("replace", layer.display(), &error))?;
            hand_on(&entry.layer(), layer)?;
        }
        Ok((self.folders_of(&entry)?, Some(entry.digest)))
    }

    /// Returns the path of the layer of a step.
    fn layer(&self, wanted: Wanted) -> PathBuf {
        layers(&self.job.work)
            .join(layer_name(wanted.place))
            .into_std_path_buf()
    }

    fn write_layer(&self, upper: &Tree, below: &Stack, path: &Path) -> Result<()> {
        let lower = self.view(below)?;
        let tree = lower.as_ref().map(View::tree).transpose()?;
        let changes = snapshot::changes(upper, tree.as_ref(), self.stacking)?;
        let file = File::options()
            .write(true)
            .read(true)
            .create_new(true)
            .mode(0o600)
            .open(path);
        let file = file.map_err(|error| Failure::io("make", path.display(), &error))?;
        Ok(snapshot::write_archive(&changes, upper, file)?)
    }
}

/// Returns the file system that a step is done in.
fn root(step: &Step, below: &Stack, snapshot: &Snapshot) -> Result<View> {
    let upper = &snapshot.upper;
    let is_run = matches!(step.instruction, Instruction::Run(_));
    if below.folders().is_empty() && !is_run {
        // What there is will be what the step has made.
        return Ok(View::Folder(upper.clone()));
    }
    let mounted = below.mount(upper, &snapshot.work, Folders::empty(), &snapshot.merged)?;
    Ok(View::Mounted(mounted))
}

/// Returns the steps of a stage that make a layer, each with what is said of it.
fn labelled(stage: &ResolvedStage) -> impl Iterator<Item = (String, &Step)> {
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

/// What is behind the lock is whole whenever it is released, so a poisoned one is as good.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_that_panics_has_failed() {
        assert!(to_its_end(|| Ok(())).is_ok());
        let failure = to_its_end(|| panic!("as a test wants it")).unwrap_err();
        assert_eq!(failure.kind, FailureKind::Internal);
    }
}
