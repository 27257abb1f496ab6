//! `stagex reproduce`: builds packages again, and compares them with what is recorded.

mod told;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use build::Listener;
use camino::Utf8PathBuf;
use documents::{AttemptTree, DependencyOrigin};
use ledger::Ledger;
use make::Options;
use package_tree::{DEFAULT_PLATFORM, Plan};
use reproduce::{
    Job, Missing, Origin, Proven, Report, Request, Runtime, Session, TO_PROVE, bootstrap_plan,
    requested_only,
};
use state::{Digests, Directories};
use tokio::sync::watch;

use crate::arguments;
use crate::arguments::Column;
use crate::context::Context;
use crate::exit::{ErrorKind, Exit};
use crate::failure::{Failure, usage};
use crate::options::Progress;
use crate::place;
use crate::render::{self, Show};
use crate::wait;
use told::End;

/// What is asked for, by `stagex reproduce` or by make's target.
#[derive(Debug, Clone, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one independent flag"
)]
pub(super) struct Asked {
    pub(super) targets: Vec<String>,
    pub(super) runtimes: Vec<Column>,
    pub(super) clean: bool,
    pub(super) against_record: bool,
    pub(super) images: Vec<Utf8PathBuf>,
    pub(super) rounds: u32,
    pub(super) prove_bootstrap: bool,
    pub(super) restart: bool,
    pub(super) keep_going: bool,
    pub(super) progress: Progress,
    pub(super) platform: Option<String>,
    pub(super) no_fetch: bool,
}

pub(super) fn run(context: &Context, arguments: &arguments::Reproduce) -> Result<Exit, Failure> {
    let asked = Asked {
        targets: arguments.targets.clone(),
        runtimes: arguments.runtimes.clone(),
        clean: arguments.clean,
        against_record: arguments.against_record,
        images: arguments.images.clone(),
        rounds: arguments.rounds,
        prove_bootstrap: arguments.prove_bootstrap,
        restart: arguments.restart,
        keep_going: arguments.keep_going,
        progress: arguments.progress,
        platform: None,
        no_fetch: false,
    };
    of(context, &asked)
}

/// Does what is asked for.
pub(super) fn of(context: &Context, asked: &Asked) -> Result<Exit, Failure> {
    let tree = super::tree::open(context)?;
    let platform = asked.platform.as_deref().unwrap_or(DEFAULT_PLATFORM);
    super::tree::warn(context, &tree, &asked.targets);
    let plan = super::tree::plan_for(context, &tree, &asked.targets, platform)?;
    if plan
        .packages
        .iter()
        .any(|package| !package.archives.is_empty())
    {
        let hint = "name the package: what is reproduced is compared, and no archive is made of it";
        let message = "an archive cannot be reproduced".to_owned();
        return Err(usage(message, Some(hint)));
    }
    let (state, secret) = place::state()?;
    let ledger = Arc::new(Mutex::new(Ledger::open(&state, &secret)?));
    let show = Show {
        progress: asked.progress,
        reasons: false,
    };
    let listener: Arc<dyn Listener> = render::listener(context.verbosity, show);
    wait::block_on(async {
        let mut interrupted = wait::watch();
        let mut job = job(context, asked, &plan, &listener, &mut interrupted).await?;
        let root = &context.directory;
        let session = Session::begin(&state, &secret, root, request(asked, &job), asked.restart)?;
        let quiet = context.verbosity.quiet;
        if session.is_resumed() && !quiet {
            render::note(
                "going on where the last run of this command was interrupted (--restart begins anew)",
            );
        }
        if !quiet {
            say_disk(&job);
        }
        session.id().clone_into(&mut job.id);
        let whole = Arc::clone(&job.plan);
        let bootstrap = bootstrap_plan(&whole);
        let end = |job: &Job, report: &Report| {
            let proven = Proven::of(&whole, report);
            let end = End {
                context,
                plan: &plan,
                job,
                ledger: &ledger,
                resumed: session.is_resumed(),
            };
            end.tell(report, &proven);
        };
        if asked.prove_bootstrap && !bootstrap.packages.is_empty() {
            job.plan = Arc::new(bootstrap);
            let report = reproduce::reproduce(&job, &ledger, &listener, &interrupted).await?;
            if !Proven::of(&whole, &report).holds() {
                end(&job, &report);
                return Ok(report.failure().unwrap_or(ErrorKind::Differs).into());
            }
            job.plan = Arc::clone(&whole);
        }
        let report = reproduce::reproduce(&job, &ledger, &listener, &interrupted).await?;
        end(&job, &report);
        let failure = report.failure();
        if !report.interrupted && failure != Some(ErrorKind::Transient) {
            session.finish()?;
        }
        Ok(failure.map_or(Exit::Success, Exit::Error))
    })
}

