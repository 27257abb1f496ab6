//! Patterns in sources of a context that lead through a symbolic link there. BuildKit does not look through it, and
//! others do.
//!
//! It does not know which engine is asked.

use camino::Utf8Path;
use containerfile::{Instruction, Sources, Step};

use crate::listing::{ContextFile, ContextFileKind};
use crate::refusal::Refusal;
use crate::resolve::Resolved;

/// Returns what an engine is not to be asked for that looks through links.
pub(crate) fn refusals(resolved: &Resolved) -> Vec<Refusal> {
    let stages = resolved.build.stages.iter();
    let steps = stages.flat_map(|stage| &stage.steps);
    let found = steps.filter_map(|step| {
        let paths = &sources(step)?.paths;
        let found = paths.iter().find_map(|path| {
            let link = link(path, &resolved.files)?;
            Some((path, link))
        });
        let (path, link) = found?;
        let message = format!(
            "the pattern `{path}` leads through the symbolic link {link}, where this engine would look further"
        );
        let hint = format!("name the directory that {link} leads to instead");
        let place = (
            resolved.recipe.containerfile.as_path(),
            &resolved.file,
            step.span,
        );
        Some(Refusal::at(place, message, Some(hint)))
    });
    Refusal::grouped(found)
}

/// Returns the sources of a step that are in the context.
fn sources(step: &Step) -> Option<&Sources> {
    match &step.instruction {
        Instruction::Copy(copy) if copy.from.is_none() => Some(&copy.sources),
        Instruction::Add(add) => Some(&add.sources),
        _ => None,
    }
}

/// Returns the first link that a pattern leads through.
fn link<'a>(pattern: &str, files: &'a [ContextFile]) -> Option<&'a Utf8Path> {
    let parts: Vec<_> = pattern
        .split('/')
        .filter(|part| !matches!(*part, "" | "."))
        .collect();
    let first = parts
        .iter()
        .position(|part| patterns::is_pattern(part.as_bytes()))?;
    let links = files
        .iter()
        .filter(|file| matches!(file.kind, ContextFileKind::Symlink(_)));
    let mut links = links.map(|file| file.path.as_path());
    links.find(|link| {
        let depth = link.components().count();
        // What stands before the first pattern is followed by everybody; only names are looked for there.
        let is_followed = depth <= first && first + 1 == parts.len();
        let begins = parts
            .get(..depth)
            .filter(|begins| begins.len() < parts.len());
        let is_on_the_way = begins.is_some_and(|begins| {
            let begins = begins.join("/");
            patterns::matches(begins.as_bytes(), link.as_str().as_bytes()).unwrap_or(true)
        });
        is_on_the_way && !is_followed
    })
}

#[cfg(test)]
mod tests;
