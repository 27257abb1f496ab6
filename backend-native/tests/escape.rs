//! What a hostile build tries, each with what it must not get. Nothing of the machine outside of the
//! build's own files is to be read, written, signalled or left behind.
//!
//! Where this system does not allow builds without an engine the tests are listed as ignored, with
//! the reason; `STAGEX_REQUIRE=native` turns that into failures.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use backend_api::{
    Availability, Backend as _, BuildKey, BuildRequest, Cache, Event, Events, Network, OpenFiles,
    Step, StepId, StepKind,
};
use backend_native::Native;
use camino::Utf8PathBuf;
use libtest_mimic::{Arguments, Failed, Trial};

/// What nobody may read.
const SECRET: &str = "the machine's own";
/// A static program, for want of anything else in an empty file system.
const BUSYBOX: &str = "/bin/busybox";

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let probed = block_on(native().probe());
    let absence = match &probed {
        Availability::Ready(_) => None,
        Availability::Unavailable(why) => Some(why.message.clone()),
    };
    let required = required();
    let trials = CASES.iter().map(|(name, case)| {
        let reason = absence.clone();
        let trial = Trial::test(*name, move || match reason {
            Some(reason) => Err(reason.into()),
            None => case(),
        });
        match &absence {
            Some(reason) if !required => trial.with_ignored_flag(true).with_kind(reason.clone()),
            _ => trial,
        }
    });
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}

type Case = fn() -> Result<(), Failed>;

macro_rules! cases {
    ($($name:ident),* $(,)?) => {
        const CASES: &[(&str, Case)] = &[$((stringify!($name), $name)),*];
    };
}

cases![
    a_source_leads_nowhere_outside,
    a_destination_leads_nowhere_outside,
    a_working_folder_leads_nowhere_outside,
    an_archive_unpacks_nothing_outside,
    an_archive_links_nothing_outside,
    mount_points_lead_nowhere_outside,
    links_in_the_way_of_mount_points_change_nothing_outside,
    the_roots_of_processes_are_the_builds,
    no_device_but_those_of_every_build_can_be_opened,
    nothing_can_be_mounted,
    the_machines_settings_can_only_be_read,
    no_descriptor_is_left_open,
    no_other_process_can_be_seen_or_signalled,
    what_runs_on_ends_with_its_step,
    names_in_any_bytes_come_back,
];

fn a_source_leads_nowhere_outside() -> Result<(), Failed> {
    for (name, target) in [("absolute", true), ("relative", false)] {
        let build = Build::new();
        let link = build.folder.join("context").join(name);
        let outside = build.outside();
        let target = if target {
            outside.clone()
        } else {
            Utf8PathBuf::from("../outside")
        };
        symlink(target, link)?;
        for path in [format!("{name}/secret"), format!("{name}/s*")] {
            let built = build.run(&format!("COPY {path} /copy/"));
            refused(built, "not found")?;
        }
    }
    for path in [
        "../outside/secret",
        "/../outside/secret",
        "a/../../outside/secret",
    ] {
        refused(Build::new().run(&format!("COPY {path} /copy")), "not found")?;
    }
    Ok(())
}

fn a_destination_leads_nowhere_outside() -> Result<(), Failed> {
    let build = Build::new();
    let outside = build.outside();
    let built = build.run(&format!(
        "RUN [\"/bin/busybox\", \"ln\", \"-s\", \"{outside}\", \"/out\"]\n\
         RUN [\"/bin/busybox\", \"ln\", \"-s\", \"../../../../../../..{outside}/new\", \"/new\"]\n\
         COPY file /out/file\n\
         COPY file /new\n\
         COPY file /../../{outside}/third"
    ))?;
    let names = built.names();
    let path = outside.as_str().trim_start_matches('/');
    for name in ["file", "new", "third"] {
        let expected = format!("{path}/{name}");
        expect(
            names.contains(&expected),
            &format!("no {expected}: {names:?}"),
        )?;
    }
    build.is_untouched()
}

fn a_working_folder_leads_nowhere_outside() -> Result<(), Failed> {
    let build = Build::new();
    let outside = build.outside();
    build.run(&format!(
        "RUN [\"/bin/busybox\", \"ln\", \"-s\", \"{outside}\", \"/out\"]\n\
         WORKDIR /out/made\n\
         RUN [\"/bin/busybox\", \"touch\", \"here\"]"
    ))?;
    build.is_untouched()
}

