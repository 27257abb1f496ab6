//! Builds that take what there is: processes, memory, the disk. Each is held back, said, and leaves
//! nothing behind.

use std::fs::{self, File};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use libtest_mimic::Failed;

use crate::support::{self, Build, expect, refused};

/// Forks until it may not, without any other program.
const FORKS: &str =
    "mkfifo /wait; n=0; while { read word </wait & }; do n=$((n + 1)); echo forked $n; done";

/// Without a control group the kernel counts this user's processes, to the limit that this process has.
pub(crate) fn a_process_that_forks_for_ever_ends() -> Result<(), Failed> {
    use rustix::process::{Resource, getrlimit, setrlimit};

    let mut limit = getrlimit(Resource::Nproc);
    limit.current = Some(limit.current.map_or(1000, |current| current.min(1000)));
    setrlimit(Resource::Nproc, limit)?;
    let build = Build::new();
    let failed = build.shell(FORKS).map(|built| built.output);
    let said = failed.unwrap_or_else(|error| error.message().unwrap_or_default().to_owned());
    expect(said.contains("can't fork"), &said)?;
    let counts = said.lines().filter_map(|line| line.strip_prefix("forked "));
    let count = counts.filter_map(|count| count.parse::<u64>().ok()).max();
    expect(
        count < Some(1000),
        &format!("it has forked {count:?} times"),
    )?;
    no_more_of("/wait")
}

pub(crate) fn processes_are_held_back() -> Result<(), Failed> {
    let group = Small::new("pids", "pids.max", 400)?;
    let build = Build::new();
    refused(build.shell(FORKS), "a build may have 200 processes")?;
    // The builder itself is not held back by what a build has had: it begins others.
    build.shell("true")?;
    group.leave()
}

pub(crate) fn memory_is_held_back() -> Result<(), Failed> {
    let group = Small::new("memory", "memory.limit_in_bytes", 512 << 20)?;
    let build = Build::new();
    let hog = "dd if=/dev/zero of=/dev/null bs=1G count=1";
    refused(build.shell(hog), "a build may have 256 MiB of memory")?;
    let in_memory = "dd if=/dev/zero of=/memory/file bs=1M count=1024";
    let built = build.shell_with("--mount=type=tmpfs,target=/memory", in_memory);
    refused(built, "a build may have 256 MiB of memory")?;
    group.leave()
}

pub(crate) fn a_limit_that_a_script_ignores_fails_its_step() -> Result<(), Failed> {
    let group = Small::new("memory", "memory.limit_in_bytes", 512 << 20)?;
    let hog = "dd if=/dev/zero of=/dev/null bs=1G count=1 || true";
    refused(
        Build::new().shell(hog),
        "exited with 0: a build may have 256 MiB of memory",
    )?;
    group.leave()?;
    let group = Small::new("pids", "pids.max", 400)?;
    let forks = format!("({FORKS}) 2>/dev/null; true");
    refused(
        Build::new().shell(&forks),
        "exited with 0: a build may have 200 processes",
    )?;
    group.leave()
}

pub(crate) fn a_full_disk_that_a_script_ignores_fails_its_step() -> Result<(), Failed> {
    let disk = Disk::new()?;
    let build = Build::new_in(&disk.0);
    let cache = "--mount=type=cache,target=/cache";
    for script in [
        "dd if=/dev/zero of=/cache/file bs=1M || true",
        // There is room again when it ends. What is printed is read before that.
        "dd if=/dev/zero of=/cache/file bs=1M; head -c 1000000 /dev/zero | tr '\\0' a; rm /cache/file",
    ] {
        let built = build.shell_with(cache, script);
        refused(built, "exited with 0: the disk is or was full")?;
    }
    Ok(())
}

