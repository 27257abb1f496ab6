//! One build: its parts are made, what was kept is taken, and then its stages are built, all at once.
//!
//! It does not know how a step is done.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, mpsc};

use containerfile::ResolvedStage;
use sandbox::Inside;
use snapshot::Stacking;

use crate::job::{BuildJob, Failure, FailureKind, Message};
use crate::worker::circumstances::circumstances;
use crate::worker::directories::{Directories, hand_on};
use crate::worker::equal::Equal;
use crate::worker::failure::Result;
use crate::worker::files::sources::Sources;
use crate::worker::files::stacks::Stacks;
use crate::worker::files::unpack::Unpacker;
use crate::worker::kept::cache::Cache;
use crate::worker::kept::results::Results;
use crate::worker::key::Keys;
use crate::worker::plan::Plan;
use crate::worker::recipe::Recipe;
use crate::worker::report::Report;
use crate::worker::run::caches::Caches;
use crate::worker::run::network::Networks;
use crate::worker::run::process::Runner;
use crate::worker::run::set_ids::SetIds;
use crate::worker::stage::{StageBuilder, labelled};
use crate::worker::threads::thread;
use crate::worker::unsupported;

/// Builds, and writes the layers of the steps that are asked for.
///
/// The first stage that fails fails the build: what the others are doing ends with this process.
pub(crate) fn build(job: BuildJob, inside: Inside, report: &Arc<Report>) -> Result<()> {
    let recipe = Arc::new(Recipe::read(job)?);
    unsupported::refuse(&recipe.build, recipe.job.network)?;
    let builder = Arc::new(prepare(recipe, inside, report)?);
    let (recipe, cache) = (&builder.recipe, builder.results.cache());
    let plan = Arc::new(Plan::find(recipe, &builder.keys, &builder.equal, cache));
    for stage in &recipe.build.stages {
        take_kept(stage, &plan, &builder)?;
    }
    let needed = recipe.build.stages.iter();
    let needed = needed.map(|stage| stage.id).filter(|id| plan.needs(*id));
    let (done, results) = mpsc::channel();
    for id in needed {
        let (builder, plan, done) = (Arc::clone(&builder), Arc::clone(&plan), done.clone());
        let started = thread().spawn(move || {
            // Nobody listens any more once a stage has failed.
            let _ = done.send(to_its_end(|| builder.build(id, &plan)));
        });
        started.map_err(|error| Failure::thread(&error))?;
    }
    drop(done);
    results.into_iter().collect::<Result<()>>()?;
    if let Some(cache) = cache {
        cache.shrink();
    }
    Ok(())
}

/// Makes the directories of a build, and the parts that stages are built with.
fn prepare(recipe: Arc<Recipe>, inside: Inside, report: &Arc<Report>) -> Result<StageBuilder> {
    let directories = Arc::new(Directories::enter(&recipe.job.work)?);
    let stacks = Arc::new(Stacks::try_out(directories, report)?);
    let cache = open_cache(&recipe, &stacks, report);
    let results = Arc::new(Results::new(cache, Arc::clone(&stacks.directories)));
    let circumstances = circumstances(inside.rights, stacks.kind());
    let images = Unpacker::new(circumstances, Arc::clone(&stacks), Arc::clone(&results));
    let sources = Arc::new(Sources::new(Arc::clone(&recipe), stacks, images));
    let directories = &sources.stacks.directories;
    let caches = Caches::new(directories, recipe.job.cache.as_ref(), report);
    let inside = Arc::new(inside);
    let mode = recipe.job.network;
    let networks = Networks::new(mode, Arc::clone(&inside), Arc::clone(report));
    let networks = Arc::new(networks);
    Ok(StageBuilder {
        equal: Arc::new(Equal::find(&recipe)),
        keys: Keys::new(Arc::clone(&recipe), circumstances, Arc::clone(&networks)),
        runner: Runner {
            recipe: Arc::clone(&recipe),
            inside,
            networks,
            sources: Arc::clone(&sources),
            report: Arc::clone(report),
            set_ids: SetIds::default(),
            caches,
        },
        recipe,
        sources,
        results,
        report: Arc::clone(report),
    })
}

/// Opens what earlier builds have kept, if this one may use it.
fn open_cache(recipe: &Recipe, stacks: &Stacks, report: &Arc<Report>) -> Option<Cache> {
    // A copy has everything, and so is no result of one step.
    let cache = recipe.job.cache.as_ref();
    let cache = cache.filter(|_| stacks.kind() == Stacking::Overlay)?;
    let opened = Cache::open(cache, &stacks.directories, report);
    let failed = |error| {
        let message = format!("nothing is kept in `{}`: {error}", cache.directory);
        report.say(Message::Notice { message });
    };
    opened.map_err(failed).ok()
}

/// Hands on the layers of the steps of a stage that were kept.
fn take_kept(stage: &ResolvedStage, plan: &Plan, builder: &StageBuilder) -> Result<()> {
    for ((label, step), entry) in labelled(stage).zip(plan.kept(stage.id)) {
        let name = builder.recipe.name(step);
        builder.report.line(name, format!("CACHED {label}"));
        if let Some(layer) = builder.recipe.layer(step) {
            hand_on(&entry.layer(), &layer)?;
        }
    }
    Ok(())
}

/// Does something of which a result is awaited, and has one whatever happens: others would wait for ever.
fn to_its_end(work: impl FnOnce() -> Result<()>) -> Result<()> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
        let message = "internal error: a stage panicked";
        Err(Failure::new(FailureKind::Internal, message))
    })
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