fn an_archive_unpacks_nothing_outside() -> Result<(), Failed> {
    let build = Build::new();
    let outside = build.outside();
    for (name, path) in [
        ("up", "../../../../escaped"),
        ("hidden", "a/../../../escaped"),
    ] {
        build.archive(name, |archive| archive.file(path));
        refused(build.run(&format!("ADD {name} /to/")), "leads out")?;
    }
    build.archive("through", |archive| {
        archive.link(tar::EntryType::Symlink, "out", outside.as_str());
        archive.file("out/escaped");
    });
    let built = build.run("ADD through /to/")?;
    let expected = format!("to{outside}/escaped");
    expect(
        built.names().contains(&expected),
        &format!("{:?}", built.names()),
    )?;
    // A link in the way of a folder's mode, owner and time is not followed either.
    build.archive("mode", |archive| {
        archive.link(tar::EntryType::Symlink, "out", outside.as_str());
        archive.folder("out", 0o777);
    });
    build.run("ADD mode /to/")?;
    build.is_untouched()
}

fn an_archive_links_nothing_outside() -> Result<(), Failed> {
    let build = Build::new();
    let secret = build.outside().join("secret");
    let up = format!("../../../../../../../..{secret}");
    build.archive("up", |archive| {
        archive.link(tar::EntryType::Link, "copy", &up);
    });
    refused(build.run("ADD up /to/"), "leads out")?;
    build.archive("absolute", |archive| {
        archive.link(tar::EntryType::Link, "copy", secret.as_str());
    });
    refused(build.run("ADD absolute /to/"), "cannot")?;
    build.archive("through", |archive| {
        archive.link(tar::EntryType::Symlink, "out", build.outside().as_str());
        archive.link(tar::EntryType::Link, "copy", "out/secret");
    });
    refused(build.run("ADD through /to/"), "cannot")?;
    // A further name of a link is a link, whose mode is nobody's.
    build.archive("mode", |archive| {
        archive.link(tar::EntryType::Symlink, "out", secret.as_str());
        archive.link(tar::EntryType::Link, "again", "out");
    });
    build.run("ADD mode /to/")?;
    build.is_untouched()
}

fn mount_points_lead_nowhere_outside() -> Result<(), Failed> {
    for (point, name) in [
        ("dev", ""),
        ("proc", ""),
        ("sys", ""),
        ("etc", ""),
        ("etc/hosts", "/secret"),
        ("etc/resolv.conf", "/new"),
    ] {
        let build = Build::new();
        let link = build.folder.join("context/tree").join(point);
        fs::create_dir_all(link.parent().unwrap_or(&link))?;
        symlink(format!("{}{name}", build.outside()), link)?;
        build.run("COPY tree/ /\nRUN [\"/bin/busybox\", \"true\"]")?;
        build.is_untouched()?;
    }
    Ok(())
}

fn links_in_the_way_of_mount_points_change_nothing_outside() -> Result<(), Failed> {
    let build = Build::new();
    let outside = build.outside();
    fs::write(outside.join("hosts"), "")?;
    build.run(&format!(
        "RUN [\"/bin/busybox\", \"sh\", \"-c\", \"/bin/busybox mv /etc /moved && /bin/busybox ln -s {outside} /etc\"]"
    ))?;
    expect(outside.join("hosts").exists(), "an empty file is gone")?;
    fs::remove_file(outside.join("hosts"))?;
    build.is_untouched()
}

fn the_roots_of_processes_are_the_builds() -> Result<(), Failed> {
    let build = Build::new();
    let secret = build.outside().join("secret");
    let built = build.shell(&format!(
        "for root in /proc/self/root /proc/1/root /proc/1/cwd /proc/$PPID/root / /..; do \
           cat $root{secret} $root/..{secret}; done 2>/dev/null; \
         mkdir /deep; chroot /deep / 2>/dev/null; cd /deep; cat ../../../../../..{secret} 2>/dev/null; \
         ls -d /proc/[0-9]* | wc -l"
    ))?;
    expect(!built.output.contains(SECRET), &built.output)?;
    build.is_untouched()
}