/// Returns what is to be built again, with what, from what. It has no name yet.
async fn job(
    context: &Context,
    asked: &Asked,
    plan: &Plan,
    listener: &Arc<dyn Listener>,
    interrupted: &mut watch::Receiver<bool>,
) -> Result<Job, Failure> {
    let directories = place::directories(context)?;
    let recorded = Arc::new(Digests::read(&context.directory)?);
    let checked_out = wait::unless(interrupted, git::checked_out(&context.directory)).await??;
    let runtimes = runtimes(context, asked, interrupted).await?;
    if asked.prove_bootstrap && runtimes.len() < TO_PROVE {
        let hint = "name two, such as --runtimes podman,native";
        let message = "--prove-bootstrap needs at least two runtimes".to_owned();
        return Err(usage(message, Some(hint)));
    }
    let (built, given) = if asked.against_record {
        let built = requested_only(plan);
        let origins = origins(context, asked, &directories, &runtimes)?;
        let given = reproduce::give(&origins, plan, &built, &recorded);
        let given = given.map_err(|missing| not_found(&missing))?;
        (built, Some(Arc::new(given)))
    } else {
        (plan.clone(), None)
    };
    let hermetic = super::hermetic::of_tree_async(context, interrupted).await?;
    if let Some(hermetic) = &hermetic {
        for runtime in &runtimes {
            super::hermetic::check_for(hermetic, &built, &runtime.label, &runtime.ready)?;
        }
    }
    Ok(Job {
        id: String::new(),
        profile: context.settings.profile.value,
        directories,
        tree: AttemptTree {
            dirty: checked_out.as_ref().is_some_and(|found| found.dirty),
            commit: checked_out.map(|found| found.commit),
        },
        plan: Arc::new(built),
        recorded,
        runtimes,
        rounds: asked.rounds.max(1),
        given,
        clean: asked.clean,
        sources: super::supply::of(context, !asked.no_fetch, listener),
        hermetic: hermetic.map(Arc::new),
        network: context.settings.network.value.into(),
        options: Options {
            jobs: context.settings.jobs(),
            keep_going: asked.keep_going,
            no_cache: false,
            space: context.settings.space(),
        },
        stagex: env!("CARGO_PKG_VERSION").to_owned(),
    })
}

/// Returns what is asked for, so that the same can go on where it was.
fn request(asked: &Asked, job: &Job) -> Request {
    let packages = job.plan.packages.iter();
    let runtimes = job.runtimes.iter();
    Request {
        packages: packages.map(|package| package.name.clone()).collect(),
        runtimes: runtimes
            .map(|runtime| (runtime.label.clone(), runtime.ready.version.clone()))
            .collect(),
        rounds: job.rounds,
        dependencies: match job.given {
            Some(_) => DependencyOrigin::Recorded,
            None => DependencyOrigin::Built,
        },
        clean: asked.clean,
    }
}