/// In a namespace of users that has only one, what a RUN needs cannot be done.
pub(crate) fn where_no_process_can_be_run_no_build_begins() -> Result<(), Failed> {
    #[expect(clippy::disallowed_types, reason = "a test runs itself elsewhere")]
    let output = std::process::Command::new("unshare")
        .args(["--user", "--map-root-user"])
        .arg(std::env::current_exe()?)
        .arg("--list")
        // There it is a failure, and not listed with its reason.
        .env_remove("STAGEX_REQUIRE")
        .output()?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    expect(said.contains("[cannot run a process here: "), &said)
}

/// What a limit of processes denies the builder itself is said, whatever it was that it would have started.
pub(crate) fn a_builder_that_may_start_nothing_says_so() -> Result<(), Failed> {
    let mut denied = 0;
    for most in 1..10 {
        // The worker is in it, and so are the threads of this test.
        let group = Small::new("pids", "pids.max", most)?;
        let said = message(Build::new().shell("true"));
        group.leave()?;
        denied += u32::from(is_denied(&said)?);
    }
    expect(
        denied > 3,
        &format!("{denied} builds were denied something"),
    )
}

fn message(built: Result<support::Built, Failed>) -> String {
    match built {
        Ok(_) => String::new(),
        Err(error) => error.message().unwrap_or_default().to_owned(),
    }
}

/// Returns whether something was denied.
fn is_denied(said: &str) -> Result<bool, Failed> {
    let is_fair = said.is_empty()
        || said.contains("Resource temporarily unavailable")
        || said.contains("ProgramUnavailable: ");
    expect(is_fair && !said.contains("panicked"), said)?;
    Ok(!said.is_empty())
}

/// A group that is locked has a builder; one that is not has none any more.
pub(crate) fn groups_of_builders_that_were_killed_are_removed() -> Result<(), Failed> {
    let own = Small::own("pids")?;
    let (dead, alive) = (own.join("stagex-0.test"), own.join("stagex-1.test"));
    for group in [&dead, &alive] {
        fs::create_dir(group)?;
    }
    let lock = File::open(&alive)?;
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive)?;
    Build::new().shell("true")?;
    let there = (dead.exists(), alive.exists());
    drop(lock);
    Build::new().shell("true")?;
    expect(there == (false, true), &format!("there are: {there:?}"))?;
    expect(!alive.exists(), "what nobody holds any more was left")
}

pub(crate) fn a_disk_that_is_full_is_said() -> Result<(), Failed> {
    let disk = Disk::new()?;
    let build = Build::new_in(&disk.0);
    let built = build.shell("dd if=/dev/zero of=/file bs=1M count=100");
    refused(built, "Storage: ").and_then(|()| {
        refused(
            build.shell("dd if=/dev/zero of=/file bs=1M"),
            "the disk is or was full",
        )
    })?;
    let left: Vec<_> = fs::read_dir(build.directory.join("work-1"))?.collect();
    expect(left.is_empty(), &format!("there is left: {left:?}"))
}

pub(crate) fn a_disk_that_a_copy_fills_is_said() -> Result<(), Failed> {
    let disk = Disk::new()?;
    let build = Build::new_in(&disk.0);
    fs::write(build.directory.join("context/big"), vec![1; 9 << 20])?;
    refused(build.run("COPY big /\nCOPY big /other"), "Storage: ")
        .and_then(|()| refused(build.run("COPY big /\nCOPY big /other"), "the disk is full"))
}

pub(crate) fn a_sparse_file_takes_no_room() -> Result<(), Failed> {
    const LENGTH: u64 = 10 << 30;
    let build = Build::new();
    let built = build.shell(
        "truncate -s 10737418240 /sparse; \
         printf middle | dd of=/sparse bs=1 seek=5368709120 conv=notrunc 2>/dev/null",
    )?;
    let layer = built.layers.last().ok_or("there is no layer")?;
    let status = fs::metadata(layer)?;
    expect(
        status.len() > LENGTH,
        &format!("it has {} bytes", status.len()),
    )?;
    expect(
        status.blocks() < 2048,
        &format!("it takes {} blocks", status.blocks()),
    )?;
    let mut archive = tar::Archive::new(File::open(layer)?);
    let entry = archive.entries_with_seek()?.last().ok_or("it is empty")??;
    expect(
        entry.path_bytes() == &b"sparse"[..],
        "another file came last",
    )?;
    expect(entry.size() == LENGTH, "the header has another size")?;
    let mut bytes = [0; 8];
    let mut file = File::open(layer)?;
    file.seek(SeekFrom::Start(entry.raw_file_position() + LENGTH / 2 - 1))?;
    file.read_exact(&mut bytes)?;
    expect(
        bytes == *b"\0middle\0",
        &format!("in the middle there is {bytes:?}"),
    )
}

