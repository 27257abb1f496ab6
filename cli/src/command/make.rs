//! `stagex make`: builds what was asked for, and says what became of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;

use build::Listener;
use documents::{Explanation, Explanations, MadeByServer, MadePackage, Reason, Version};
use make::{Clean, Failure as FailedBuild, Job, Options, Outcome, Report};
use package_tree::{DEFAULT_PLATFORM, Goals, Instead, Plan, Tree};

use super::after;
use super::check::Mode;
use super::reproduce::Asked;
use crate::arguments;
use crate::context::Context;
use crate::exit::{ErrorKind, Exit};
use crate::failure::{Failure, print_problem, usage};
use crate::options::Format;
use crate::place;
use crate::render::{self, Reasons, Show};
use crate::wait;

pub(super) fn run(context: &Context, arguments: &arguments::Make) -> Result<Exit, Failure> {
    let tree = super::tree::open(context)?;
    let goals = package_tree::goals(&tree, &arguments.targets).map_err(super::tree::of_targets)?;
    if arguments.prove_bootstrap && (goals.instead.is_some() || arguments.check || !goals.build) {
        let hint = "name what is to be built, or leave it out";
        let message = "--prove-bootstrap is for building, and nothing is built here".to_owned();
        return Err(usage(message, Some(hint)));
    }
    let server = &context.settings.remote;
    if arguments.prove_bootstrap {
        server.refuse("--prove-bootstrap")?;
    }
    if goals.imports() {
        server.refuse("an import")?;
    }
    if let Some(what) = goals.instead {
        return instead(context, arguments, &tree, what);
    }
    if goals.reproduce {
        return reproduce(context, arguments, &goals);
    }
    if !arguments.runtimes.is_empty() && !arguments.prove_bootstrap {
        let hint = "several runtimes build in turn: stagex make reproduce --runtimes podman,native";
        let message = "--runtimes is for the target reproduce and for --prove-bootstrap".to_owned();
        return Err(usage(message, Some(hint)));
    }
    if arguments.check {
        return super::check::of_tree(context, &goals.targets, Mode::default());
    }
    let platform = arguments
        .building
        .platform
        .as_deref()
        .unwrap_or(DEFAULT_PLATFORM);
    super::tree::warn(context, &tree, &goals.targets);
    let plan = super::tree::plan_for(context, &tree, &goals.targets, platform)?;
    if arguments.dry_run {
        if !goals.build {
            if !context.verbosity.quiet {
                render::note("nothing is built, and nothing is removed");
            }
        } else if !arguments.explain {
            print_plan(context, &plan);
        } else if goals.clean {
            print_explanations(context, &plan, make::explain_cleaned(&plan));
        } else {
            let directories = place::directories(context)?;
            print_explanations(
                context,
                &plan,
                make::explain(
                    context.settings.profile.value,
                    &directories,
                    &plan,
                    arguments.no_cache,
                    super::hermetic::of_tree(context)?.as_ref(),
                )?,
            );
        }
        if goals.build {
            super::refused::of_dry_run(context, &plan, goals.clean || arguments.no_cache)?;
        }
        return Ok(Exit::Success);
    }
    if !goals.build {
        let cleaned = super::clean::remove(context, Clean::Everything)?;
        super::clean::print(context, cleaned, None);
        return Ok(Exit::Success);
    }
    let plan = Arc::new(plan);
    let made = build(context, arguments, &goals, &plan)?;
    let failure = made.unproven.or_else(|| made.report.failure());
    let exit = failure.map_or(Exit::Success, Exit::Error);
    let after = if exit == Exit::Success {
        after::run(context, &tree, &plan, &goals.after)?
    } else {
        Vec::new()
    };
    match context.format {
        Format::Json => {
            let mut document = document(&made);
            for done in after {
                done.add_to(&mut document);
            }
            render::json(&document);
        }
        Format::Human if goals.after.is_empty() => print_digests(&made.report),
        Format::Human => after.iter().for_each(|done| render::result(&done.text())),
    }
    if let Some(remote) = &made.remote
        && !context.verbosity.quiet
        && remote.built + remote.cached > 0
    {
        render::note(&super::remote::line(remote));
    }
    print_failures(&made.report);
    Ok(exit)
}

