//! RUN: a process in the step's file system, which finds there what `BuildKit` would show it.

use std::io::{ErrorKind, Read as _};
use std::path::Path;
use std::sync::Arc;

use backend_api::StepId;
use containerfile::{Run, Step};
use process::Lines;
use sandbox::{Held, Inside, Network, Process, Verdict};
use snapshot::{Identity, Place, Stack, Tree, User};

use crate::job::{Failure, FailureKind, Message};
use crate::worker::failure::Result;
use crate::worker::files::sources::Sources;
use crate::worker::recipe::Recipe;
use crate::worker::report::{Report, shortened};
use crate::worker::run::caches::Caches;
use crate::worker::run::limits::Watch;
use crate::worker::run::mounts;
use crate::worker::run::network::{self, Networks};
use crate::worker::run::run_mounts::{RunMounts, make_directory};
use crate::worker::run::seccomp_notify;
use crate::worker::run::set_ids::{SetIds, set_ids_at};
use crate::worker::run::stubs::Stubs;

/// Runs the processes of a build.
#[derive(Debug)]
pub(crate) struct Runner {
    pub(crate) recipe: Arc<Recipe>,
    pub(crate) inside: Arc<Inside>,
    pub(crate) networks: Arc<Networks>,
    pub(crate) sources: Arc<Sources>,
    pub(crate) report: Arc<Report>,
    pub(crate) set_ids: SetIds,
    pub(crate) caches: Caches,
}

/// What a step has left beside its changes.
pub(crate) struct Done {
    /// What was made for it only.
    pub(crate) stubs: Stubs,
    /// Nothing is known of the machine that might have made a difference: the result may be kept.
    pub(crate) is_certain: bool,
}

impl Default for Done {
    fn default() -> Self {
        Self {
            stubs: Stubs::default(),
            is_certain: true,
        }
    }
}

