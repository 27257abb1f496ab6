//! Lowering: a build, written again as a Containerfile that an engine with fewer features understands.
//!
//! It knows features by name, and no engine.

mod environment;
mod literal;
mod made;
mod mount_fields;
mod mounts;
mod options;
mod refused;
mod run;
mod stage;
mod text;

pub use options::{
    CopiedSource, Dialect, LowerOptions, Lowered, LoweredStep, Notice, SideDirectory, SideFile,
};

use std::collections::BTreeMap;

use environment::Environment;

use crate::build::Build;
use crate::containerfile::Containerfile;
use crate::error::Error;

/// Writes `build`, which was resolved from `file`, for a dialect.
///
/// Nothing is left in the text for an engine to evaluate: no variable, no directive, and no shell form of a `RUN` but one
/// with heredocs. It holds the stages that the target needs, and the target is the last of them. It resolves to the same
/// steps as the original, but for this: a `RUN` has its environment from what stands right before it; a heredoc is copied
/// from the side context, or is an argument of an exec form; a `COPY` stands before a `WORKDIR` where the dialect has no
/// layers for it and somebody needs one; triggers are written out; sources of mounts are copied into stages of their own
/// where an engine cannot be told them. Build arguments and the platform are to be those of the original.
///
/// # Errors
///
/// Each step that the dialect cannot express, with its place in the original; at least one.
pub fn lower(
    file: &Containerfile,
    build: &Build,
    options: &LowerOptions,
) -> Result<Lowered, Vec<Error>> {
    let mut lowered = Lowered::default();
    // No other directive is handed on: what is written here needs none.
    for directive in file.directives.iter().filter(|one| one.name == "syntax") {
        // It would have the engine fetch another frontend, and so depend on more than this file.
        let notice = Notice::SyntaxIgnored(directive.value.clone());
        lowered.notices.push(notice);
    }
    let mut faults = Vec::new();
    let mut environments = BTreeMap::new();
    for stage in &build.stages {
        let environment = stage::Writer {
            file,
            build,
            options,
            stage,
            lowered: &mut lowered,
            faults: &mut faults,
            before: String::new(),
            environment: Environment::of(build, stage, &environments),
        }
        .write();
        environments.insert(stage.id, environment);
    }
    if faults.is_empty() {
        Ok(lowered)
    } else {
        let error = |fault| Error::new(&file.source, fault);
        Err(faults.into_iter().map(error).collect())
    }
}
