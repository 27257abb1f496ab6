//! Which directories are there for certain when a step begins, whatever a base image has.
//!
//! It sees no file system.

use super::text::PATTERN;
use crate::build::{Build, ResolvedStage, Step};
use crate::instruction::{Instruction, Sources};
use crate::reference::Base;
use crate::state::{absolute, clean};

/// Tells whether `place` is a directory for certain before the step `index` of a stage. What a RUN may have removed is not.
pub(super) fn is_directory(
    build: &Build,
    stage: &ResolvedStage,
    index: usize,
    place: &str,
) -> bool {
    if place == "/" {
        return true;
    }
    let mut steps = &stage.steps[..index];
    let mut stage = stage;
    loop {
        for step in steps.iter().rev() {
            match makes(step) {
                Effect::Directory(path) if is_at_or_below(&path, place) => return true,
                Effect::Anything => return false,
                Effect::Directory(_) | Effect::Nothing => {}
            }
        }
        let Base::Stage(base) = stage.base else {
            return false;
        };
        let Some(base) = build.stage(base) else {
            return false;
        };
        stage = base;
        steps = &base.steps;
    }
}

/// What a step makes.
enum Effect {
    /// A directory, and those that it is in.
    Directory(String),
    /// It may make and remove anything.
    Anything,
    Nothing,
}

fn makes(step: &Step) -> Effect {
    let directory = |sources: &Sources| {
        if sources.go_to_a_directory() {
            let path = absolute(&step.working_directory, &sources.destination);
            Effect::Directory(clean(&path))
        } else {
            Effect::Nothing
        }
    };
    match &step.instruction {
        Instruction::Run(_) => Effect::Anything,
        Instruction::Workdir(path) => Effect::Directory(clean(path)),
        // A pattern that matches nothing makes nothing.
        Instruction::Copy(copy) if !has_pattern(&copy.sources) => directory(&copy.sources),
        Instruction::Add(add) if !has_pattern(&add.sources) => directory(&add.sources),
        _ => Effect::Nothing,
    }
}

fn has_pattern(sources: &Sources) -> bool {
    let mut paths = sources.paths.iter();
    paths.any(|path| path.contains(PATTERN))
}

fn is_at_or_below(path: &str, place: &str) -> bool {
    let rest = path.strip_prefix(place);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
