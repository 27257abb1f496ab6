//! Opening the tree that a command works on, and planning in it.

use package_tree::{DEFAULT_PLATFORM, Plan, Problem, Problems, Tree};

use crate::context::Context;
use crate::exit::ErrorKind;
use crate::failure::{Failure, print_problem};

/// Opens the tree that the user named.
pub(super) fn open(context: &Context) -> Result<Tree, Failure> {
    Tree::open(&context.directory).map_err(|problems| failure(ErrorKind::Tree, problems))
}

/// Prints the warnings about what `targets` select.
pub(super) fn warn(context: &Context, tree: &Tree, targets: &[String]) {
    if context.verbosity.quiet {
        return;
    }
    for warning in tree.warnings(targets) {
        print_problem("warning", &warning.to_string(), warning.hint.as_deref());
    }
}

/// Plans what `targets` select, for StageX's platform.
pub(super) fn plan(context: &Context, tree: &Tree, targets: &[String]) -> Result<Plan, Failure> {
    plan_for(context, tree, targets, DEFAULT_PLATFORM)
}

/// Plans what `targets` select, for `platform` where a package does not say its own.
pub(super) fn plan_for(
    context: &Context,
    tree: &Tree,
    targets: &[String],
    platform: &str,
) -> Result<Plan, Failure> {
    let first = context.settings.profile.value.build_arguments;
    tree.plan(targets, platform, first).map_err(of_targets)
}

/// Turns what is wrong with targets, or with what they select, into a failure.
pub(super) fn of_targets(problems: Problems) -> Failure {
    failure(problems.kind(), problems)
}

fn failure(kind: ErrorKind, problems: Problems) -> Failure {
    let pair = |problem: Problem| (problem.to_string(), problem.hint);
    Failure::of(kind, problems.0.into_iter().map(pair))
}