/// Does what a target asks for that is not to build.
fn instead(
    context: &Context,
    arguments: &arguments::Make,
    tree: &Tree,
    what: Instead,
) -> Result<Exit, Failure> {
    match what {
        Instead::Check => super::check::of_tree(context, &[], Mode::default()),
        Instead::Compat => super::runtimes::run(context),
        Instead::Fetch => {
            if arguments.building.no_fetch {
                let hint = "`stagex fetch --list` shows what is missing, and downloads nothing";
                return Err(usage(
                    "--no-fetch cannot be used with fetch".to_owned(),
                    Some(hint),
                ));
            }
            let plan = super::tree::plan_for(context, tree, &[], DEFAULT_PLATFORM)?;
            super::fetch::of_plan(context, &plan, arguments.building.progress)
        }
        Instead::Sign => {
            let sign = arguments::Sign {
                dry_run: arguments.dry_run,
                ..arguments::Sign::default()
            };
            super::sign::run(context, &sign)
        }
        Instead::Help => {
            render::result(&arguments::help_of_make());
            Ok(Exit::Success)
        }
    }
}

/// Does what the target `reproduce` asks for.
fn reproduce(
    context: &Context,
    arguments: &arguments::Make,
    goals: &Goals,
) -> Result<Exit, Failure> {
    let refused = [
        ("--dry-run", arguments.dry_run),
        ("--explain", arguments.explain),
        ("--check", arguments.check),
        ("--no-cache", arguments.no_cache),
    ];
    if let Some((option, _)) = refused.into_iter().find(|(_, given)| *given) {
        let hint = "`stagex reproduce --help` shows what can be chosen; nothing is ever taken from a cache there";
        return Err(usage(
            format!("{option} cannot be used with reproduce"),
            Some(hint),
        ));
    }
    if !arguments.runtimes.is_empty() && context.is_runtime_named() {
        let message = "--runtimes and --runtime cannot be used together with reproduce".to_owned();
        return Err(usage(message, Some("name all of them with --runtimes")));
    }
    let asked = Asked::by_make(arguments, goals.targets.clone(), goals.clean);
    super::reproduce::of(context, &asked)
}

fn print_plan(context: &Context, plan: &Plan) {
    match context.format {
        Format::Json => render::json(&documents::Plan::from(plan)),
        Format::Human => {
            let names = plan.packages.iter().map(|package| package.name.as_str());
            render::result(&names.collect::<Vec<_>>().join("\n"));
        }
    }
}

fn print_explanations(context: &Context, plan: &Plan, explained: Vec<Explanation>) {
    let stale = explained.iter().filter(|each| !each.reasons.is_empty());
    let names: BTreeSet<String> = stale.map(|each| each.name.clone()).collect();
    let packages = plan.packages.iter();
    let packages = packages.filter(|package| names.contains(&package.name));
    let missing = build::missing_sources(&context.directory, packages).into_iter();
    let missing = missing.map(|source| documents::MissingSource {
        path: source
            .path
            .strip_prefix(&context.directory)
            .map_or(source.path.to_string(), ToString::to_string),
        key: source.key,
        hash: source.hash,
        mirrors: source.mirrors,
    });
    let missing: Vec<_> = missing.collect();
    match context.format {
        Format::Json => render::json(&Explanations {
            version: Version,
            packages: explained,
            missing_sources: missing,
        }),
        Format::Human => {
            let all = explained.len();
            for each in explained.iter().filter(|each| !each.reasons.is_empty()) {
                render::result(&render::because(
                    &each.name,
                    "would be built",
                    &each.reasons,
                ));
            }
            for source in &missing {
                render::result(&format!(
                    "{} is missing, sha256 {}",
                    source.path, source.hash
                ));
            }
            if !context.verbosity.quiet {
                let of_all = render::count(all, "package");
                render::note(&format!("{} of {of_all} would be built", names.len()));
            }
        }
    }
}