pub(crate) fn an_endless_line_is_cut() -> Result<(), Failed> {
    let built = Build::new().shell("dd if=/dev/zero bs=1M count=4 2>/dev/null | tr '\\0' a")?;
    let lines = built.output.lines().map(str::len);
    let (count, longest) = (lines.clone().sum::<usize>(), lines.max());
    expect(count == 4 << 20, &format!("there are {count} bytes"))?;
    expect(
        longest < Some(1 << 14),
        &format!("there is a line of {longest:?}"),
    )
}

/// Fails if there are processes with `mark` on their command line.
fn no_more_of(mark: &str) -> Result<(), Failed> {
    let left = fs::read_dir("/proc")?.filter_map(Result::ok).any(|entry| {
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).contains(mark) && line.starts_with(b"/bin/busybox")
    });
    expect(!left, "a process has outlived its step")
}

/// A file system that is soon full, seen by this thread and what it starts.
struct Disk(PathBuf);

impl Disk {
    fn new() -> Result<Self, Failed> {
        support::share_mounts()?;
        let directory = PathBuf::from("/mnt");
        let flags = rustix::mount::MountFlags::empty();
        rustix::mount::mount(c"tmpfs", &directory, c"tmpfs", flags, Some(c"size=24m"))?;
        Ok(Self(directory))
    }
}

/// A control group with a small limit, in which this thread is, and what it starts.
struct Small {
    own: PathBuf,
    directory: PathBuf,
}

impl Small {
    /// Returns the directory of the group that this process is in.
    fn own(controller: &str) -> Result<PathBuf, Failed> {
        let groups = fs::read_to_string("/proc/thread-self/cgroup")?;
        let own = groups.lines().find_map(|line| {
            let (_, rest) = line.split_once(':')?;
            rest.strip_prefix(controller)?.strip_prefix(":/")
        });
        let own = own.ok_or("there are no control groups of the first version")?;
        Ok(Path::new("/sys/fs/cgroup").join(controller).join(own))
    }

    fn new(controller: &str, file: &str, limit: u64) -> Result<Self, Failed> {
        let own = Self::own(controller)?;
        let directory = own.join(format!("small-{}", std::process::id()));
        fs::create_dir(&directory)?;
        fs::write(directory.join(file), limit.to_string())?;
        fs::write(directory.join("tasks"), "0")?;
        Ok(Self { own, directory })
    }

    /// Fails if a builder has left its own group there.
    fn leave(self) -> Result<(), Failed> {
        fs::write(self.own.join("tasks"), "0")?;
        Ok(fs::remove_dir(&self.directory)?)
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        // This thread does other tests too.
        let _ = fs::write(self.own.join("tasks"), "0");
    }
}

/// Directory in directory, deeper than any path is long: each chain is moved to the end of another one.
pub(crate) fn directories_as_deep_as_can_be_are_an_error_and_removed() -> Result<(), Failed> {
    let build = Build::new();
    let ten = |text: &str| [text; 10].join("/");
    let chain = ten(&ten(&ten("d")));
    let built = build.shell(&format!(
        "cd /; mkdir -p {chain}; for count in $(seq 30); do \
           mkdir -p n/{chain} && mv d n/{chain}/ && mv n d || exit 1; done"
    ));
    refused(built, "File name too long")?;
    let left: Vec<_> = fs::read_dir(build.directory.join("work-1"))?.collect();
    expect(left.is_empty(), &format!("there is left: {left:?}"))
}
