//! Control groups: how many processes a build may have, and how much memory.
//!
//! A builder makes one for all the processes that it starts, beside or below the group that it is in
//! itself: of the second version where that limits anything here, otherwise one of the first version
//! for each limit. Where none can be made there is none, and [`Bounds`] says so.
//!
//! It is removed by the process that made it. One that was killed could not: whoever holds a group
//! has its directory locked, so the next builder can tell, and removes what nobody holds.

use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::FlockOperation;

/// What the name of every group begins with.
const PREFIX: &str = "stagex-";
/// How many processes there are at most, whatever the machine could take.
const PROCESSES: u64 = 32_768;
/// How much memory is left to the machine at least, of what it has.
const RESERVE: u64 = 512 << 20;

/// A limit of a group, and the files that it is known by.
#[derive(Debug, Clone, Copy)]
struct Limit {
    controller: &'static str,
    /// Of the second version, and of the first.
    files: [&'static str; 2],
    /// What the machine has.
    all: fn() -> Option<u64>,
    /// How much of that a build may have.
    share: fn(u64) -> u64,
}

const LIMITS: [Limit; 2] = [
    Limit {
        controller: "pids",
        files: ["pids.max", "pids.max"],
        all: processes,
        share: share_of_processes,
    },
    Limit {
        controller: "memory",
        files: ["memory.max", "memory.limit_in_bytes"],
        all: memory,
        share: share_of_memory,
    },
];

/// Returns how many processes the machine can take.
fn processes() -> Option<u64> {
    let numbers = ["/proc/sys/kernel/pid_max", "/proc/sys/kernel/threads-max"].map(number);
    numbers.into_iter().flatten().min()
}

/// Half of them, so that it stays usable.
fn share_of_processes(all: u64) -> u64 {
    (all / 2).min(PROCESSES)
}

/// Returns how many processes a build may have on this machine.
pub(crate) fn most_processes() -> Option<u64> {
    processes().map(share_of_processes)
}

/// Returns how much memory the machine has.
fn memory() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1 << 10)
}

/// All of it less a sixteenth or half a GiB, and never less than a half.
fn share_of_memory(all: u64) -> u64 {
    all - (all / 16).max(RESERVE).min(all / 2)
}

fn number(path: impl AsRef<Path>) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// The control groups of a builder.
#[derive(Debug, Default)]
pub(crate) struct Group(Vec<Held>);

/// The directory of a group, locked.
#[derive(Debug)]
struct Held {
    path: PathBuf,
    _lock: File,
}

impl Group {
    /// Makes what can be made, and removes what others have left there.
    pub(crate) fn make() -> Self {
        let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let mut held: Vec<Held> = Vec::new();
        let unified = hierarchy(&mounts, &own, "");
        let mut missing = LIMITS.to_vec();
        if let Some((top, own)) = &unified {
            for parent in own.ancestors().take_while(|parent| parent.starts_with(top)) {
                let Some(group) = make_below(parent) else {
                    continue;
                };
                // The group that the builder is in is its own to steer, and no other.
                if parent == own && !LIMITS.iter().any(|limit| limit.is_known(&group, 0)) {
                    for limit in LIMITS {
                        let controller = format!("+{}", limit.controller);
                        let _ = fs::write(parent.join("cgroup.subtree_control"), controller);
                    }
                }
                missing.retain(|limit| !limit.set(&group, 0));
                if missing.len() < LIMITS.len() {
                    held.push(group);
                    break;
                }
                remove(&group.path);
            }
        }
        for limit in missing {
            let Some((_, own)) = hierarchy(&mounts, &own, limit.controller) else {
                continue;
            };
            if let Some(group) = make_below(&own) {
                if limit.set(&group, 1) {
                    held.push(group);
                } else {
                    remove(&group.path);
                }
            }
        }
        Self(held)
    }

    /// Returns the directories of the groups.
    pub(crate) fn directories(&self) -> impl Iterator<Item = &Path> {
        self.0.iter().map(|held| held.path.as_path())
    }

    /// Removes them, when all processes have ended.
    pub(crate) fn remove(self) {
        for held in self.0 {
            remove(&held.path);
        }
    }
}

impl Limit {
    fn is_known(self, group: &Held, version: usize) -> bool {
        group.path.join(self.files[version]).exists()
    }

