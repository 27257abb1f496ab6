//! What `stagex reproduce` says when all is done: what came of each image, and what may be said of the tree.

use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};

use documents::{AttemptRuntime, AttemptVerdict, ReproducedBy, ReproducedImage, Version};
use ledger::Ledger;
use package_tree::Plan;
use reproduce::{Image, Job, Outcome, Proven, Report, Runtime, assumed};

use crate::context::Context;
use crate::failure::print_problem;
use crate::options::Format;
use crate::render;

/// What is said when all is done.
pub(super) struct End<'a> {
    pub(super) context: &'a Context,
    pub(super) plan: &'a Plan,
    pub(super) job: &'a Job,
    pub(super) ledger: &'a Mutex<Ledger>,
    pub(super) resumed: bool,
}

impl End<'_> {
    pub(super) fn tell(&self, report: &Report, proven: &Proven) {
        let there = !(proven.by.is_empty() && proven.missing.is_empty());
        let proven = Some(proven).filter(|_| there);
        let tree = &self.job.tree;
        // What is checked out says nothing of a tree with changes.
        let commit = tree.commit.as_deref().filter(|_| !tree.dirty);
        let assumed = match self.job.given {
            Some(_) => {
                let ledger = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
                assumed(self.plan, report, ledger.attempts(), commit)
            }
            None => Vec::new(),
        };
        match self.context.format {
            Format::Json => render::json(&self.document(report, &assumed, proven)),
            Format::Human => self.human(report, &assumed, proven),
        }
        tell_problems(report);
    }

    fn document(
        &self,
        report: &Report,
        assumed: &[String],
        proven: Option<&Proven>,
    ) -> documents::Reproduce {
        let runtime = |runtime: &Runtime| AttemptRuntime {
            name: runtime.label.clone(),
            version: runtime.version.clone(),
        };
        documents::Reproduce {
            version: Version,
            reproduction: self.job.id.clone(),
            resumed: self.resumed,
            interrupted: report.interrupted,
            runtimes: self.job.runtimes.iter().map(runtime).collect(),
            images: report.images.iter().map(of_image).collect(),
            assumed: assumed.to_vec(),
            bootstrap_proven: proven.map(Proven::holds),
        }
    }

    fn human(&self, report: &Report, assumed: &[String], proven: Option<&Proven>) {
        let mut text = String::new();
        for image in &report.images {
            text.push_str(&line(image));
        }
        render::result(text.trim_end());
        if self.context.verbosity.quiet {
            return;
        }
        let all = report.images.len();
        let reproduced = report
            .images
            .iter()
            .filter(|image| image.is_reproduced())
            .count();
        render::note(&format!(
            "reproduced: {reproduced} of {}",
            render::count(all, "image")
        ));
        if !assumed.is_empty() {
            render::note(&format!(
                "used as recorded, not built again: {}",
                assumed.join(", ")
            ));
        } else if reproduced == all && self.job.given.is_some() {
            let tree = &self.job.tree;
            let of_what = match &tree.commit {
                Some(commit) if !tree.dirty => format!("at commit {commit}"),
                Some(commit) => format!("in a tree that differs from commit {commit}"),
                None => "in a tree without a commit".to_owned(),
            };
            render::note(&format!(
                "every package, and all that it needs, was built again from recorded images, {of_what}"
            ));
        }
        if let Some(proven) = proven {
            note_proven(proven);
        }
    }
}

/// Says what is wrong with each image.
pub(super) fn tell_problems(report: &Report) {
    report.images.iter().for_each(print_problems);
}

/// Says whether the bootstrap is proven, before something else is built on it.
pub(super) fn say_proven(context: &Context, report: &Report, proven: &Proven) {
    if !proven.holds() {
        report.images.iter().for_each(print_problems);
    }
    if !context.verbosity.quiet {
        note_proven(proven);
    }
}

fn note_proven(proven: &Proven) {
    render::note(if proven.holds() {
        "bootstrap proven: two runtimes or more made each of its images"
    } else {
        "bootstrap not proven"
    });
}

/// Returns the line of an image.
fn line(image: &Image) -> String {
    let name = match &image.platform {
        Some(platform) => format!("{} {platform}", image.package),
        None => image.package.clone(),
    };
    let mut text = String::new();
    let mut words: Vec<(&str, Vec<&str>)> = Vec::new();
    for of in &image.runtimes {
        let word = match &of.outcome {
            Outcome::Tried { attempt, .. } => attempt.verdict.word(),
            Outcome::Skipped => "not built",
        };
        match words.iter_mut().find(|(known, _)| *known == word) {
            Some((_, runtimes)) => runtimes.push(&of.runtime),
            None => words.push((word, vec![&of.runtime])),
        }
    }
    for (word, runtimes) in words {
        let _ = writeln!(text, "{word:<12} {name} ({})", runtimes.join(", "));
    }
    text
}

