//! `stagex reproduce`: builds packages again, and compares them with what is recorded.

mod told;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use backend_api::Ready;
use build::Listener;
use camino::Utf8PathBuf;
use documents::{AttemptTree, DependencyOrigin};
use ledger::Ledger;
use make::{Local, Options};
use package_tree::{DEFAULT_PLATFORM, Plan};
use reproduce::{
    Adopted, Job, Origin, Proven, Report, Request, Runtime, Session, TO_PROVE, bootstrap_plan,
    requested_only,
};
use state::{Access, Digests, Directories, Lock};
use tokio::sync::watch;

use crate::arguments;
use crate::arguments::{Building, Column};
use crate::context::{Context, Selected};
use crate::exit::{ErrorKind, Exit};
use crate::failure::{Failure, usage};
use crate::place;
use crate::render::{self, Show};
use crate::wait;
use told::End;

/// What can be done where the recorded image of a dependency is nowhere.
const NOT_FOUND: &str = "build it (`stagex make`), or name a directory with its OCI layout (--images DIR) or a registry \
                         that has it (--from docker.io/stagex)";

/// What is asked for, by `stagex reproduce` or by make.
#[derive(Debug, Clone)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one independent flag"
)]
pub(super) struct Asked<'a> {
    pub(super) targets: Vec<String>,
    pub(super) runtimes: Vec<Column>,
    pub(super) clean: bool,
    pub(super) against_record: bool,
    pub(super) images: Vec<Utf8PathBuf>,
    pub(super) from: Vec<registry::Repository>,
    pub(super) rounds: u32,
    pub(super) agree: Option<usize>,
    pub(super) prove_bootstrap: bool,
    pub(super) restart: bool,
    /// Whether only problems are told.
    pub(super) silent: bool,
    pub(super) building: &'a Building,
}

impl<'a> Asked<'a> {
    /// Returns what make asks for.
    pub(super) fn by_make(make: &'a arguments::Make, targets: Vec<String>, clean: bool) -> Self {
        Self {
            targets,
            runtimes: make.runtimes.clone(),
            clean,
            against_record: false,
            images: Vec::new(),
            from: Vec::new(),
            rounds: 1,
            agree: None,
            prove_bootstrap: make.prove_bootstrap,
            restart: false,
            silent: false,
            building: &make.building,
        }
    }
}

pub(super) fn run(context: &Context, arguments: &arguments::Reproduce) -> Result<Exit, Failure> {
    let asked = Asked {
        targets: arguments.targets.clone(),
        runtimes: arguments.runtimes.clone(),
        clean: arguments.clean,
        against_record: arguments.against_record,
        images: arguments.images.clone(),
        from: arguments.from.clone(),
        rounds: arguments.rounds,
        agree: arguments.agree.map(|agree| agree as usize),
        prove_bootstrap: arguments.prove_bootstrap,
        restart: arguments.restart,
        silent: false,
        building: &arguments.building,
    };
    of(context, &asked)
}

