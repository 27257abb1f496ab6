//! What this backend does not do, refused before anything begins.

use containerfile::{Build, Instruction, Run, Security, is_remote};

use crate::job::JobNetwork;
use crate::worker::failure::{Result, unsupported};
use crate::worker::run::{mounts, network};
use crate::worker::step::of_step;

/// Refuses, before anything begins, what this backend does not do.
pub(crate) fn refuse(build: &Build, network: JobNetwork) -> Result<()> {
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

fn unknown(instruction: &Instruction) -> Option<String> {
    match instruction {
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

fn unknown_of_run(run: &Run) -> Option<String> {
    if run.security == Some(Security::Insecure) {
        return Some("--security=insecure".to_owned());
    }
    let device = run.devices.first();
    device.map(|device| format!("--device={device}"))
}