/// Prints what is wrong with an image.
fn print_problems(image: &Image) {
    let name = &image.package;
    // Where enough agree, it is still said who does not.
    let level = if image.agreed().is_some() {
        "warning"
    } else {
        "error"
    };
    for of in &image.runtimes {
        let Some(attempt) = of.outcome.attempt() else {
            continue;
        };
        let runtime = &of.runtime;
        let digest = |digest: &Option<documents::Digest>| {
            digest
                .as_ref()
                .map_or_else(|| "none".to_owned(), ToString::to_string)
        };
        let by = attempt.machine.worker.as_ref();
        let by = by.map_or(String::new(), |worker| format!(" (by {worker})"));
        match attempt.verdict {
            AttemptVerdict::Differs => print_problem(
                level,
                &format!(
                    "{name}: {runtime}{by} made {}, and {} is recorded",
                    digest(&attempt.digest),
                    digest(&attempt.recorded)
                ),
                Some(&format!(
                    "the image is in out/.stagex/reproduced/{runtime}/{name}\n\
                     `stagex diff {name} {name}@{runtime}` says how it differs from the one in out/"
                )),
            ),
            AttemptVerdict::Unstable => {
                let why = attempt.broken_by.as_deref().unwrap_or("something");
                print_problem(
                    level,
                    &format!(
                        "{name}: {runtime}{by} does not make the same image twice: {why} changes it"
                    ),
                    Some(&format!(
                        "the images that differ are in out/.stagex/reproduced/{runtime}/: {name}, {name}@2 and so on\n\
                         `stagex diff {name}@{runtime} {name}@2@{runtime}` says how they differ"
                    )),
                );
            }
            AttemptVerdict::Failed => {
                if let Some(failure) = &attempt.failure {
                    let lines = failure.last_lines.iter();
                    let lines = lines.map(|line| format!("\n  | {}", render::shortened(line)));
                    let message = format!(
                        "{name}: {runtime}: {}{}",
                        failure.message,
                        lines.collect::<String>()
                    );
                    print_problem(level, &message, failure.hint.as_deref());
                }
            }
            AttemptVerdict::Reproduced | AttemptVerdict::NotRecorded => {}
        }
    }
    if image.disagree() {
        let digests = image.runtimes.iter().filter_map(|of| {
            let attempt = of.outcome.attempt()?;
            let by = attempt.machine.worker.as_ref();
            let by = by.map_or(String::new(), |worker| format!(" (by {worker})"));
            let digest = attempt.digest.as_ref()?;
            Some(format!("{}{by} made {digest}", of.runtime))
        });
        let digests: Vec<String> = digests.collect();
        print_problem(
            level,
            &format!("{name}: runtimes disagree: {}", digests.join(", ")),
            disagreeing(image).as_deref(),
        );
    }
}

/// Says how to compare what two runtimes made that disagree.
fn disagreeing(image: &Image) -> Option<String> {
    let name = &image.package;
    let mut made = image.runtimes.iter().filter_map(|of| {
        let digest = of.outcome.attempt()?.digest.as_ref()?;
        Some((&of.runtime, digest))
    });
    let (first, digest) = made.next()?;
    let (second, _) = made.find(|(_, other)| *other != digest)?;
    Some(format!(
        "`stagex diff {name}@{first} {name}@{second}` says how their images differ"
    ))
}

fn of_image(image: &Image) -> ReproducedImage {
    let of = |of: &reproduce::OfRuntime| {
        let attempt = of.outcome.attempt();
        ReproducedBy {
            runtime: of.runtime.clone(),
            worker: attempt.and_then(|attempt| attempt.machine.worker.clone()),
            verdict: attempt.map(|attempt| attempt.verdict),
            now: matches!(of.outcome, Outcome::Tried { now: true, .. }),
            digest: attempt.and_then(|attempt| attempt.digest.clone()),
            seconds: attempt.map(|attempt| attempt.seconds),
            broken_by: attempt.and_then(|attempt| attempt.broken_by.clone()),
            failure: attempt.and_then(|attempt| attempt.failure.clone()),
            log: attempt.and_then(|attempt| attempt.log.clone()),
        }
    };
    ReproducedImage {
        package: image.package.clone(),
        platform: image.platform.clone(),
        recorded: image.recorded.map(Into::into),
        reproduced: image.is_reproduced(),
        disagree: image.disagree(),
        agreed: image.agreed().cloned(),
        runtimes: image.runtimes.iter().map(of).collect(),
    }
}
