//! One instruction that makes a layer, carried out in a mounted file system.

use std::path::Path;

use backend_api::StepId;
use containerfile::{Instruction, Step};
use snapshot::{Place, Stack, Tree, User};

use crate::job::Failure;
use crate::worker::copy::{self, Order};
use crate::worker::failure::Result;
use crate::worker::report::shortened;
use crate::worker::run::process::{Done, Runner};
use crate::worker::run::run_mounts::make_directory;

/// Carries out a step in the file system at `root`, which shows `below` and what is in `changes`. Returns nothing if it has
/// to begin again in another.
pub(crate) fn carry_out(
    step: &Step,
    name: Option<StepId>,
    (root, changes, below): (&Path, &Path, &Stack),
    runner: &Runner,
) -> Result<Option<Done>> {
    let tree = Tree::open(root)?;
    let done = match &step.instruction {
        Instruction::Copy(from) => {
            let done = copy::carry_out(step, &Order::of_copy(from), &runner.sources, &tree);
            done.map(|()| Some(Done::default()))
        }
        Instruction::Add(from) => {
            let done = copy::carry_out(step, &Order::of_add(from), &runner.sources, &tree);
            done.map(|()| Some(Done::default()))
        }
        Instruction::Run(run) => runner.run(step, run, name, &tree, (root, changes, below)),
        Instruction::Workdir(path) => {
            make_working_directory(path, &step.user, &tree).map(|()| Some(Done::default()))
        }
        _ => Ok(Some(Done::default())),
    };
    // Whoever asked for a step that has a number knows how it was written.
    done.map_err(|failure| match name {
        Some(_) => failure,
        None => of_step(failure, step),
    })
}

/// Says in which step something failed.
pub(crate) fn of_step(mut failure: Failure, step: &Step) -> Failure {
    let first = shortened(step.source.lines().next().unwrap_or_default());
    failure.message = format!("{first}: {}", failure.message);
    failure
}

fn make_working_directory(path: &str, user: &str, tree: &Tree) -> Result<()> {
    let owner = match user {
        "" => None,
        user => Some(User::new(user).owner(tree)?),
    };
    // No link has a say in what `..` is.
    make_directory(tree, Place::new(path).as_bytes(), owner)
}