/// What came of building.
struct MakeOutcome {
    runtime: String,
    report: Report,
    /// Of which kind the failure is where the bootstrap is not proven: nothing was built then.
    unproven: Option<ErrorKind>,
    /// Why each package that was begun was.
    reasons: BTreeMap<String, Vec<Reason>>,
    /// What a server has done, where one was asked.
    remote: Option<MadeByServer>,
}

/// Builds what a plan asks for.
fn build(
    context: &Context,
    arguments: &arguments::Make,
    goals: &Goals,
    plan: &Arc<Plan>,
) -> Result<MakeOutcome, Failure> {
    let options = Options {
        jobs: context.settings.jobs(),
        keep_going: arguments.building.keep_going,
        no_cache: arguments.no_cache || goals.clean,
        space: context.settings.space(),
    };
    let directories = place::directories(context)?;
    let hermetic = super::hermetic::of_tree(context)?.map(Arc::new);
    let show = Show {
        progress: arguments.building.progress,
        reasons: arguments.explain,
    };
    let remembered = Arc::new(Reasons::before(render::listener(context.verbosity, show)));
    let listener: Arc<dyn Listener> = Arc::clone(&remembered) as _;
    wait::block_on(async {
        let mut interrupted = wait::watch();
        let selected = match super::remote::selected(context) {
            Some(selected) => selected,
            None => context.select(&mut interrupted).await?,
        };
        build::check_platforms(&selected.ready, &arguments.building.platforms())?;
        if let Some(hermetic) = &hermetic {
            super::hermetic::check(hermetic, plan, &selected)?;
        }
        if goals.imports() {
            super::import::can_load(&selected)?;
        }
        if goals.clean {
            // Not before there is something that can build it again.
            let directories = directories.clone();
            let backends = context.backends();
            let listener = Arc::clone(&listener);
            let cleaning = make::clean(directories, Clean::Everything, backends, listener);
            let cleaned = wait::unless(&mut interrupted, cleaning).await?;
            cleaned?;
        }
        let (mut plan, mut proven) = (Arc::clone(plan), BTreeMap::new());
        if arguments.prove_bootstrap {
            let asked = Asked::by_make(arguments, Vec::new(), goals.clean);
            let proving =
                super::reproduce::prove(context, &asked, &plan, &listener, &mut interrupted);
            match proving.await? {
                Ok(digests) => proven = digests,
                Err(kind) => {
                    return Ok(MakeOutcome {
                        runtime: selected.runtime().to_owned(),
                        report: nothing(&plan, *interrupted.borrow()),
                        unproven: Some(kind),
                        reasons: BTreeMap::new(),
                        remote: None,
                    });
                }
            }
            // What was proven is what everything else is built on.
            plan = Arc::new(reproduce::bootstrap_stays(&plan));
        }
        let builds = super::remote::executor(context, selected, options.no_cache).await?;
        let runtime = builds.executor.runtime().to_owned();
        let sources = super::supply::of(context, !arguments.building.no_fetch, &listener);
        let job = Job {
            given: None,
            proven: Arc::new(proven),
            profile: context.settings.profile.value,
            directories,
            sources,
            plan,
            executor: Arc::clone(&builds.executor),
            hermetic,
            options,
        };
        let report = make::make(job, listener, interrupted).await?;
        Ok(MakeOutcome {
            runtime,
            report,
            unproven: None,
            reasons: remembered.found(),
            remote: builds.by_server(),
        })
    })
}

/// Returns the report of a build that was not begun.
fn nothing(plan: &Plan, interrupted: bool) -> Report {
    let names = plan.packages.iter().map(|package| package.name.clone());
    Report {
        packages: names.map(|name| (name, Outcome::Skipped)).collect(),
        interrupted,
    }
}