fn no_device_but_those_of_every_build_can_be_opened() -> Result<(), Failed> {
    let build = Build::new();
    // The numbers of the machine's memory, and of whatever disk it has.
    let disks = fs::read_to_string("/proc/partitions")?;
    let disk = disks.lines().skip(2).find_map(|line| {
        let mut numbers = line.split_whitespace();
        Some(format!("{} {}", numbers.next()?, numbers.next()?))
    });
    let disk = disk.unwrap_or_else(|| "8 0".to_owned());
    let built = build.shell(&format!(
        "for place in / /dev /dev/shm /tmp; do mkdir -p $place; \
           mknod $place/disk b {disk}; mknod $place/memory c 1 1; \
           for name in disk memory; do \
             head -c 1 $place/$name >/dev/null 2>&1 && echo opened $place/$name; done; done; \
         head -c 3 /dev/zero | wc -c"
    ))?;
    expect(!built.output.contains("opened"), &built.output)?;
    expect(built.output.contains('3'), &built.output)
}

fn nothing_can_be_mounted() -> Result<(), Failed> {
    let build = Build::new();
    let before = mounts()?;
    let built = build.shell(
        "mkdir /m; mount -t tmpfs none /m && echo done; mount --bind /bin /m && echo done; \
         umount /proc && echo done; umount /etc/hosts && echo done; \
         unshare -m true && echo done; unshare -U true && echo done; \
         nsenter -t 1 -m true && echo done; pivot_root / /m && echo done; true",
    )?;
    expect(!built.output.contains("done"), &built.output)?;
    expect(mounts()? == before, "the machine's mounts have changed")
}

fn the_machines_settings_can_only_be_read() -> Result<(), Failed> {
    let build = Build::new();
    let built = build.shell(
        "for file in /proc/sys/kernel/core_pattern /proc/sysrq-trigger /proc/sys/vm/drop_caches \
           /sys/kernel/uevent_helper /sys/power/state /etc/hosts /etc/resolv.conf; do \
           (echo 0 >$file) 2>/dev/null && echo written $file; done; \
         hostname other 2>/dev/null && echo written; true",
    )?;
    expect(!built.output.contains("written"), &built.output)
}

fn no_descriptor_is_left_open() -> Result<(), Failed> {
    let build = Build::new();
    // The listing itself has one more, of the folder that it lists.
    let built = build.shell("ls /proc/self/fd | wc -l; ls -l /proc/self/fd")?;
    expect(
        built.output.lines().any(|line| line.trim() == "4"),
        &built.output,
    )?;
    expect(!built.output.contains("socket:"), &built.output)
}

fn no_other_process_can_be_seen_or_signalled() -> Result<(), Failed> {
    let build = Build::new();
    let built = build.shell(
        "trap '' TERM; kill -TERM -1; kill -0 2 2>/dev/null && echo another; \
         for id in /proc/[0-9]*; do echo process $(cat $id/comm); done",
    )?;
    // The shell, and what lists them.
    let seen: Vec<_> = built
        .output
        .lines()
        .filter(|line| line.starts_with("process"))
        .collect();
    expect((1..=2).contains(&seen.len()), &built.output)?;
    expect(!built.output.contains("another"), &built.output)
}

fn what_runs_on_ends_with_its_step() -> Result<(), Failed> {
    let build = Build::new();
    let mark = format!("{}", 100_000 + std::process::id());
    let start = Instant::now();
    build.shell(&format!(
        "(setsid sleep {mark} &) ; (trap '' TERM HUP; sleep {mark}) & true"
    ))?;
    expect(
        start.elapsed() < Duration::from_secs(60),
        "somebody waited for it",
    )?;
    let left = fs::read_dir("/proc")?.filter_map(Result::ok).any(|entry| {
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line)
            .replace('\0', " ")
            .contains(&format!("sleep {mark}"))
    });
    expect(!left, "a process has outlived its step")
}

