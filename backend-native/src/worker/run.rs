//! RUN: a process in the step's file system, which finds there what `BuildKit` would show it.

use std::io::{ErrorKind, Read as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use backend_api::StepId;
use containerfile::{Mount, NetworkMode, Run, Step};
use process::Lines;
use rustix::fs::{CWD, Mode, OFlags};
use sandbox::{Access, Exceeded, Met, Network, Process};
use snapshot::{Identity, Owner, Place, Tree, User};

use super::builder::Builder;
use super::failure::Result;
use super::floor::View;
use super::folders::Folders;
use super::report::shortened;
use super::stubs::Stubs;
use super::trial::mebibytes;
use crate::job::{Failure, FailureKind};

/// What the machine is called.
const HOST_NAME: &str = "buildkitsandbox";

/// What a process finds in `/etc/hosts`.
const HOSTS: &str = "127.0.0.1\tlocalhost buildkitsandbox\n\
                     ::1\tlocalhost ip6-localhost ip6-loopback\n";

/// Files that are mounted for the time of a RUN.
const RESOLVER: &str = "/etc/resolv.conf";
const NAMES: &str = "/etc/hosts";

impl Builder {
    pub(super) fn run(
        &self,
        step: &Step,
        run: &Run,
        place: Option<StepId>,
        tree: &Tree,
        root: &Path,
    ) -> Result<Stubs> {
        let Some(invocation) = step.invocation() else {
            return Ok(Stubs::default());
        };
        let identity = User::new(&step.user).identity(tree)?;
        let identity = identity.ok_or_else(|| {
            let message = format!("there is no user `{}` in /etc/passwd", step.user);
            Failure::build(message)
        })?;
        let network = match run.network {
            Some(NetworkMode::None) => Network::None,
            _ if self.job.offline => Network::None,
            _ => Network::Builder,
        };
        let mut fitting = Fitting {
            tree,
            root,
            views: Vec::new(),
            stubs: Stubs::default(),
        };
        self.fit(&mut fitting, step, run, network)?;
        if let Some(script) = &invocation.script {
            fitting.write_script(&script.name, &script.contents)?;
        }
        make_folder(tree, &step.working_directory, identity.owner)?;
        self.run_process(step, invocation.words, identity, network, place, root)?;
        Ok(fitting.stubs)
    }

    /// Mounts what the process finds.
    fn fit(
        &self,
        fitting: &mut Fitting<'_>,
        step: &Step,
        run: &Run,
        network: Network,
    ) -> Result<()> {
        for path in [RESOLVER, NAMES] {
            fitting.stubs.note(fitting.tree, path)?;
        }
        for mount in &run.mounts {
            fitting.stubs.note(fitting.tree, &target(mount, step)?)?;
        }
        for path in ["/proc", "/sys", "/dev"] {
            refuse_link(fitting.tree, path)?;
            make_folder(fitting.tree, path, Owner::ROOT)?;
        }
        let device = fitting.tree.resolve(b"/dev")?;
        sandbox::devices(fitting.tree.folder(&device)?, self.inside.rights)?;
        let resolver = match network {
            Network::None => Vec::new(),
            Network::Builder => std::fs::read(RESOLVER).unwrap_or_default(),
        };
        for (path, contents) in [(NAMES, HOSTS.as_bytes()), (RESOLVER, &resolver)] {
            let file = self.folders.unused();
            let written = std::fs::write(&file, contents);
            written.map_err(|error| Failure::io("write", file.display(), &error))?;
            fitting.bind(&file, path, Writing::Denied)?;
        }
        for mount in &run.mounts {
            self.fit_mount(fitting, mount, step)?;
        }
        Ok(())
    }

    fn fit_mount(&self, fitting: &mut Fitting<'_>, mount: &Mount, step: &Step) -> Result<()> {
        let target = target(mount, step)?;
        let is_set = |names: &[&str]| {
            let mut fields = mount.fields.iter().rev();
            let found = fields.find(|(name, _)| names.contains(&name.as_str()));
            found.is_some_and(|(_, value)| !matches!(value.as_deref(), Some("false" | "0")))
        };
        match mount.get("type").unwrap_or("bind") {
            "tmpfs" => fitting.temporary(&target),
            "cache" => {
                let folder = self.folders.folder()?;
                fitting.bind(&folder, &target, Writing::Allowed)
            }
            _ => {
                let (view, _) = self.source(mount.from())?;
                let tree = view.tree()?;
                let path = mount
                    .get("source")
                    .or_else(|| mount.get("src"))
                    .unwrap_or("/");
                let found = tree.resolve(path.as_bytes())?;
                if tree.status(&found)?.is_none() {
                    return Err(snapshot::Error::NotFound(path.to_owned()).into());
                }
                let (mut source, writing) = if is_set(&["rw", "readwrite"]) {
                    (self.throwaway(fitting, view.path())?, Writing::Forgotten)
                } else {
                    (view.path().to_owned(), Writing::Denied)
                };
                if !found.is_root() {
                    source.push(std::ffi::OsStr::from_bytes(found.relative()));
                }
                fitting.bind(&source, &target, writing)?;
                fitting.views.push(view);
                Ok(())
            }
        }
    }

    /// Returns a folder that looks like another one, and takes what is written to it.
    fn throwaway(&self, fitting: &mut Fitting<'_>, source: &Path) -> Result<PathBuf> {
        let snapshot = self.folders.snapshot()?;
        let mut stack = self.stack();
        // Its own path may have anything in it.
        stack.push(self.folders.link(source)?);
        let (upper, work) = (&snapshot.upper, &snapshot.work);
        let mounted = stack.mount(upper, work, Folders::empty(), &snapshot.merged)?;
        fitting.views.push(View::Mounted(mounted));
        Ok(snapshot.merged)
    }

    fn run_process(
        &self,
        step: &Step,
        words: Vec<String>,
        identity: Identity,
        network: Network,
        place: Option<StepId>,
        root: &Path,
    ) -> Result<()> {
        let mut environment = step.environment.clone();
        if !environment.iter().any(|(name, _)| name == "HOME") {
            let home = identity.home.filter(|home| !home.is_empty());
            let home = home.unwrap_or_else(|| "/".to_owned());
            environment.push(("HOME".to_owned(), home));
        }
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
            deputy: super::deputy::deputy(),
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
        match running.wait()?.code() {
            0 => Ok(()),
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

/// Returns where a mount goes.
fn target(mount: &Mount, step: &Step) -> Result<String> {
    let names = ["target", "dst", "destination"];
    let Some(target) = names.into_iter().find_map(|name| mount.get(name)) else {
        return Err(Failure::build("a mount has no target"));
    };
    if target.starts_with('/') {
        return Ok(target.to_owned());
    }
    Ok(format!("{}/{target}", step.working_directory))
}

/// Refuses a link where something is mounted that shows the machine: it could come to lie where what is
/// not to be seen of it is not hidden. Engines refuse it as well.
fn refuse_link(tree: &Tree, path: &str) -> Result<()> {
    if tree.resolve(path.as_bytes())? == Place::new(path) {
        return Ok(());
    }
    let message = format!("`{path}` is a symbolic link: no process can be run there");
    Err(Failure::build(message))
}

fn make_folder(tree: &Tree, path: &str, owner: Owner) -> Result<()> {
    let place = tree.resolve(path.as_bytes())?;
    tree.make_folders(&place, 0o755, owner)?;
    Ok(())
}

/// What becomes of what a process writes to a mount.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Writing {
    Denied,
    Allowed,
    /// It is taken, and gone afterwards.
    Forgotten,
}

/// What is mounted for a process, in the file system that is its root.
struct Fitting<'a> {
    tree: &'a Tree,
    root: &'a Path,
    /// What is mounted from.
    views: Vec<View>,
    /// What was not there before.
    stubs: Stubs,
}

impl Fitting<'_> {
    /// Returns the path of a place to this process. No process is there yet that could change what it
    /// leads to.
    fn path(&self, place: &Place) -> PathBuf {
        self.root
            .join(std::ffi::OsStr::from_bytes(place.relative()))
    }

    fn bind(&mut self, source: &Path, target: &str, writing: Writing) -> Result<()> {
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        let opened = rustix::fs::openat(CWD, source, flags, Mode::empty());
        let opened =
            opened.map_err(|error| Failure::io("open", source.display(), &error.into()))?;
        let place = self.tree.resolve(target.as_bytes())?;
        if source.is_dir() {
            self.tree.make_folders(&place, 0o755, Owner::ROOT)?;
        } else if self.tree.status(&place)?.is_none() {
            self.tree
                .make_folders(&place.parent(), 0o755, Owner::ROOT)?;
            let flags = OFlags::CREATE | OFlags::WRONLY;
            self.tree
                .open_at(&place, flags, Mode::from_raw_mode(0o755))?;
        }
        let flags = OFlags::PATH | OFlags::NOFOLLOW;
        let onto = self.tree.open_at(&place, flags, Mode::empty())?;
        let access = match writing {
            Writing::Denied => Access::Read,
            Writing::Allowed | Writing::Forgotten => Access::Write,
        };
        Ok(sandbox::bind(opened, onto, access, target)?)
    }

    fn temporary(&mut self, target: &str) -> Result<()> {
        let place = self.tree.resolve(target.as_bytes())?;
        self.tree.make_folders(&place, 0o755, Owner::ROOT)?;
        sandbox::temporary(self.tree.folder(&place)?, &[], target)?;
        Ok(())
    }

    /// Writes a script where the process finds it, below `/dev`, which is its own.
    fn write_script(&self, name: &str, contents: &str) -> Result<()> {
        let device = self.tree.resolve(b"/dev")?;
        let folder = self.path(&device).join("pipes");
        let path = folder.join(name);
        let written = std::fs::create_dir(&folder)
            .and_then(|()| std::fs::write(&path, contents))
            .and_then(|()| {
                use std::os::unix::fs::PermissionsExt as _;
                std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755))
            });
        written.map_err(|error| Failure::io("write", path.display(), &error))
    }
}
