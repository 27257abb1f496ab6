//! RUN: a process in the step's file system, which finds there what `BuildKit` would show it.

use std::io::{ErrorKind, Read as _};
use std::path::Path;

use backend_api::StepId;
use containerfile::{NetworkMode, Run, Step};
use process::Lines;
use sandbox::{Exceeded, Met, Network, Process, Verdict};
use snapshot::{Identity, Owner, Tree, User};

use super::builder::Builder;
use super::failure::Result;
use super::fitting::{Fitting, make_folder};
use super::mounts;
use super::report::shortened;
use super::stubs::Stubs;
use super::trial::mebibytes;
use crate::job::{Failure, FailureKind};

/// What the machine is called.
const HOST_NAME: &str = "buildkitsandbox";

/// What has come of a step.
pub(super) enum Outcome {
    /// It is done. These were made for it only.
    Done(Stubs),
    /// It has to begin again in a file system as it was: something would have come to stand in where that
    /// could be seen.
    Again,
}

impl Builder {
    pub(super) fn run(
        &self,
        step: &Step,
        run: &Run,
        place: Option<StepId>,
        tree: &Tree,
        root: &Path,
    ) -> Result<Outcome> {
        let Some(invocation) = step.invocation() else {
            return Ok(Outcome::Done(Stubs::default()));
        };
        let identity = User::new(&step.user).identity(tree)?;
        let identity = identity.ok_or_else(|| {
            let message = format!(
                "the user `{}` is not in /etc/passwd and /etc/group",
                step.user
            );
            let hint = "both must be there, unless user and group are numbers: `USER 1000:1000`";
            Failure::build(message).with_hint(hint)
        })?;
        let network = match run.network {
            Some(NetworkMode::None) => Network::None,
            _ if self.job.offline => Network::None,
            _ => Network::Builder,
        };
        let mounts = mounts::of_run(step, run)?;
        let mut fitting = Fitting::new(tree, &mounts)?;
        make_folder(tree, step.working_directory.as_bytes(), identity.owner)?;
        self.fit(&mut fitting, mounts, network)?;
        make_way(tree, &step.working_directory)?;
        let environment = environment(step, &identity, tree)?;
        let verdict = self.run_process(
            step,
            (invocation.words, environment),
            identity,
            network,
            place,
            root,
        )?;
        let stubs = fitting.end();
        if verdict == Verdict::Again {
            snapshot::expect_stand_ins();
            return Ok(Outcome::Again);
        }
        Ok(Outcome::Done(stubs))
    }

    fn run_process(
        &self,
        step: &Step,
        (words, environment): (Vec<String>, Vec<(String, String)>),
        identity: Identity,
        network: Network,
        place: Option<StepId>,
        root: &Path,
    ) -> Result<Verdict> {
        let (mut output, end) = Process::pipe()?;
        let shown = shortened(&words.join(" "));
        let before = self.inside.bounds.met();
        let running = Process {
            words,
            environment,
            root: self.folders.absolute(root),
            folder: step.working_directory.clone().into_bytes(),
            user: identity.owner.user,
            group: identity.owner.group,
            groups: identity.groups,
            host_name: HOST_NAME.to_owned(),
            network,
            open_files: self.job.open_files,
            output: end,
            rights: self.inside.rights,
            bounds: self.inside.bounds.clone(),
            held: super::deputy::held(),
        }
        .start()?;
        let mut said = |line: &str| self.report.line(place, line);
        let (mut lines, mut bytes) = (Lines::default(), [0; 1 << 13]);
        loop {
            match output.read(&mut bytes) {
                Ok(count @ 1..) => lines.push(&bytes[..count], &mut said),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Ok(0) | Err(_) => break,
            }
        }
        lines.finish(&mut said);
        let (ended, verdict) = running.wait()?;
        if let Verdict::Refused(why) = &verdict {
            let message = format!("`{shown}`: {why}, which an ordinary user's build cannot do");
            let hint = "build as root, set more users aside (usermod --add-subuids, --add-subgids), or use \
                        --runtime docker, podman or buildah";
            return Err(Failure::unsupported(message).with_hint(hint));
        }
        match ended.code() {
            _ if verdict == Verdict::Again => Ok(verdict),
            0 => Ok(verdict),
            code => {
                let message = format!("`{shown}` exited with {code}");
                Err(self.explain(Failure::build(message), before))
            }
        }
    }
}

impl Builder {
    /// Says what a process may have failed for, if it is that it had too much of something.
    fn explain(&self, mut failure: Failure, before: Met) -> Failure {
        if self.folders.disk_is_full(self.inside.rights) {
            let message = format!("{}: the disk is full", failure.message);
            let hint = format!("make room where `{}` is", self.job.work);
            return Failure::new(FailureKind::Storage, message).with_hint(hint);
        }
        match self.inside.bounds.exceeded(before) {
            Some(Exceeded::Processes(most)) => {
                let more = format!(": a build may have {most} processes, and had them");
                failure.message.push_str(&more);
            }
            Some(Exceeded::Memory(most)) => {
                let more = format!(
                    ": a build may have {} of memory, and a process was ended for more",
                    mebibytes(most)
                );
                failure.message.push_str(&more);
            }
            None => {}
        }
        failure
    }
}

/// Makes every folder that a path leads through, as runc does: it may be in a mount, where there need be
/// none, and what is before a `..` need not be there either.
fn make_way(tree: &Tree, path: &str) -> Result<()> {
    let slashes = path.match_indices('/').map(|(slash, _)| slash);
    for end in slashes.chain([path.len()]) {
        make_folder(tree, &path.as_bytes()[..end], Owner::ROOT)?;
    }
    Ok(())
}

/// Returns the variables of a process: with a home folder, if it is not given any. That is found where the
/// process finds it, which sees what is mounted.
fn environment(step: &Step, identity: &Identity, tree: &Tree) -> Result<Vec<(String, String)>> {
    let mut environment = step.environment.clone();
    if environment
        .iter()
        .any(|(name, value)| name == "HOME" && !value.is_empty())
    {
        return Ok(environment);
    }
    environment.retain(|(name, _)| name != "HOME");
    let home = identity.home(tree)?.unwrap_or_else(|| "/".to_owned());
    environment.push(("HOME".to_owned(), home));
    Ok(environment)
}