/// Says that a runtime has no store for images.
fn print_digests(report: &Report) {
    for (name, outcome) in &report.packages {
        if let Some(digest) = outcome.digest() {
            render::result(&format!("{} {name}", digest.hex()));
        }
    }
}

/// Prints why packages could not be built, each with the last lines of its log.
fn print_failures(report: &Report) {
    for (name, outcome) in &report.packages {
        if let Outcome::Failed(failed) = outcome {
            print_failed(name, failed);
        }
    }
    let skipped = |(_, outcome): &&(String, Outcome)| matches!(outcome, Outcome::Skipped);
    let count = report.packages.iter().filter(skipped).count();
    let failed = |(_, outcome): &(String, Outcome)| matches!(outcome, Outcome::Failed(_));
    if count > 0 && !report.interrupted && report.packages.iter().any(failed) {
        render::note(&format!(
            "not built because of a failed dependency: {count}"
        ));
    }
}

/// Prints why a package could not be built, with the last lines of its log.
pub(super) fn print_failed(name: &str, failed: &FailedBuild) {
    let mut message = format!("{name}: {}", crate::failure::chain(&failed.error));
    if !failed.last_lines.is_empty() {
        let lines = failed
            .last_lines
            .iter()
            .map(|line| format!("\n  | {}", printable::line(&render::shortened(line))));
        message.extend(lines);
        let _ = write!(message, "\n  the complete log: {}", failed.log);
    }
    print_problem("error", &message, failed.error.hint().as_deref());
}

/// Returns what became of each package for programs. What targets ask for beside building is added then.
fn document(made: &MakeOutcome) -> documents::Make {
    let package = |(name, outcome): &(String, Outcome)| {
        let reasons = made.reasons.get(name).cloned();
        let outcome = match outcome {
            Outcome::Fresh(digest) => documents::Outcome::Fresh {
                digest: (*digest).into(),
            },
            Outcome::Built { digest, duration } => documents::Outcome::Built {
                reasons,
                digest: (*digest).into(),
                seconds: duration.as_secs_f64(),
            },
            Outcome::Failed(failed) => documents::Outcome::Failed {
                reasons,
                message: crate::failure::chain(&failed.error),
                log: failed.log.to_string(),
                kind: failed.kind(),
                may_pass: failed.kind().may_pass(),
                hint: failed.error.hint(),
            },
            Outcome::Skipped => documents::Outcome::Skipped { reasons },
        };
        let name = name.clone();
        MadePackage { name, outcome }
    };
    documents::Make {
        version: Version,
        runtime: made.runtime.clone(),
        interrupted: made.report.interrupted,
        packages: made.report.packages.iter().map(package).collect(),
        remote: made.remote.clone(),
        digests: None,
        new_digests: None,
        images: None,
        contents: None,
        imported: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_told_whether_trying_again_may_help() {
        let failed = |error| {
            let log = "out/.stagex/logs/core-a.log".into();
            let last_lines = Vec::new();
            Outcome::Failed(Box::new(FailedBuild {
                error,
                log,
                last_lines,
            }))
        };
        let changed = || build::Error::Changed { path: "a".into() };
        let missing = || build::Error::Deletion { path: "a".into() };
        for (error, kind, may_pass) in [
            (changed(), ErrorKind::Transient, true),
            (missing(), ErrorKind::Package, false),
        ] {
            let hint = error.hint();
            let report = Report {
                packages: vec![("core-a".to_owned(), failed(error))],
                interrupted: false,
            };
            let document = document(&MakeOutcome {
                runtime: "docker".to_owned(),
                unproven: None,
                report,
                reasons: BTreeMap::new(),
                remote: None,
            });
            let documents::Outcome::Failed {
                kind: said,
                may_pass: said_to,
                hint: said_hint,
                ..
            } = &document.packages[0].outcome
            else {
                panic!("{document:?}");
            };
            assert_eq!((*said, *said_to), (kind, may_pass));
            assert_eq!(*said_hint, hint);
        }
    }
}
