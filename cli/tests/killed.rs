//! A `make` that is killed at any moment: what was finished stays, what was begun is gone, and the
//! next one goes on from there. One test for each runtime that is here; those that
//! `STAGEX_REQUIRE` names must be. `STAGEX_ROUNDS=50` kills more often than the usual few times.
//!
//! What is looked for afterwards: the processes that were there when it was killed, whatever they are
//! called, and all whose command line names the tree; mounts, in this namespace or in one of a process
//! that is left; and control groups.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_types,
    reason = "in a test, what cannot be made is a failure; and the program itself is what is tested"
)]

mod engines;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use camino::Utf8Path;
use libtest_mimic::Failed;

use engines::{example_tree, expect, variable};

/// No kill comes later than this after the start, nor later than a whole `make` takes.
const LATEST: Duration = Duration::from_secs(6);
/// How long what a killed `stagex` had started may take to end.
const GRACE: Duration = Duration::from_secs(20);
/// How often something that is awaited is looked at.
const INTERVAL: Duration = Duration::from_millis(5);

fn main() -> ExitCode {
    engines::run("a_killed_make_goes_on", goes_on)
}

fn goes_on(runtime: &str, program: &Utf8Path) -> Result<(), Failed> {
    let rounds = variable("STAGEX_ROUNDS").map_or(5, |text| text.parse().unwrap());
    let temporary = example_tree();
    let tree = temporary.path();
    let images = engines::images(program)?;
    let states = states();

    let mut finished = BTreeMap::new();
    let mut latest = LATEST;
    for round in 0..rounds {
        let mut child = make(tree, runtime);
        let start = Instant::now();
        // At whatever moment the others come, the first comes while something runs.
        let first = round == 0;
        let limit = if first { GRACE } else { moment(round, latest) };
        let mut started = Vec::new();
        within(limit, || {
            if first {
                started = descendants(child.id());
            }
            !started.is_empty() || child.try_wait().unwrap().is_some()
        });
        let ended = wait(&mut child, Duration::ZERO);
        if !first {
            started = descendants(child.id());
        }
        let took = start.elapsed();
        if ended {
            let status = child.wait().unwrap();
            expect(
                status.success(),
                &format!("round {round}: it failed: {status}"),
            )?;
        }
        let signal = if round % 2 == 0 {
            rustix::process::Signal::KILL
        } else {
            rustix::process::Signal::INT
        };
        if !ended {
            let id = rustix::process::Pid::from_child(&child);
            rustix::process::kill_process(id, signal).unwrap();
            expect(wait(&mut child, GRACE), "it did not end")?;
        }
        expect(!first || !started.is_empty(), "it never ran anything")?;
        expect(
            within(GRACE, || processes(tree).is_empty()),
            &format!("round {round}: still there: {:?}", processes(tree)),
        )?;
        expect(
            within(GRACE, || started.iter().all(|process| !process.is_there())),
            &format!("round {round}: still there of {started:?}"),
        )?;
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        expect(
            !mounts.contains(tree.to_str().unwrap()),
            &format!("round {round}: still mounted:\n{mounts}"),
        )?;
        let now = records(tree);
        unchanged(&finished, &now, round)?;
        if ended {
            // Everything is built: begin again, and kill within the time that it takes.
            if finished.is_empty() {
                latest = latest.min(took);
            }
            // What native keeps belongs to other users where this one is not root: only stagex removes it.
            let cleaned = stagex(tree).args(["--quiet", "clean"]).status().unwrap();
            expect(cleaned.success(), &format!("round {round}: clean failed"))?;
            finished = BTreeMap::new();
        } else {
            finished = now;
        }
    }

    let mut last = make(tree, runtime);
    expect(last.wait().unwrap().success(), "the last make failed")?;
    unchanged(&finished, &records(tree), rounds)?;
    let check = stagex(tree).args(["digests", "--check"]).status().unwrap();
    expect(check.success(), "the digests are not those recorded")?;

    engines::nothing_is_left(tree, program, &images)?;
    let groups = groups_of_nobody();
    expect(
        groups.is_empty(),
        &format!("control groups are left: {groups:?}"),
    )?;
    // Whatever else is being built on this machine has its own there, and takes it away again.
    let mut stray = self::states();
    stray.retain(|each| !states.contains(each));
    let gone = within(GRACE, || stray.iter().all(|each| !each.exists()));
    expect(gone, &format!("left in /tmp: {stray:?}"))
}

/// Returns when to kill: over the rounds, moments fill the time evenly, in no order.
fn moment(round: u32, latest: Duration) -> Duration {
    latest.mul_f64((f64::from(round) * 0.618_034 + 0.05).fract())
}

