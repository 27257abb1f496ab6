//! `stagex make`: builds what was asked for, and says what became of it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::num::NonZero;
use std::sync::Arc;

use build::Listener;
use documents::Reason;
use make::{
    Clean, Explanation, Failure as FailedBuild, Job, Local, Options, Outcome, Report, Space,
};
use package_tree::{DEFAULT_PLATFORM, Plan};
use serde_json::{Value, json};

use super::{after, interruption};
use crate::arguments::{self, Format, Global};
use crate::docker::Network;
use crate::exit::{ErrorKind, Exit};
use crate::failure::{Failure, print_problem};
use crate::place;
use crate::render::{self, Reasons, Show};
use crate::targets::{self, Goals, Instead};

pub(super) fn run(global: &Global, arguments: &arguments::Make) -> Result<Exit, Failure> {
    let tree = super::tree::open(global)?;
    let goals = targets::goals(&tree, &arguments.targets)?;
    match goals.instead {
        Some(Instead::Check) => return super::check::of_tree(global, &tree, &[], false),
        Some(Instead::Compat) => return super::runtimes::run(global),
        Some(Instead::Help) => {
            render::result(&arguments::help_of_make());
            return Ok(Exit::Success);
        }
        None => {}
    }
    if arguments.check {
        return super::check::of_tree(global, &tree, &goals.targets, false);
    }
    let platform = arguments.platform.as_deref().unwrap_or(DEFAULT_PLATFORM);
    let plan = super::tree::plan_for(&tree, &goals.targets, platform)?;
    if arguments.dry_run {
        if !goals.build {
            if !global.quiet {
                render::note("nothing is built, and nothing is removed");
            }
        } else if !arguments.explain {
            print_plan(global, &plan);
        } else if goals.clean {
            print_explanations(global, &make::explain_cleaned(&plan));
        } else {
            let folders = place::folders(global)?;
            print_explanations(global, &make::explain(&folders, &plan, arguments.no_cache)?);
        }
        return Ok(Exit::Success);
    }
    if !goals.build {
        let cleaned = super::clean::remove(global, Clean::Everything)?;
        super::clean::print(global, cleaned, None);
        return Ok(Exit::Success);
    }
    let Made {
        runtime,
        report,
        reasons,
    } = build(global, arguments, &goals, plan)?;
    let exit = report.failure().map_or(Exit::Success, Exit::Error);
    let after = if exit == Exit::Success {
        after::run(global, &tree, &goals.after, platform)?
    } else {
        Vec::new()
    };
    match global.format {
        Format::Json => {
            let mut document = document(&runtime, &report, &reasons);
            for done in after {
                done.add_to(&mut document);
            }
            render::json(&document);
        }
        Format::Human if goals.after.is_empty() => print_digests(&report),
        Format::Human => after.iter().for_each(|done| render::result(&done.text())),
    }
    print_failures(&report);
    Ok(exit)
}

fn print_plan(global: &Global, plan: &Plan) {
    match global.format {
        Format::Json => render::json(plan),
        Format::Human => {
            let names = plan.packages.iter().map(|package| package.name.as_str());
            render::result(&names.collect::<Vec<_>>().join("\n"));
        }
    }
}

fn print_explanations(global: &Global, explained: &[Explanation]) {
    match global.format {
        Format::Json => render::json(&json!({ "version": 1, "packages": explained })),
        Format::Human => {
            let stale = || explained.iter().filter(|each| !each.reasons.is_empty());
            for each in stale() {
                render::result(&render::because(
                    &each.name,
                    "would be built",
                    &each.reasons,
                ));
            }
            let (count, all) = (stale().count(), explained.len());
            if !global.quiet {
                render::note(&format!(
                    "{count} of {} would be built",
                    render::count(all, "package")
                ));
            }
        }
    }
}

/// What came of building.
struct Made {
    runtime: String,
    report: Report,
    /// Why each package that was begun was.
    reasons: BTreeMap<String, Vec<Reason>>,
}