/// Finds the runtimes that were asked for, all of which have to be ready.
async fn runtimes(
    context: &Context,
    asked: &Asked,
    interrupted: &mut watch::Receiver<bool>,
) -> Result<Vec<Runtime>, Failure> {
    if asked.runtimes.is_empty() {
        let selected = context.select(interrupted).await?;
        return Ok(vec![Runtime {
            label: selected.runtime().to_owned(),
            backend: selected.backend,
            ready: selected.ready,
        }]);
    }
    let known = super::conformance::engines()?;
    let mut runtimes = Vec::new();
    let mut labels = BTreeSet::new();
    for (label, program) in &asked.runtimes {
        if !labels.insert(label.to_string()) {
            let hint = "give each a label of its own: docker@a=/a/docker,docker@b=/b/docker";
            return Err(usage(format!("`{label}` is named twice"), Some(hint)));
        }
        let mut programs = context.programs();
        let of_label = || known.iter().find(|(of, _)| of == label)?.1.clone();
        if let Some(program) = program.clone().or_else(of_label) {
            programs.insert(label.runtime().to_owned(), program);
        } else if label.to_string() != label.runtime() {
            let message = format!("no program is known for `{label}`");
            let hint = format!("name it: {label}=/path/to/{}", label.runtime());
            return Err(usage(message, Some(&hint)));
        }
        let choice = runtimes::Choice::Named(label.runtime().to_owned());
        let selecting = runtimes::select(&choice, &programs, &context.probe_cache);
        let selected = wait::unless(interrupted, selecting).await??;
        runtimes.push(Runtime {
            label: label.to_string(),
            backend: selected.backend,
            ready: selected.ready,
        });
    }
    Ok(runtimes)
}

/// Returns where recorded images are looked for.
fn origins(
    context: &Context,
    asked: &Asked,
    directories: &Directories,
    runtimes: &[Runtime],
) -> Result<Vec<Origin>, Failure> {
    let mut origins = vec![Origin::Tree(directories.clone())];
    let of = |runtime: &Runtime| Origin::Tree(directories.of_reproduction(&runtime.label));
    origins.extend(runtimes.iter().map(of));
    for images in &asked.images {
        let found = place::outside(
            &context.directory,
            images,
            "leave it out, since out/ is always looked into",
        )?;
        origins.push(Origin::Directory(found));
    }
    Ok(origins)
}

fn not_found(missing: &[Missing]) -> Failure {
    let hint = "build it (`stagex make`), or name a directory with its OCI layout: --images DIR";
    let problem = |missing: &Missing| {
        let Missing {
            package,
            recorded,
            instead,
        } = missing;
        if recorded.is_empty() {
            let hint = "build it with what needs it: leave out --against-record";
            let message = format!("{package} is needed, and no digest of it is recorded");
            return (message, Some(hint.to_owned()));
        }
        let digests: Vec<String> = recorded
            .iter()
            .map(|(_, digest)| digest.to_string())
            .collect();
        let mut message = format!(
            "the recorded image of {package} is not there: {}",
            digests.join(", ")
        );
        for (place, what) in instead {
            let _ = write!(message, "\n  {place}: {what}");
        }
        (message, Some(hint.to_owned()))
    };
    Failure::of(ErrorKind::NotCompared, missing.iter().map(problem))
}

/// Says what disk the outputs of several runtimes need, as far as sizes are known.
fn say_disk(job: &Job) {
    if job.runtimes.len() < 2 && job.rounds < 2 {
        return;
    }
    let packages = job.plan.packages.iter();
    let sizes = packages.filter_map(|package| {
        let image = job.directories.images(&package.name).ok()?;
        Some(image.blobs().iter().map(|blob| blob.size).sum::<u64>())
    });
    let bytes = sizes.sum::<u64>() * job.runtimes.len() as u64;
    if bytes > 0 {
        render::note(&format!(
            "the images that are built again need about {} of disk, below {}",
            indicatif::HumanBytes(bytes),
            job.directories.own(),
        ));
    }
}