fn names_in_any_bytes_come_back() -> Result<(), Failed> {
    let build = Build::new();
    let built = build.shell(
        "cd /; touch \"$(printf 'a\\377b')\" \"$(printf 'c\\nd')\"; echo \"$(printf 'e\\377f')\"",
    )?;
    let names = built.raw_names();
    for expected in [&b"a\xffb"[..], b"c\nd"] {
        let found = names.iter().any(|name| name == expected);
        expect(found, &format!("no {expected:?} in {names:?}"))?;
    }
    expect(built.output.contains("e\u{fffd}f"), &built.output)
}

/// A build that is about to try something.
struct Build {
    folder: Utf8PathBuf,
    _temporary: tempfile::TempDir,
    count: Mutex<u32>,
}

/// A build that went through.
#[derive(Debug)]
struct Built {
    /// What its RUNs printed.
    output: String,
    layers: Vec<Vec<u8>>,
}

impl Build {
    fn new() -> Self {
        // Not in /tmp, in which layers may not be stacked.
        let temporary = tempfile::tempdir_in("/var/tmp").expect("a test may make folders");
        let folder = Utf8PathBuf::from_path_buf(temporary.path().to_owned());
        let build = Self {
            folder: folder.expect("TMPDIR is text"),
            _temporary: temporary,
            count: Mutex::new(0),
        };
        for folder in ["context", "outside"] {
            fs::create_dir(build.folder.join(folder)).expect("a test may make folders");
        }
        let context = build.folder.join("context");
        fs::copy(BUSYBOX, context.join("busybox"))
            .expect("busybox is there (make test installs it)");
        fs::write(context.join("file"), "text\n").expect("a test may write");
        fs::write(build.outside().join("secret"), SECRET).expect("a test may write");
        build
    }

    /// Returns a folder that the build has nothing to do with.
    fn outside(&self) -> Utf8PathBuf {
        self.folder.join("outside")
    }

    /// Fails if something in that folder was changed.
    fn is_untouched(&self) -> Result<(), Failed> {
        let outside = self.outside();
        let names: Vec<_> = outside
            .read_dir_utf8()?
            .map(|entry| entry.map(|e| e.file_name().to_owned()))
            .collect::<Result<_, _>>()?;
        expect(names == ["secret"], &format!("outside there is {names:?}"))?;
        let text = fs::read_to_string(outside.join("secret"))?;
        expect(text == SECRET, &format!("the secret is {text}"))?;
        let mode = fs::metadata(&outside)?.permissions().mode() & 0o777;
        expect(mode == 0o755, &format!("the mode outside is {mode:o}"))
    }

    /// Writes an archive into the context.
    fn archive(&self, name: &str, fill: impl FnOnce(&mut Archive)) {
        let mut archive = Archive(tar::Builder::new(Vec::new()));
        fill(&mut archive);
        let bytes = archive.0.into_inner().expect("memory can be written to");
        fs::write(self.folder.join("context").join(name), bytes).expect("a test may write");
    }

    /// Runs a script in a shell, with busybox for its commands.
    fn shell(&self, script: &str) -> Result<Built, Failed> {
        let words = serde_json::to_string(&["/bin/busybox", "sh", "-c", script])?;
        self.run(&format!(
            "RUN [\"/bin/busybox\", \"--install\", \"-s\", \"/bin\"]\nENV PATH=/bin\nRUN {words}"
        ))
    }