/// Builds what a plan asks for.
fn build(
    global: &Global,
    arguments: &arguments::Make,
    goals: &Goals,
    plan: Plan,
) -> Result<Made, Failure> {
    let options = Options {
        jobs: arguments.jobs.map_or_else(cores, |jobs| jobs as usize),
        keep_going: arguments.keep_going,
        no_cache: arguments.no_cache || goals.clean,
        space: if arguments.ignore_space {
            Space::Ignored
        } else {
            Space::Checked
        },
    };
    let (choice, programs) = (global.runtime(), global.programs());
    let folders = place::folders(global)?;
    let show = Show {
        progress: arguments.progress,
        reasons: arguments.explain,
    };
    let remembered = Arc::new(Reasons::before(render::listener(global, show)));
    let listener: Arc<dyn Listener> = Arc::clone(&remembered) as _;
    super::block_on(async {
        let mut interrupted = interruption::watch();
        let findings = crate::environment::findings();
        let selecting = runtimes::select(&choice, &programs, &findings);
        let selected = interruption::unless(&mut interrupted, selecting).await?;
        let selected = selected.map_err(no_runtime)?;
        let runtime = selected.backend.id().to_owned();
        if !global.quiet && choice == runtimes::Choice::Auto {
            render::note(&format!("runtime: {runtime} {}", selected.ready.version));
            if selected.is_fallback {
                render::note("no engine is ready, so none is used (`stagex runtimes` says why)");
            }
        }
        let platforms = arguments.platform.iter();
        let platforms: Vec<_> = platforms.flat_map(|names| names.split(',')).collect();
        build::check_platforms(&selected.ready, &platforms)?;
        if goals.imports() && !selected.backend.can_load() {
            return Err(cannot_load(&runtime));
        }
        if goals.clean {
            // Not before there is something that can build it again.
            let folders = folders.clone();
            let backends = super::clean::backends(global);
            let listener = Arc::clone(&listener);
            let cleaning = make::clean(folders, Clean::Everything, backends, listener);
            let cleaned = interruption::unless(&mut interrupted, cleaning).await?;
            cleaned?;
        }
        let job = Job {
            folders,
            plan: Arc::new(plan),
            executor: Arc::new(Local::new(
                selected.backend,
                selected.ready,
                options.no_cache,
                network(arguments).into(),
            )),
            options,
        };
        let report = make::make(job, listener, interrupted).await?;
        Ok(Made {
            runtime,
            report,
            reasons: remembered.found(),
        })
    })
}

/// Says that a runtime has no store for images.
fn cannot_load(runtime: &str) -> Failure {
    let message = format!("{runtime} cannot import images: it has no store for them");
    let hint =
        "docker, podman and buildah can; without import-..., the image is an OCI layout in out/";
    Failure::of(ErrorKind::Usage, [(message, Some(hint.to_owned()))])
}

/// Returns how many things can be done at once.
pub(super) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, NonZero::get)
}

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
    if count > 0 && !report.interrupted {
        render::note(&format!("not built, because of that: {count}"));
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
        let _ = write!(message, "\n  the whole log: {}", failed.log);
    }
    print_problem("error", &message, failed.error.hint().as_deref());
}

fn document(runtime: &str, report: &Report, reasons: &BTreeMap<String, Vec<Reason>>) -> Value {
    let package = |(name, outcome): &(String, Outcome)| {
        let mut value = json!({ "name": name });
        let (kind, seconds) = match outcome {
            Outcome::Fresh(_) => ("fresh", None),
            Outcome::Built { duration, .. } => ("built", Some(duration.as_secs_f64())),
            Outcome::Failed(_) => ("failed", None),
            Outcome::Skipped => ("skipped", None),
        };
        value["outcome"] = kind.into();
        if let Some(reasons) = reasons.get(name) {
            value["reasons"] = json!(reasons);
        }
        if let Some(digest) = outcome.digest() {
            value["digest"] = digest.to_string().into();
        }
        if let Some(seconds) = seconds {
            value["seconds"] = seconds.into();
        }
        if let Outcome::Failed(failed) = outcome {
            value["message"] = crate::failure::chain(&failed.error).into();
            value["log"] = failed.log.as_str().into();
        }
        value
    };
    json!({
        "version": 1,
        "runtime": runtime,
        "interrupted": report.interrupted,
        "packages": report.packages.iter().map(package).collect::<Vec<_>>(),
    })
}

pub(super) fn no_runtime(error: runtimes::NoRuntime) -> Failure {
    match error {
        runtimes::NoRuntime::Unknown(_) => Failure::new(ErrorKind::Usage, &error, None),
        runtimes::NoRuntime::Unavailable(tried) => {
            let problem = |(name, why): (String, backend_api::Unavailable)| {
                (
                    format!("{name} is not ready: {}", why.message),
                    Some(why.hint),
                )
            };
            Failure::of(ErrorKind::NoRuntime, tried.into_iter().map(problem))
        }
    }
}

/// Returns the network of RUNs: what is said on the command line, if it is.
fn network(arguments: &arguments::Make) -> Network {
    match arguments.network {
        Some(network) => network,
        None if arguments.offline => Network::None,
        None => Network::Default,
    }
}
