//! One instruction that makes a layer, carried out in a mounted file system.

use std::path::Path;

use backend_api::StepId;
use containerfile::{Build, Instruction, Run, Security, Step};
use snapshot::{BadMode, Owner, Permissions, Place, Stack, Tree, User};

use super::add::Order;
use super::builder::Builder;
use super::failure::Result;
use super::fitting::make_folder;
use super::mounts;
use super::network;
use super::report::shortened;
use super::stubs::Stubs;
use crate::job::{Failure, JobNetwork};

/// Refuses, before anything begins, what this backend does not do.
pub(super) fn refuse_what_is_unknown(build: &Build, network: JobNetwork) -> Result<()> {
    let steps = build.stages.iter().flat_map(|stage| &stage.steps);
    for step in steps {
        if let Some(what) = unknown(&step.instruction) {
            return Err(unsupported(step.instruction.keyword(), &what));
        }
        if let Instruction::Run(run) = &step.instruction {
            network::refuse_the_machines(run, network)?;
            mounts::of_run(step, run).map_err(|failure| of_step(failure, step))?;
        }
    }
    Ok(())
}

/// Refuses what an instruction says.
pub(super) fn unsupported(keyword: &str, what: &str) -> Failure {
    let message = format!("{keyword} {what} is not supported without an engine");
    let hint = "write it in another way, or use --runtime docker, podman or buildah";
    Failure::unsupported(message).with_hint(hint)
}

/// Says in which step something failed.
fn of_step(mut failure: Failure, step: &Step) -> Failure {
    let first = shortened(step.source.lines().next().unwrap_or_default());
    failure.message = format!("{first}: {}", failure.message);
    failure
}

fn unknown(instruction: &Instruction) -> Option<String> {
    match instruction {
        Instruction::Copy(copy) if copy.link => Some("--link".to_owned()),
        Instruction::Add(add) if add.link => Some("--link".to_owned()),
        Instruction::Add(add) => add
            .sources
            .paths
            .iter()
            .find(|path| is_remote(path))
            .map(|path| format!("of `{path}`, which is on the network,")),
        Instruction::Run(run) => unknown_of_run(run),
        _ => None,
    }
}

fn is_remote(path: &str) -> bool {
    ["http://", "https://", "git://", "git@", "ssh://"]
        .iter()
        .any(|start| path.starts_with(start))
}

fn unknown_of_run(run: &Run) -> Option<String> {
    if run.security == Some(Security::Insecure) {
        return Some("--security=insecure".to_owned());
    }
    let device = run.devices.first();
    device.map(|device| format!("--device={device}"))
}

/// Reads `--chmod`.
pub(super) fn mode_of(text: &str) -> Result<Permissions> {
    text.parse()
        .map_err(|error: BadMode| Failure::build(error.to_string()))
}

/// What a step has left beside its changes.
pub(super) struct Done {
    /// What was made for it only.
    pub(super) stubs: Stubs,
    /// Nothing is known of the machine that might have made a difference: the result may be kept.
    pub(super) is_certain: bool,
}

impl Default for Done {
    fn default() -> Self {
        Self {
            stubs: Stubs::default(),
            is_certain: true,
        }
    }
}

impl Builder {
    /// Carries out a step in the file system at `root`, which shows `below`. Returns nothing if it has to begin again in another.
    pub(super) fn carry_out(
        &self,
        step: &Step,
        place: Option<StepId>,
        (root, below): (&Path, &Stack),
    ) -> Result<Option<Done>> {
        let tree = Tree::open(root)?;
        let done = match &step.instruction {
            Instruction::Copy(copy) => {
                let done = self.bring(step, &Order::of_copy(copy), &tree);
                done.map(|()| Some(Done::default()))
            }
            Instruction::Add(add) => {
                let done = self.bring(step, &Order::of_add(add), &tree);
                done.map(|()| Some(Done::default()))
            }
            Instruction::Run(run) => {
                let held = self.set_ids(below, &tree).map(super::deputy::held);
                held.and_then(|held| self.run(step, run, place, &tree, (root, held)))
            }
            Instruction::Workdir(path) => {
                make_working_folder(path, &step.user, &tree).map(|()| Some(Done::default()))
            }
            _ => Ok(Some(Done::default())),
        };
        // Whoever asked for a step that has a number knows how it was written.
        done.map_err(|failure| match place {
            Some(_) => failure,
            None => of_step(failure, step),
        })
    }
}

fn make_working_folder(path: &str, user: &str, tree: &Tree) -> Result<()> {
    let owner = if user.is_empty() {
        Owner::ROOT
    } else {
        User::new(user).owner(tree)?
    };
    // No link has a say in what `..` is.
    make_folder(tree, Place::new(path).as_bytes(), owner)
}