impl Runner {
    /// Runs a process. Returns nothing if it has to begin again in a file system as it was: something would
    /// have come to stand in where that could be seen. `tree` is open at `root`, and shows
    /// `below` and what is in `changes`.
    pub(crate) fn run(
        &self,
        step: &Step,
        run: &Run,
        place: Option<StepId>,
        tree: &Tree,
        (root, changes, below): (&Path, &Path, &Stack),
    ) -> Result<Option<Done>> {
        let Some(invocation) = step.invocation() else {
            return Ok(Some(Done::default()));
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
        let network = self.networks.of(run);
        let mounts = mounts::of_run(step, run)?;
        let writable = mounts.iter().filter(|mount| mount.may_change_files());
        let writable: Vec<Place> = writable.map(|mount| mount.target.clone()).collect();
        let mut held = seccomp_notify::held(self.set_ids.of(below, tree)?);
        let mut mounted = RunMounts::new(tree, &mounts, &self.sources, &self.caches)?;
        make_directory(
            tree,
            step.working_directory.as_bytes(),
            Some(identity.owner),
        )?;
        mounted.mount(mounts, network, self.inside.rights)?;
        if let Some(held) = &mut held {
            held.changes = Some(Arc::new(Tree::open(changes)?.into_root()));
            for target in writable {
                held.set_ids.extend(set_ids_at(tree, &target)?);
            }
        }
        make_way(tree, &step.working_directory)?;
        let environment = environment(step, &identity, tree)?;
        let is_certain = self.run_process(
            step,
            (invocation.words, environment),
            identity,
            network,
            place,
            (root, held),
        );
        let is_certain = is_certain.map_err(|failure| {
            if failure.kind == FailureKind::Build && self.networks.are_missing_for(run) {
                let message = format!("{} (it had no network)", failure.message);
                return Failure::build(message).with_hint(network::HINT);
            }
            failure
        })?;
        let stubs = mounted.end();
        let Some(is_certain) = is_certain else {
            snapshot::expect_stand_ins();
            return Ok(None);
        };
        Ok(Some(Done { stubs, is_certain }))
    }

    /// Returns whether nothing is known that might have made a difference; nothing if it has to begin again.
    fn run_process(
        &self,
        step: &Step,
        (words, environment): (Vec<String>, Vec<(String, String)>),
        identity: Identity,
        network: Network,
        place: Option<StepId>,
        (root, held): (&Path, Option<Held>),
    ) -> Result<Option<bool>> {
        let directories = &self.sources.stacks.directories;
        let (mut output, end) = Process::pipe()?;
        let shown = shortened(&words.join(" "));
        let mut watch = Watch::begin(directories, &self.inside);
        let running = Process {
            words,
            environment,
            root: directories.absolute(root),
            directory: step.working_directory.clone().into_bytes(),
            user: identity.owner.user,
            group: identity.owner.group,
            groups: identity.groups,
            host_name: self.recipe.job.host_name.clone(),
            network,
            open_files: self.recipe.job.open_files,
            output: end,
            rights: self.inside.rights,
            bounds: self.inside.bounds.clone(),
            held,
        }
        .start()?;
        let mut said = |line: &str| self.report.line(place, line);
        let (mut lines, mut bytes) = (Lines::default(), [0; 1 << 13]);
        loop {
            watch.wait_for(&output);
            match output.read(&mut bytes) {
                Ok(count @ 1..) => lines.push(&bytes[..count], &mut said),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Ok(0) | Err(_) => break,
            }
        }
        lines.finish(&mut said);
        let ended = running.wait();
        let limit = watch.end();
        let (ended, verdict) = match (ended, limit) {
            (Ok(ended), _) => ended,
            (Err(error), Some(limit)) => {
                return Err(limit.explain(&error.to_string(), &self.recipe.job.work));
            }
            (Err(error), None) => return Err(error.into()),
        };
        match verdict {
            Verdict::Right => {}
            Verdict::Again => return Ok(None),
            Verdict::ModeLost(path) => {
                let path = within(&path, &directories.absolute(root));
                let message = format!(
                    "`{shown}`: it writes to `{path}`, which has the set-user-ID or set-group-ID bit: the kernel \
                     takes the bit away when an ordinary user's build writes, and leaves it when root's does"
                );
                let hint = "set the mode after the last write, in the same RUN and before the file is read; or build as \
                            root, or use --runtime docker";
                return Err(Failure::unsupported(message).with_hint(hint));
            }
            Verdict::Refused(why) => {
                let message = format!("`{shown}`: {why}, which an ordinary user's build cannot do");
                let hint = "build as root, set more users aside (usermod --add-subuids, --add-subgids), or \
                            use --runtime docker, podman or buildah";
                return Err(Failure::unsupported(message).with_hint(hint));
            }
        }
        let code = ended.code();
        let what = format!("`{shown}` exited with {code}");
        match (code, limit) {
            (0, None) => Ok(Some(true)),
            (0, Some(limit)) if !limit.is_certain() => {
                let message = format!("{what}: {limit}, so this is not kept for later builds");
                self.report.say(Message::Notice { message });
                Ok(Some(false))
            }
            (_, Some(limit)) => Err(limit.explain(&what, &self.recipe.job.work)),
            (_, None) => Err(Failure::build(what)),
        }
    }
}

/// Returns the path of a file as a process sees it whose root is at `root`, whoever opened the file.
fn within(path: &str, root: &Path) -> String {
    match Path::new(path).strip_prefix(root) {
        Ok(inner) => format!("/{}", inner.display()),
        Err(_) => path.to_owned(),
    }
}

/// Makes every directory that a path leads through, as runc does: it may be in a mount, where there need be
/// none, and what is before a `..` need not be there either.
fn make_way(tree: &Tree, path: &str) -> Result<()> {
    let slashes = path.match_indices('/').map(|(slash, _)| slash);
    for end in slashes.chain([path.len()]) {
        make_directory(tree, &path.as_bytes()[..end], None)?;
    }
    Ok(())
}

/// Returns the variables of a process: with a home directory, if it is not given any. That is found where the
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