fn stagex(tree: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stagex"));
    command.arg("-C").arg(tree);
    command
}

fn make(tree: &Path, runtime: &str) -> Child {
    stagex(tree)
        .args(["--quiet", "--runtime", runtime, "make"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

/// Waits for the child for at most `limit`. Returns whether it has ended.
fn wait(child: &mut Child, limit: Duration) -> bool {
    within(limit, || child.try_wait().unwrap().is_some())
}

fn within(limit: Duration, mut holds: impl FnMut() -> bool) -> bool {
    let start = Instant::now();
    while !holds() {
        if start.elapsed() > limit {
            return false;
        }
        std::thread::sleep(INTERVAL);
    }
    true
}

/// Returns the command lines of the processes that have to do with the tree.
fn processes(tree: &Path) -> Vec<String> {
    let tree = tree.to_str().unwrap();
    let lines = fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let line = fs::read(entry.ok()?.path().join("cmdline")).ok()?;
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        line.contains(tree).then_some(line)
    });
    lines.collect()
}

/// A process, which no other is even if it has the same number later.
#[derive(Debug)]
struct Process {
    id: u32,
    started: String,
    #[expect(dead_code, reason = "it is shown where a process is left")]
    name: String,
}

impl Process {
    fn read(id: u32) -> Option<(Self, u32)> {
        let text = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
        // A name may have anything in it.
        let (before, after) = text.rsplit_once(')')?;
        let fields: Vec<&str> = after.split_whitespace().collect();
        let parent = fields.get(1)?.parse().ok()?;
        let started = (*fields.get(19)?).to_owned();
        let name = before.to_owned();
        Some((Self { id, started, name }, parent))
    }

    fn is_there(&self) -> bool {
        Self::read(self.id).is_some_and(|(now, _)| now.started == self.started)
    }
}

/// Returns the processes that one has started, and those that these have, also in other namespaces.
fn descendants(id: u32) -> Vec<Process> {
    let entries = fs::read_dir("/proc").unwrap();
    let ids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let all: Vec<(Process, u32)> = ids.filter_map(Process::read).collect();
    let mut family = vec![id];
    let mut known = 0;
    while known < family.len() {
        let parent = family[known];
        let children = all.iter().filter(|(_, of)| *of == parent);
        family.extend(children.map(|(child, _)| child.id));
        known += 1;
    }
    let started = all.into_iter().map(|(process, _)| process);
    started
        .filter(|process| process.id != id && family.contains(&process.id))
        .collect()
}

/// Returns the control groups of builders that have ended.
fn groups_of_nobody() -> Vec<PathBuf> {
    let find = |directory: &Path| -> Vec<PathBuf> {
        let entries = fs::read_dir(directory).into_iter().flatten().flatten();
        entries
            .map(|entry| entry.path())
            .filter(|path| path.is_dir())
            .collect()
    };
    let mut directories = find(Path::new("/sys/fs/cgroup"));
    let mut known = 0;
    while known < directories.len() {
        let below = find(&directories[known]);
        directories.extend(below);
        known += 1;
    }
    directories.retain(|directory| {
        let name = directory.file_name().unwrap().to_string_lossy();
        // Whoever has one has it locked.
        let lock = || {
            fs::File::open(directory).and_then(|file| {
                let operation = rustix::fs::FlockOperation::NonBlockingLockExclusive;
                Ok(rustix::fs::flock(&file, operation)?)
            })
        };
        name.starts_with("stagex-") && lock().is_ok()
    });
    directories
}

/// Returns what tells one record of a finished package from another: they are written anew, and
/// never changed.
fn records(tree: &Path) -> BTreeMap<String, u64> {
    let Ok(entries) = fs::read_dir(tree.join("out/.stagex/records")) else {
        return BTreeMap::new();
    };
    let entries = entries.filter_map(|entry| {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        let inode = entry.metadata().unwrap().ino();
        // A file that a killed process had begun has another name.
        Some((name.strip_suffix(".json")?.to_owned(), inode))
    });
    entries.collect()
}

fn unchanged(
    finished: &BTreeMap<String, u64>,
    now: &BTreeMap<String, u64>,
    round: u32,
) -> Result<(), Failed> {
    let again: Vec<_> = finished
        .iter()
        .filter(|(name, inode)| now.get(*name) != Some(inode))
        .collect();
    expect(
        again.is_empty(),
        &format!("round {round}: built twice: {again:?}"),
    )
}

/// Returns the directories outside of the tree in which engines keep the state of a build or of a
/// trial.
fn states() -> Vec<PathBuf> {
    let entries = fs::read_dir("/tmp").unwrap().map(|entry| entry.unwrap());
    entries
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("stagex-"))
        .map(|entry| entry.path())
        .collect()
}