/// Does what is asked for.
pub(super) fn of(context: &Context, asked: &Asked<'_>) -> Result<Exit, Failure> {
    let tree = super::tree::open(context)?;
    let platform = asked.building.platform.as_deref();
    super::tree::warn(context, &tree, &asked.targets);
    let platform = platform.unwrap_or(DEFAULT_PLATFORM);
    if asked
        .building
        .platforms()
        .first()
        .is_some_and(|first| *first != DEFAULT_PLATFORM)
    {
        let hint = "packages that name their own platforms have them without it";
        let message = format!(
            "--platform has to begin with {DEFAULT_PLATFORM}: that is what digests/*.txt has the digests of"
        );
        return Err(usage(message, Some(hint)));
    }
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
    let show = Show {
        progress: asked.building.progress,
        reasons: false,
    };
    let listener: Arc<dyn Listener> = render::listener(context.verbosity, show);
    wait::block_on(async {
        let mut interrupted = wait::watch();
        let mut begun = Begun::new(context, asked, &plan, &listener, &mut interrupted).await?;
        let whole = Arc::clone(&begun.job.plan);
        let bootstrap = bootstrap_plan(&whole);
        let end = |begun: &Begun, report: &Report| {
            let proven = Proven::of(&whole, report);
            let end = End {
                context,
                plan: &plan,
                job: &begun.job,
                ledger: &begun.ledger,
                resumed: begun.session.is_resumed(),
            };
            if asked.silent {
                told::tell_problems(report);
            } else {
                end.tell(report, &proven);
            }
        };
        if asked.prove_bootstrap {
            check_bootstrap(&bootstrap)?;
            begun.job.plan = Arc::new(bootstrap);
            let report = begun.reproduce(&listener, &interrupted).await?;
            if !Proven::of(&whole, &report).holds() {
                end(&begun, &report);
                let failure = begun.finish(&report)?;
                return Ok(failure.unwrap_or(ErrorKind::Differs).into());
            }
            begun.job.plan = Arc::clone(&whole);
        }
        let report = begun.reproduce(&listener, &interrupted).await?;
        end(&begun, &report);
        let failure = begun.finish(&report)?;
        Ok(failure.map_or(Exit::Success, Exit::Error))
    })
}

/// Has the runtimes that are asked for build the bootstrap of a plan, and takes the images that they agree on for the
/// tree's own. Returns of which kind the failure is if it is not proven, which has been said then.
pub(super) async fn prove(
    context: &Context,
    asked: &Asked<'_>,
    plan: &Plan,
    listener: &Arc<dyn Listener>,
    interrupted: &mut watch::Receiver<bool>,
) -> Result<Result<Adopted, ErrorKind>, Failure> {
    let bootstrap = bootstrap_plan(plan);
    check_bootstrap(&bootstrap)?;
    let begun = Begun::new(context, asked, &bootstrap, listener, interrupted).await?;
    let report = begun.reproduce(listener, interrupted).await?;
    let proven = Proven::of(&bootstrap, &report);
    told::say_proven(context, &report, &proven);
    if !proven.holds() {
        let failure = begun.finish(&report)?;
        return Ok(Err(failure.unwrap_or(ErrorKind::Differs)));
    }
    let stopped = interrupted.clone();
    let adopted = reproduce::adopt(&begun.job, &proven, listener, stopped).await?;
    begun.finish(&report)?;
    Ok(Ok(adopted))
}

/// Refuses to prove a bootstrap that has no packages.
fn check_bootstrap(bootstrap: &Plan) -> Result<(), Failure> {
    if bootstrap.packages.is_empty() {
        let hint = "leave out --prove-bootstrap, or name a package that needs one";
        let message = "nothing that is to be built needs a package of the stage bootstrap";
        return Err(usage(message.to_owned(), Some(hint)));
    }
    Ok(())
}

/// A reproduction that has a name, and a place in the ledger.
struct Begun {
    job: Job,
    session: Session,
    ledger: Arc<Mutex<Ledger>>,
    /// Nobody replaces or removes the recorded images that packages are built from.
    _tree: Option<Lock>,
}

impl Begun {
    async fn new(
        context: &Context,
        asked: &Asked<'_>,
        plan: &Plan,
        listener: &Arc<dyn Listener>,
        interrupted: &mut watch::Receiver<bool>,
    ) -> Result<Self, Failure> {
        let (state, secret) = place::state()?;
        let ledger = Arc::new(Mutex::new(Ledger::open(&state, &secret)?));
        let tree = if asked.against_record {
            Some(keep(context, listener, interrupted).await?)
        } else {
            None
        };
        let mut job = job(context, asked, plan, listener, interrupted).await?;
        let root = &context.directory;
        let session = Session::begin(&state, &secret, root, request(asked, &job), asked.restart)?;
        let quiet = context.verbosity.quiet;
        if session.is_resumed() && !quiet {
            render::note(
                "continuing the interrupted run of this command (--restart starts from the beginning)",
            );
        }
        if !quiet {
            say_disk(&job);
        }
        session.id().clone_into(&mut job.id);
        Ok(Self {
            job,
            session,
            ledger,
            _tree: tree,
        })
    }

