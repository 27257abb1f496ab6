//! Lowering: a build, written again as a Containerfile that an engine with fewer features understands.
//!
//! It knows features by name, and no engine.

mod literal;
mod mounts;
mod options;
mod run;
mod stage;
mod text;

pub use options::{
    CopiedSource, Dialect, LowerOptions, Lowered, LoweredStep, Notice, SideDirectory, SideFile,
};

use crate::build::Build;
use crate::containerfile::Containerfile;
use crate::error::{Error, Fault};
use crate::instruction::{Argument, Instruction};

/// Writes `build`, which was resolved from `file`, for a dialect.
///
/// The text holds the stages that the target needs, and the target is the last of them. It resolves to the same steps
/// as the original, save that a heredoc is copied from the side context or is an argument of an exec form, that a
/// `COPY` stands before a `WORKDIR` where the dialect has no layers for it and somebody needs one, that inherited arguments are declared again,
/// that triggers of stages are written out, and that sources of mounts are copied into stages of their own where an
/// engine cannot be told them. Build arguments and the platform are to be those of the original.
///
/// # Errors
///
/// A step that the dialect cannot express, with its place in the original.
pub fn lower(
    file: &Containerfile,
    build: &Build,
    options: &LowerOptions,
) -> Result<Lowered, Error> {
    lower_all(file, build, options).map_err(|fault| Error::new(&file.source, fault))
}

fn lower_all(
    file: &Containerfile,
    build: &Build,
    options: &LowerOptions,
) -> Result<Lowered, Fault> {
    let mut lowered = Lowered::default();
    for directive in &file.directives {
        if directive.name == "syntax" {
            // It would have the engine fetch another frontend, and so depend on more than this file.
            lowered
                .notices
                .push(Notice::SyntaxIgnored(directive.value.clone()));
        } else {
            for part in ["# ", &directive.name, "=", &directive.value, "\n"] {
                lowered.text.push_str(part);
            }
        }
    }
    for arguments in &file.arguments {
        let written = arguments.span.of(&file.source);
        let text = literal::has_rare_form(written)
            .then(|| {
                let values = with_values(&arguments.value, build);
                literal::written_out(&Instruction::Arg(values), file.escape)
            })
            .flatten();
        lowered.text.push_str(text.as_deref().unwrap_or(written));
        lowered.text.push('\n');
    }
    for stage in &build.stages {
        stage::Writer {
            file,
            build,
            options,
            stage,
            lowered: &mut lowered,
            before: String::new(),
        }
        .write()?;
    }
    Ok(lowered)
}

fn with_values(arguments: &[Argument], build: &Build) -> Vec<Argument> {
    arguments
        .iter()
        .map(|argument| Argument {
            name: argument.name.clone(),
            value: build
                .global_arguments
                .iter()
                .find(|(name, _)| *name == argument.name)
                .map(|(_, value)| value.clone()),
        })
        .collect()
}
