//! RUN: a process in the step's file system, which finds there what `BuildKit` would show it.

use std::ffi::CString;
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
        let mut mounts = Vec::new();
        for mount in &run.mounts {
            let target = target(mount, step)?;
            refuse_shown(fitting.tree, &target)?;
            fitting.stubs.note(fitting.tree, &target)?;
            mounts.push((target, mount));
        }
        // A mount in another one comes after it, wherever it is written.
        mounts.sort_by(|(one, _), (other, _)| one.cmp(other));
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
        for (target, mount) in mounts {
            self.fit_mount(fitting, mount, &target)?;
        }
        Ok(())
    }

    fn fit_mount(&self, fitting: &mut Fitting<'_>, mount: &Mount, target: &str) -> Result<()> {
        match mount.get("type").unwrap_or("bind") {
            "tmpfs" => fitting.temporary(target),
            "cache" => {
                let folder = self.cache(fitting, mount)?;
                let writing = match is_read_only(mount, ReadOnly::No) {
                    ReadOnly::Yes => Writing::Denied,
                    ReadOnly::No => Writing::Allowed,
                };
                fitting.bind(&folder, target, writing)
            }
            _ => {
                let source = self.origin_of(fitting, mount)?;
                match is_read_only(mount, ReadOnly::Yes) {
                    ReadOnly::Yes => {
                        let (root, place) = source;
                        fitting.bind(&path_in(&root, &place), target, Writing::Denied)
                    }
                    ReadOnly::No => {
                        let source = self.throwaway(fitting, &source)?;
                        fitting.bind(&source, target, Writing::Allowed)
                    }
                }
            }
        }
    }

    /// Returns the folder of a cache, which nobody has written to.
    fn cache(&self, fitting: &mut Fitting<'_>, mount: &Mount) -> Result<PathBuf> {
        let number = |name: &str, base| {
            let Some(text) = mount.get(name) else {
                return Ok(None);
            };
            let number = u32::from_str_radix(text, base).map(Some);
            number.map_err(|_| Failure::build(format!("`{name}={text}` of a mount is no number")))
        };
        let (mode, user, group) = (number("mode", 8)?, number("uid", 10)?, number("gid", 10)?);
        let is_plain = (mode, user, group) == (None, None, None);
        if origin(mount).is_root() && (mount.from().is_none() || !is_plain) {
            let folder = self.folders.folder()?;
            let (user, group) = (user.unwrap_or(0), group.unwrap_or(0));
            let mode = mode.unwrap_or(0o755) & 0o777;
            let place = Place::new("cache");
            Tree::open(&folder)?.make_folders(&place, mode, Owner { user, group })?;
            return Ok(folder.join("cache"));
        }
        if mount.from().is_none() {
            return Err(snapshot::Error::NotFound(origin(mount).to_string()).into());
        }
        let source = self.origin_of(fitting, mount)?;
        self.throwaway(fitting, &source)
    }

    /// Returns where what a mount shows is: a tree's path, and the place in it.
    fn origin_of(&self, fitting: &mut Fitting<'_>, mount: &Mount) -> Result<(PathBuf, Place)> {
        let (view, _) = self.source(mount.from())?;
        let tree = view.tree()?;
        let origin = origin(mount);
        let found = tree.resolve(origin.as_bytes())?;
        if tree.status(&found)?.is_none() {
            return Err(snapshot::Error::NotFound(origin.to_string()).into());
        }
        let root = view.path().to_owned();
        fitting.views.push(view);
        Ok((root, found))
    }

    /// Returns the path of a file or folder that looks like one in a tree, and takes what is written
    /// to it.
    fn throwaway(
        &self,
        fitting: &mut Fitting<'_>,
        (root, place): &(PathBuf, Place),
    ) -> Result<PathBuf> {
        let snapshot = self.folders.snapshot()?;
        let mut stack = self.stack();
        // A folder that is in what is stacked keeps its mode and its owner, and a file can be in it.
        // Its path may have anything in it.
        stack.push(self.folders.link(&path_in(root, &place.parent()))?);
        let (upper, work) = (&snapshot.upper, &snapshot.work);
        let mounted = stack.mount(upper, work, Folders::empty(), &snapshot.merged)?;
        fitting.views.push(View::Mounted(mounted));
        let name = place.name().map(std::ffi::OsStr::from_bytes);
        Ok(name.map_or(snapshot.merged.clone(), |name| snapshot.merged.join(name)))
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
    Ok(Place::new(format!("{}/{target}", step.working_directory)).to_string())
}

/// Returns the place of what is mounted, where it comes from.
fn origin(mount: &Mount) -> Place {
    let path = mount.get("source").or_else(|| mount.get("src"));
    Place::new(path.unwrap_or_default())
}

/// Whether a mount may be read only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ReadOnly {
    Yes,
    No,
}

/// Returns what the last field says that is about it.
fn is_read_only(mount: &Mount, default: ReadOnly) -> ReadOnly {
    let said = mount.fields.iter().rev().find_map(|(name, value)| {
        let is_so = !matches!(
            value.as_deref(),
            Some("0" | "f" | "F" | "false" | "FALSE" | "False")
        );
        match name.as_str() {
            "ro" | "readonly" => Some(is_so),
            "rw" | "readwrite" => Some(!is_so),
            _ => None,
        }
    });
    match said {
        Some(true) => ReadOnly::Yes,
        Some(false) => ReadOnly::No,
        None => default,
    }
}

/// Returns the path of a place in a tree that is at `root`.
fn path_in(root: &Path, place: &Place) -> PathBuf {
    if place.is_root() {
        return root.to_owned();
    }
    root.join(std::ffi::OsStr::from_bytes(place.relative()))
}

/// Refuses a mount in a folder that shows the machine. No engine can put one there.
fn refuse_shown(tree: &Tree, target: &str) -> Result<()> {
    let place = tree.resolve(target.as_bytes())?;
    let mut names = place.names();
    if matches!(names.next(), Some(b"proc" | b"sys")) && names.next().is_some() {
        let message = format!("nothing can be mounted at `{target}`: it is in /proc or /sys");
        return Err(Failure::build(message));
    }
    Ok(())
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
        path_in(self.root, place)
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
            Writing::Allowed => Access::Write,
        };
        Ok(sandbox::bind(opened, onto, access, target)?)
    }

    fn temporary(&mut self, target: &str) -> Result<()> {
        let place = self.tree.resolve(target.as_bytes())?;
        // A folder that is there lends its mode.
        let mode = self.tree.status(&place)?;
        let mode = mode.map(|status| format!("{:o}", status.st_mode & 0o7777));
        let mode = mode.and_then(|mode| CString::new(mode).ok());
        let options = mode.as_deref().map(|mode| (c"mode", mode));
        self.tree.make_folders(&place, 0o755, Owner::ROOT)?;
        sandbox::temporary(self.tree.folder(&place)?, options.as_slice(), target)?;
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
