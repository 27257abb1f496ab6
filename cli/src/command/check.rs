//! `stagex check`: warns of what lets a build notice which engine runs it.

use std::collections::BTreeSet;

use camino::Utf8PathBuf;
use check::Warning;
use documents::Version;
use package_tree::Tree;

use crate::arguments;
use crate::context::Context;
use crate::exit::{ErrorKind, Exit};
use crate::failure::{Failure, print_problem};
use crate::options::Format;
use crate::render;

pub(super) fn run(context: &Context, arguments: &arguments::Check) -> Result<Exit, Failure> {
    let tree = super::tree::open(context)?;
    of_tree(context, &tree, &arguments.targets, arguments.deny_warnings)
}

/// Checks what `targets` select of a tree, and what they need.
pub(super) fn of_tree(
    context: &Context,
    tree: &Tree,
    targets: &[String],
    deny_warnings: bool,
) -> Result<Exit, Failure> {
    super::tree::warn(context, tree, targets);
    let plan = super::tree::plan(context, tree, targets)?;
    let files: BTreeSet<_> = plan
        .packages
        .iter()
        .map(|package| package.containerfile())
        .collect();
    let trees = [context.directory.clone()];
    of_files(context, &trees, &files, deny_warnings, render::result)
}

/// Checks Containerfiles, each of whose paths is relative to the directory that is worked on, through no link in
/// one of `trees`. What came of it is given to `result` where it is for people.
pub(super) fn of_files<'a>(
    context: &Context,
    trees: &[Utf8PathBuf],
    files: impl IntoIterator<Item = &'a Utf8PathBuf>,
    deny_warnings: bool,
    result: fn(&str),
) -> Result<Exit, Failure> {
    let files: Vec<_> = files.into_iter().collect();
    let found = check::check_files(trees, &context.directory, files.iter().copied())?;
    match context.format {
        Format::Json => {
            let warning = |(file, warning): &(&Utf8PathBuf, Warning)| documents::Warning {
                file: file.to_string(),
                line: warning.line,
                column: warning.column,
                rule: warning.rule.name().to_owned(),
                found: warning.found.clone(),
                message: warning.rule.message().to_owned(),
                hint: warning.rule.hint().to_owned(),
            };
            render::json(&documents::Check {
                version: Version,
                files: files.len(),
                warnings: found.iter().map(warning).collect(),
            });
        }
        Format::Human => {
            for (file, warning) in &found {
                let message = format!(
                    "{file}:{}:{}: `{}`: {} [{}]",
                    warning.line,
                    warning.column,
                    warning.found,
                    warning.rule.message(),
                    warning.rule,
                );
                print_problem("warning", &message, Some(warning.rule.hint()));
            }
            result(&format!(
                "{} checked, {}",
                render::count(files.len(), "Containerfile"),
                render::count(found.len(), "warning")
            ));
        }
    }
    let denied = deny_warnings && !found.is_empty();
    Ok(if denied {
        ErrorKind::Tree.into()
    } else {
        Exit::Success
    })
}
