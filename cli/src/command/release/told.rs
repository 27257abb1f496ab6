//! What `stagex release` says: each step as soon as it was looked at, and the document at the end.

use documents::{ReleaseBy, ReleaseState, ReleaseStep, ReleaseStepName as Step, Version};

use super::facts::Facts;
use super::found::{Open, StepState, shell};
use crate::arguments;
use crate::context::Context;
use crate::exit::{ErrorKind, Exit};
use crate::options::Format;
use crate::render;

/// How many problems of a step are shown to people.
const MOST: usize = 10;

/// What was said so far.
pub(super) struct Told<'a> {
    context: &'a Context,
    dry_run: bool,
    steps: Vec<ReleaseStep>,
}

impl<'a> Told<'a> {
    pub(super) fn new(context: &'a Context, arguments: &arguments::Release) -> Self {
        Self {
            context,
            dry_run: arguments.dry_run,
            steps: Vec::new(),
        }
    }

    /// Tells whether a step is not done that the next ones need.
    pub(super) fn is_stopped(&self) -> bool {
        self.steps
            .iter()
            .any(|step| step.state == ReleaseState::ToDo)
    }

    /// Says that a step is done now.
    pub(super) fn running(&self, step: Step, open: &Open) {
        if !self.context.verbosity.quiet {
            for words in &open.commands {
                render::note(&format!("{}: {}", step.word(), shell(words)));
            }
        }
    }

    /// Notes a step, which was not looked at yet.
    pub(super) fn begin(&mut self, step: Step, registry: Option<String>) {
        self.steps.push(ReleaseStep {
            step,
            registry,
            state: ReleaseState::NotLookedAt,
            ran: false,
            found: None,
            problems: Vec::new(),
            hints: Vec::new(),
            by: None,
            commands: Vec::new(),
            kind: None,
        });
    }

    /// Says what was found of the last step, and what is to do if it is not done.
    pub(super) fn looked_at(&mut self, found: StepState, state: ReleaseState, ran: bool) {
        let Some(noted) = self.steps.last_mut() else {
            return;
        };
        noted.ran = ran;
        match found {
            StepState::Done(found) => {
                noted.state = ReleaseState::Done;
                noted.found = Some(found);
            }
            StepState::Open(open) => {
                noted.state = state;
                noted.found = Some(open.found);
                noted.problems = open.problems;
                noted.hints = open.hints;
                noted.by = Some(open.by);
                noted.commands = open.commands;
                noted.kind = Some(open.kind);
            }
        }
        if self.context.format == Format::Human {
            render::result(&human(noted));
        }
    }

    /// Says how far the release is. Returns how the program ends.
    pub(super) fn end(self, facts: &Facts) -> Exit {
        let kind = self.steps.iter().find_map(|step| step.kind);
        let number = facts.known_number().map(ToString::to_string);
        let of = |state| self.steps.iter().filter(move |step| step.state == state);
        if self.context.format == Format::Human {
            let words: Vec<&str> = of(ReleaseState::NotLookedAt)
                .map(|step| step.step.word())
                .collect();
            if !words.is_empty() {
                render::result(&format!("not looked at: {}", words.join(", ")));
            }
        }
        if !self.context.verbosity.quiet {
            let (done, all) = (of(ReleaseState::Done).count(), self.steps.len());
            let release = number.as_ref().map_or_else(
                || "the release".to_owned(),
                |number| format!("release {number}"),
            );
            let all = render::count(all, "step");
            render::note(&format!("{release}: {done} of {all} done"));
        }
        if self.context.format == Format::Json {
            let commit = facts.checked_out().ok().flatten();
            render::json(&documents::Release {
                version: Version,
                release: number,
                commit: commit.map(|found| found.commit.clone()),
                complete: kind.is_none(),
                dry_run: self.dry_run,
                steps: self.steps,
            });
        }
        kind.map_or(Exit::Success, |kind: ErrorKind| Exit::Error(kind))
    }
}

/// Returns a step for people.
fn human(step: &ReleaseStep) -> String {
    let state = match step.state {
        ReleaseState::Done if step.ran => "done now",
        ReleaseState::Done => "done",
        ReleaseState::ToDo => "to do",
        ReleaseState::WouldRun => "would run",
        ReleaseState::NotLookedAt => "not looked at",
    };
    let found = step.found.as_deref().unwrap_or_default();
    let line = format!("{state:<9}  {:<10}  {found}", step.step.word());
    let mut lines = vec![printable::line(&line).into_owned()];
    let mut add = |text: &str| {
        for line in text.lines() {
            lines.push(format!("  {}", printable::line(line)));
        }
    };
    step.problems
        .iter()
        .take(MOST)
        .for_each(|problem| add(problem));
    if let Some(more) = step
        .problems
        .len()
        .checked_sub(MOST)
        .filter(|more| *more > 0)
    {
        add(&format!("and {more} more (--format json has all)"));
    }
    for hint in &step.hints {
        add(&format!("hint: {hint}"));
    }
    let by = match step.by {
        Some(ReleaseBy::Machine) => "this machine, with --run",
        Some(ReleaseBy::You) => "you",
        Some(ReleaseBy::Others) => "another person",
        None => "",
    };
    for words in &step.commands {
        add(&format!("{by}: {}", shell(words)));
    }
    lines.join("\n")
}