    /// Sets the limit: a share of what the groups that this one is in may have. So it is this one
    /// that is met, which holds nothing but the build and can say so.
    fn set(self, group: &Held, version: usize) -> bool {
        let file = self.files[version];
        let above = group.path.ancestors().skip(1);
        let above = above.filter_map(|directory| number(directory.join(file)));
        let Some(all) = above.chain((self.all)()).min() else {
            return false;
        };
        fs::write(group.path.join(file), (self.share)(all).to_string()).is_ok()
    }
}

/// Makes a group in another one, and locks it.
fn make_below(parent: &Path) -> Option<Held> {
    clean(parent);
    let id = rustix::process::getpid().as_raw_nonzero();
    for count in 0..16 {
        let path = parent.join(format!("{PREFIX}{id}.{count}"));
        match fs::create_dir(&path) {
            // Of a process in another container, which has the same number there.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
            Err(_) => return None,
            Ok(()) => {}
        }
        // Whoever cleans up may have come in between.
        if let Some(lock) = lock(&path) {
            return Some(Held { path, _lock: lock });
        }
    }
    None
}

/// Locks a directory; nothing where somebody else has it, or it is gone.
fn lock(path: &Path) -> Option<File> {
    let directory = File::open(path).ok()?;
    rustix::fs::flock(&directory, FlockOperation::NonBlockingLockExclusive).ok()?;
    let (held, there) = (directory.metadata().ok()?, fs::metadata(path).ok()?);
    ((held.dev(), held.ino()) == (there.dev(), there.ino())).then_some(directory)
}

/// Removes the groups in `parent` whose builders have ended.
fn clean(parent: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let is_ours = entry.file_name().as_bytes().starts_with(PREFIX.as_bytes());
        if is_ours && lock(&entry.path()).is_some() {
            // What has processes stays: the kernel refuses.
            let _ = fs::remove_dir(entry.path());
        }
    }
}

/// Removes a group. The last process may be on its way out of it.
fn remove(path: &Path) {
    for _ in 0..100 {
        match fs::remove_dir(path) {
            Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {
                std::thread::sleep(Duration::from_millis(1));
            }
            _ => return,
        }
    }
}

/// Returns the directories of a hierarchy, and of the group in it that a process is in; the second version
/// has no `controller`.
fn hierarchy(mounts: &str, own: &str, controller: &str) -> Option<(PathBuf, PathBuf)> {
    let path = own.lines().find_map(|line| {
        let (_, rest) = line.split_once(':')?;
        let (controllers, path) = rest.split_once(':')?;
        let is_it = controllers.split(',').any(|name| name == controller);
        is_it.then_some(path)
    })?;
    mounts.lines().find_map(|line| {
        let (before, after) = line.split_once(" - ")?;
        let mut before = before.split(' ').skip(3);
        let (root, at) = (before.next()?, before.next()?);
        let mut after = after.split(' ');
        let (kind, options) = (after.next()?, after.nth(1)?);
        let is_it = match controller {
            "" => kind == "cgroup2",
            name => kind == "cgroup" && options.split(',').any(|option| option == name),
        };
        let below = Path::new(path).strip_prefix(root).ok()?;
        is_it.then(|| (PathBuf::from(at), Path::new(at).join(below)))
    })
}

/// What holds a build back, as far as this system allows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bounds {
    directories: Vec<PathBuf>,
}

/// What a build has had too much of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exceeded {
    /// It was denied a process, there being so many.
    Processes(u64),
    /// A process was ended, for want of so much memory, in bytes.
    Memory(u64),
    /// A process of this machine was ended, for want of memory. No group tells whether it was the build's.
    MachineMemory,
}

/// How often a group met its limits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Met {
    processes: u64,
    memory: u64,
    machine_memory: u64,
}

impl Bounds {
    pub(crate) fn of(directories: Vec<PathBuf>) -> Self {
        Self { directories }
    }

    /// Returns how many processes there may be at once; nothing where no group says so.
    pub fn processes(&self) -> Option<u64> {
        self.read(&["pids.max"])
    }

    /// Returns how much memory there may be, in bytes; nothing where no group says so.
    pub fn memory(&self) -> Option<u64> {
        self.read(&["memory.max", "memory.limit_in_bytes"])
    }