    async fn reproduce(
        &self,
        listener: &Arc<dyn Listener>,
        interrupted: &watch::Receiver<bool>,
    ) -> Result<Report, Failure> {
        Ok(reproduce::reproduce(&self.job, &self.ledger, listener, interrupted).await?)
    }

    /// Notes that nothing is left to go on with, unless that is so. Returns of which kind the failure is.
    fn finish(self, report: &Report) -> Result<Option<ErrorKind>, Failure> {
        if !report.goes_on() {
            self.session.finish()?;
        }
        Ok(report.failure())
    }
}

/// Sees to it that nobody writes to the tree's outputs, or removes them.
async fn keep(
    context: &Context,
    listener: &Arc<dyn Listener>,
    interrupted: &mut watch::Receiver<bool>,
) -> Result<Lock, Failure> {
    let (directories, listener) = (place::directories(context)?, Arc::clone(listener));
    let opening = build::blocking(move || {
        let waiting = &mut |process| listener.hear(build::Event::Waiting { process });
        directories.open(Access::Beside, waiting)
    });
    Ok(wait::unless(interrupted, opening).await??)
}

/// Returns what is to be built again, with what, from what. It has no name yet.
async fn job(
    context: &Context,
    asked: &Asked<'_>,
    plan: &Plan,
    listener: &Arc<dyn Listener>,
    interrupted: &mut watch::Receiver<bool>,
) -> Result<Job, Failure> {
    let directories = place::directories(context)?;
    let recorded = Arc::new(Digests::read(&context.directory)?);
    let checked_out = wait::unless(interrupted, git::checked_out(&context.directory)).await??;
    let runtimes = runtimes(context, asked, interrupted).await?;
    for (ready, _) in &runtimes {
        build::check_platforms(ready, &asked.building.platforms())?;
    }
    let here = runtimes
        .iter()
        .filter(|(_, runtime)| runtime.server.is_none());
    if asked.prove_bootstrap && here.count() < TO_PROVE {
        let hint = "name two, such as --runtimes podman,native";
        let message = "--prove-bootstrap needs at least two runtimes of this machine".to_owned();
        return Err(usage(message, Some(hint)));
    }
    if let Some(agree) = asked.agree
        && agree > runtimes.len()
    {
        let hint = "give --remote more often, or name further runtimes with --runtimes";
        let all = render::count(runtimes.len(), "runtime");
        let message = format!("--agree {agree} cannot be had from {all}");
        return Err(usage(message, Some(hint)));
    }
    let (built, given) = if asked.against_record {
        let built = requested_only(plan);
        let origins = origins(context, asked, &directories, &runtimes)?;
        let finding = {
            let (plan, built, recorded) = (plan.clone(), built.clone(), Arc::clone(&recorded));
            build::blocking(move || reproduce::find_recorded(&origins, &plan, &built, &recorded))
        };
        let mut found = wait::unless(interrupted, finding).await?;
        if !found.missing.is_empty() && !asked.from.is_empty() {
            super::pull::bring(context, &asked.from, &directories, &mut found, interrupted).await?;
        }
        let given = found
            .give()
            .map_err(|missing| super::pull::not_found(&missing, NOT_FOUND))?;
        (built, Some(Arc::new(given)))
    } else {
        (plan.clone(), None)
    };
    let hermetic = super::hermetic::of_tree_async(context, interrupted).await?;
    if let Some(hermetic) = &hermetic {
        for (ready, runtime) in &runtimes {
            super::hermetic::check_for(hermetic, &built, &runtime.label, ready)?;
        }
    }
    let packages: Vec<_> = built.packages.iter().collect();
    let mut refused = Vec::new();
    for (ready, runtime) in &runtimes {
        let chosen = (runtime.executor.runtime(), &ready.capabilities);
        let refusals = super::refused::of(context, &packages, hermetic.as_ref(), chosen)?;
        if !refusals.is_empty() {
            let failure = Failure::refused(&runtime.label, &refusals).into_problems();
            let label = &runtime.label;
            refused.extend(failure.map(|(message, hint)| (format!("{label}: {message}"), hint)));
        }
    }
    if !refused.is_empty() {
        return Err(Failure::of(ErrorKind::Package, refused));
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
        runtimes: runtimes.into_iter().map(|(_, runtime)| runtime).collect(),
        rounds: asked.rounds.max(1),
        agree: asked.agree,
        given,
        clean: asked.clean,
        sources: super::supply::of(context, !asked.building.no_fetch, listener),
        hermetic: hermetic.map(Arc::new),
        options: Options {
            jobs: context.settings.jobs(),
            keep_going: asked.building.keep_going,
            no_cache: false,
            space: context.settings.space(),
        },
        stagex: env!("CARGO_PKG_VERSION").to_owned(),
    })
}

