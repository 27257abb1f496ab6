//! The rules of 2024: five stages with fixed names, of which one gets the sources and one runs as root.
//!
//! It knows what these stages are for. In a tree of 2026 nothing of it holds.

use containerfile::{Instruction, NetworkMode, Run, Span, Stage, is_remote};

use super::hermetic::FETCH;
use crate::finding::Finding;
use crate::subject::Subject;
use crate::table::{EPOCH_TIMES, FETCH_WITHOUT_HASH, FIVE_STAGES, PACKAGE_FROM_SCRATCH, USER_1000};

const BASE: &str = "base";
const INSTALL: &str = "install";
const PACKAGE: &str = "package";

/// The stages of each package, in their order.
const STAGES: [&str; 5] = [BASE, FETCH, "build", INSTALL, PACKAGE];

/// Programs that verify a hash.
const VERIFIERS: [&str; 5] = [
    "sha256sum",
    "sha384sum",
    "sha512sum",
    "b2sum",
    "openssl dgst",
];

pub(super) fn check(subject: &Subject<'_>, found: &mut Vec<Finding>) {
    let source = &subject.containerfile;
    let whole = Span { start: 0, end: 0 };
    let place = |name: &str| {
        let mut stages = subject.file.stages.iter();
        stages.position(|stage| stage.name.as_deref() == Some(name))
    };
    let mut last = None;
    for name in STAGES {
        match place(name) {
            None => {
                let message = format!("there is no stage `{name}`");
                found.push(source.finding(&FIVE_STAGES, whole, message));
            }
            Some(at) if last.is_some_and(|last| at < last) => {
                let message = format!("stage `{name}` comes too early");
                let span = subject.file.stages[at].span;
                found.push(source.finding(&FIVE_STAGES, span, message));
            }
            Some(at) => last = Some(at),
        }
    }
    for (number, stage) in subject.file.stages.iter().enumerate() {
        match stage.name.as_deref() {
            Some(FETCH) => unverified(subject, stage, found),
            Some(INSTALL) => {
                users(subject, number, &["0", "root"], found);
                let mut runs = runs(stage);
                if !runs.any(|(_, span)| span.of(source.text).contains("touch")) {
                    let message = "no RUN of stage `install` sets the times of files";
                    found.push(source.finding(&EPOCH_TIMES, stage.span, message));
                }
                continue;
            }
            Some(PACKAGE) if stage.base.value != "scratch" => {
                let message = format!("stage `package` begins with `{}`", stage.base.value);
                found.push(source.finding(&PACKAGE_FROM_SCRATCH, stage.base.span, message));
            }
            _ => {}
        }
        if matches!(stage.name.as_deref(), Some(BASE | FETCH | "build")) {
            users(subject, number, &["1000", "user"], found);
        }
    }
}

/// Returns each RUN of a stage.
fn runs(stage: &Stage) -> impl Iterator<Item = (&Run, Span)> {
    stage
        .statements
        .iter()
        .filter_map(|each| match &each.instruction {
            Instruction::Run(run) => Some((run, each.span)),
            _ => None,
        })
}

/// Notes the first RUN of a stage whose user is none of those that are expected.
fn users(subject: &Subject<'_>, number: usize, expected: &[&str], found: &mut Vec<Finding>) {
    let mut builds = subject.builds.iter().flat_map(|build| &build.stages);
    let Some(stage) = builds.find(|stage| stage.id.0 == number) else {
        return;
    };
    let mut runs = stage.steps.iter();
    let run = runs.find(|step| matches!(step.instruction, Instruction::Run(_)));
    let Some(run) = run else {
        return;
    };
    let user = run.user.split(':').next().unwrap_or_default();
    // An image that does not say runs as root.
    let user = if user.is_empty() { "0" } else { user };
    if !expected.contains(&user) {
        let name = subject.stage_name(number);
        let message = format!(
            "stage `{name}` runs this as user `{user}`, expected {}",
            expected[0]
        );
        found.push(subject.containerfile.finding(&USER_1000, run.span, message));
    }
}

/// Notes what the stage `fetch` downloads without a hash.
fn unverified(subject: &Subject<'_>, stage: &Stage, found: &mut Vec<Finding>) {
    let source = &subject.containerfile;
    let verifies = |span: Span| {
        let text = span.of(source.text);
        VERIFIERS.iter().any(|program| text.contains(program))
    };
    let is_verified = runs(stage).any(|(_, span)| verifies(span));
    let mut downloads = runs(stage).filter(|(run, _)| run.network != Some(NetworkMode::None));
    if let Some((_, span)) = downloads.next().filter(|_| !is_verified) {
        let message = "nothing in stage `fetch` verifies what this downloads";
        found.push(source.finding(&FETCH_WITHOUT_HASH, span, message));
    }
    for statement in &stage.statements {
        if let Instruction::Add(add) = &statement.instruction
            && add.checksum.is_none()
            && !is_verified
            && add.sources.paths.iter().any(|path| is_remote(path))
        {
            let message = "nothing verifies what this downloads";
            found.push(source.finding(&FETCH_WITHOUT_HASH, statement.span, message));
        }
    }
}