    /// Returns how often the limits were met until now.
    pub fn met(&self) -> Met {
        let ended = |files: &[&str]| self.count(files, "oom_kill");
        Met {
            processes: self.count(&["pids.events"], "max"),
            memory: ended(&["memory.events", "memory.oom_control"]),
            machine_memory: count(fs::read_to_string("/proc/vmstat"), "oom_kill"),
        }
    }

    /// Returns what was met since then.
    pub fn exceeded(&self, before: Met) -> Option<Exceeded> {
        let now = self.met();
        if now.memory > before.memory {
            return Some(Exceeded::Memory(self.memory()?));
        }
        if now.processes > before.processes {
            return Some(Exceeded::Processes(self.processes()?));
        }
        let is_counted = self.memory().is_some();
        (!is_counted && now.machine_memory > before.machine_memory)
            .then_some(Exceeded::MachineMemory)
    }

    /// Returns the files to which a process writes itself to be in the groups.
    pub(crate) fn entrances(&self) -> io::Result<Vec<File>> {
        let mut options = File::options();
        let options = options.write(true);
        let directories = self.directories.iter();
        directories
            .map(|directory| options.open(directory.join("cgroup.procs")))
            .collect()
    }

    /// Has another process be in the groups.
    pub(crate) fn take_in(&self, process: u32) -> io::Result<()> {
        let mut directories = self.directories.iter();
        directories.try_for_each(|directory| {
            fs::write(directory.join("cgroup.procs"), process.to_string())
        })
    }

    fn files<'a>(&'a self, names: &'a [&str]) -> impl Iterator<Item = String> + 'a {
        let paths = self
            .directories
            .iter()
            .flat_map(|directory| names.iter().map(|name| directory.join(name)));
        paths.filter_map(|path| fs::read_to_string(path).ok())
    }

    fn read(&self, names: &[&str]) -> Option<u64> {
        self.files(names).find_map(|text| text.trim().parse().ok())
    }

    fn count(&self, names: &[&str], field: &str) -> u64 {
        self.files(names).map(|text| count(Ok(text), field)).sum()
    }
}

/// Returns a number that stands behind the name of a field; 0 if there is none.
fn count(text: io::Result<String>, field: &str) -> u64 {
    let text = text.unwrap_or_default();
    let mut lines = text.lines();
    let found = lines.find_map(|line| line.strip_prefix(field)?.trim().parse().ok());
    found.unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const MOUNTS: &str = "\
        30 24 0:26 / /sys/fs/cgroup ro,nosuid shared:9 - tmpfs tmpfs ro,mode=755\n\
        31 30 0:27 / /sys/fs/cgroup/unified rw,nosuid shared:10 - cgroup2 cgroup2 rw\n\
        36 30 0:32 / /sys/fs/cgroup/pids rw,nosuid shared:15 - cgroup cgroup rw,pids\n\
        38 30 0:33 /docker/1 /sys/fs/cgroup/cpu,cpuacct rw shared:1 - cgroup cgroup rw,cpu,cpuacct\n";

    const OWN: &str = "5:pids:/user.slice\n4:cpu,cpuacct:/docker/1/a\n0::/user.slice/own\n";

    #[rstest]
    #[case("", "/sys/fs/cgroup/unified/user.slice/own")]
    #[case("pids", "/sys/fs/cgroup/pids/user.slice")]
    #[case("cpuacct", "/sys/fs/cgroup/cpu,cpuacct/a")]
    fn groups_are_found_where_they_are_mounted(#[case] controller: &str, #[case] expected: &str) {
        let (_, own) = hierarchy(MOUNTS, OWN, controller).unwrap();
        assert_eq!(own, Path::new(expected));
    }

    #[test]
    fn a_hierarchy_that_is_not_there_is_not_found() {
        assert_eq!(hierarchy(MOUNTS, OWN, "memory"), None);
    }

    #[rstest]
    #[case(64 << 30, 60 << 30)]
    #[case(4 << 30, (4 << 30) - (512 << 20))]
    #[case(512 << 20, 256 << 20)]
    fn memory_is_left_to_the_machine(#[case] all: u64, #[case] share: u64) {
        assert_eq!(share_of_memory(all), share);
    }

    #[rstest]
    #[case(4_194_304, 32_768)]
    #[case(32_768, 16_384)]
    fn processes_are_left_to_the_machine(#[case] all: u64, #[case] share: u64) {
        assert_eq!(share_of_processes(all), share);
    }
}