/// Returns what is asked for, so that the same can go on where it was.
fn request(asked: &Asked<'_>, job: &Job) -> Request {
    let packages = job.plan.packages.iter();
    let runtimes = job.runtimes.iter();
    Request {
        packages: packages.map(|package| package.name.clone()).collect(),
        runtimes: runtimes
            .map(|runtime| (runtime.label.clone(), runtime.version.clone()))
            .collect(),
        rounds: job.rounds,
        dependencies: match job.given {
            Some(_) => DependencyOrigin::Recorded,
            None => DependencyOrigin::Built,
        },
        clean: asked.clean,
    }
}

/// Finds the runtimes that were asked for, all of which have to be ready; each with what it said of itself. A server is
/// asked when the work begins.
async fn runtimes(
    context: &Context,
    asked: &Asked<'_>,
    interrupted: &mut watch::Receiver<bool>,
) -> Result<Vec<(Ready, Runtime)>, Failure> {
    // Who names runtimes builds with these; with a server as well only if that is named beside them.
    let servers = if asked.runtimes.is_empty() || context.settings.remote.is_named() {
        super::remote::again(context).await?
    } else {
        Vec::new()
    };
    if asked.runtimes.is_empty() && servers.is_empty() {
        let selected = context.select(interrupted).await?;
        let label = selected.runtime().to_owned();
        return Ok(vec![of_machine(context, label, selected)]);
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
        let selected = Selected {
            backend: selected.backend,
            ready: selected.ready,
        };
        runtimes.push(of_machine(context, label.to_string(), selected));
    }
    runtimes.extend(servers.into_iter().map(of_server));
    Ok(runtimes)
}

/// Returns a runtime of this machine.
fn of_machine(context: &Context, label: String, selected: Selected) -> (Ready, Runtime) {
    let Selected { backend, ready } = selected;
    let network = context.settings.network.value.into();
    // Nothing that an engine has kept is a reproduction.
    let executor = Arc::new(Local::new(backend, ready.clone(), true, network));
    let runtime = Runtime {
        label,
        version: ready.version.clone(),
        varies: ready.capabilities.varies.clone(),
        executor,
        server: None,
    };
    (ready, runtime)
}

/// Returns the runtime that a server is. Nothing can be varied around what it builds.
fn of_server(again: super::remote::Again) -> (Ready, Runtime) {
    let ready = again.selected.ready;
    let runtime = Runtime {
        label: again.server.label(),
        version: ready.version.clone(),
        varies: BTreeSet::new(),
        executor: again.executor,
        server: Some(again.server.address.to_string()),
    };
    (ready, runtime)
}

/// Returns where recorded images are looked for.
fn origins(
    context: &Context,
    asked: &Asked<'_>,
    directories: &Directories,
    runtimes: &[(Ready, Runtime)],
) -> Result<Vec<Origin>, Failure> {
    let mut origins = vec![Origin::Tree(directories.clone())];
    let of =
        |(_, runtime): &(Ready, Runtime)| Origin::Tree(directories.of_reproduction(&runtime.label));
    origins.extend(runtimes.iter().map(of));
    origins.push(Origin::Pulled(directories.of_pulled()));
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