    /// Builds on a file system that has busybox and nothing else.
    fn run(&self, steps: &str) -> Result<Built, Failed> {
        let count = {
            let mut count = self.count.lock().map_err(|_| "a test panicked")?;
            *count += 1;
            *count
        };
        let text = format!("FROM scratch\nCOPY busybox /bin/\n{steps}\n");
        let kinds = text
            .lines()
            .filter_map(|line| match line.split(' ').next()? {
                "COPY" => Some(StepKind::Copy),
                "ADD" => Some(StepKind::Add),
                "RUN" => Some(StepKind::Run),
                "WORKDIR" => Some(StepKind::Workdir),
                _ => None,
            });
        let kinds = kinds.enumerate();
        let work = self.folder.join(format!("work-{count}"));
        let exported = self.folder.join(format!("layers-{count}"));
        for folder in [&work, &exported] {
            fs::create_dir(folder)?;
        }
        let containerfile = self.folder.join(format!("Containerfile-{count}"));
        fs::write(&containerfile, &text)?;
        let request = BuildRequest {
            key: BuildKey::new(&format!("escape-{count}")),
            containerfile,
            context: self.folder.join("context"),
            contexts: Vec::new(),
            target: None,
            steps: kinds
                .map(|(index, kind)| Step {
                    id: StepId { stage: 0, index },
                    kind,
                })
                .collect(),
            stages: Vec::new(),
            base_layers: 0,
            platform: "linux/amd64".to_owned(),
            build_arguments: Vec::new(),
            network: Network::None,
            cache: Cache::Refuse,
            open_files: OpenFiles {
                soft: 256,
                hard: 1024,
            },
            work,
        };
        let lines = Lines::default();
        let native = native();
        let built = block_on(native.build(&request, &lines));
        let built =
            built.map_err(|error| format!("{error}\n{}", error.output().unwrap_or_default()))?;
        let image = block_on(native.export(&built, &exported))?;
        let layers = image.layers.iter().map(|layer| fs::read(&layer.tar));
        let layers = layers.collect::<Result<_, _>>()?;
        block_on(native.remove(built))?;
        let output = lines.0.into_inner().map_err(|_| "a test panicked")?;
        Ok(Built { output, layers })
    }
}

impl Built {
    fn raw_names(&self) -> Vec<Vec<u8>> {
        let mut names = Vec::new();
        for layer in &self.layers {
            let mut archive = tar::Archive::new(layer.as_slice());
            for entry in archive.entries().into_iter().flatten().flatten() {
                names.push(entry.path_bytes().into_owned());
            }
        }
        names
    }

    fn names(&self) -> Vec<String> {
        let names = self.raw_names();
        names
            .iter()
            .map(|name| String::from_utf8_lossy(name).into_owned())
            .collect()
    }
}

/// An archive in which anything may stand.
struct Archive(tar::Builder<Vec<u8>>);

impl Archive {
    fn file(&mut self, path: &str) {
        self.put(path, "", tar::EntryType::Regular, (0o644, b"text\n"));
    }

    fn folder(&mut self, path: &str, mode: u32) {
        self.put(path, "", tar::EntryType::Directory, (mode, b""));
    }

    fn link(&mut self, kind: tar::EntryType, path: &str, target: &str) {
        self.put(path, target, kind, (0o777, b""));
    }

    fn put(&mut self, path: &str, target: &str, kind: tar::EntryType, (mode, bytes): (u32, &[u8])) {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_size(bytes.len() as u64);
        let fields = header.as_old_mut();
        // The library would refuse such names.
        fields.name[..path.len()].copy_from_slice(path.as_bytes());
        fields.linkname[..target.len()].copy_from_slice(target.as_bytes());
        header.set_cksum();
        self.0
            .append(&header, bytes)
            .expect("memory can be written to");
    }
}

/// Keeps every line.
#[derive(Default)]
struct Lines(Mutex<String>);

impl Events for Lines {
    fn emit(&self, event: Event) {
        if let (Event::Output { line, .. }, Ok(mut lines)) = (event, self.0.lock())
            // What is said of a step is its own text.
            && !line.starts_with('[')
        {
            lines.push_str(&line);
            lines.push('\n');
        }
    }
}

fn native() -> Native {
    Native::new(None, findings::Findings::none())
}

fn refused(built: Result<Built, Failed>, expected: &str) -> Result<(), Failed> {
    match built {
        Ok(built) => Err(format!("it was built: {:?}", built.names()).into()),
        Err(error) => {
            let message = error.message().unwrap_or_default();
            expect(message.contains(expected), message)
        }
    }
}

fn expect(holds: bool, otherwise: &str) -> Result<(), Failed> {
    if holds { Ok(()) } else { Err(otherwise.into()) }
}

fn mounts() -> Result<String, Failed> {
    Ok(fs::read_to_string("/proc/self/mountinfo")?)
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime can be made");
    runtime.block_on(future)
}

#[expect(
    clippy::disallowed_methods,
    reason = "a test program reads its own variables"
)]
fn required() -> bool {
    let required = std::env::var("STAGEX_REQUIRE").unwrap_or_default();
    required.split(',').any(|name| name.trim() == "native")
}
