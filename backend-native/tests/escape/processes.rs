//! Processes: what a RUN can see, open, call and signal of the machine that it is run on.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use backend_api::Network;
use libtest_mimic::Failed;

use crate::support::{self, Build, SECRET, expect, mounts, refused};

pub(crate) fn the_roots_of_processes_are_the_builds() -> Result<(), Failed> {
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

pub(crate) fn no_device_but_those_of_every_build_can_be_opened() -> Result<(), Failed> {
    let build = Build::new();
    // The numbers of the machine's memory, of whatever disk it has, and of the device of zeroes:
    // that can be read where any can.
    // Some machines show an ordinary user none.
    let disks = fs::read_to_string("/proc/partitions").unwrap_or_default();
    let disk = disks.lines().skip(2).find_map(|line| {
        let mut numbers = line.split_whitespace();
        Some(format!("{} {}", numbers.next()?, numbers.next()?))
    });
    let disk = disk.unwrap_or_else(|| "8 0".to_owned());
    let flags = "--mount=type=cache,target=/cache --mount=type=tmpfs,target=/memory \
                 --mount=type=bind,target=/bound,rw";
    let places = "/ /dev /dev/shm /tmp /cache /memory /bound";
    let script = format!(
        "for place in {places}; do mkdir -p $place; \
           mknod $place/disk b {disk}; mknod $place/memory c 1 1; \
           mknod $place/any c 1 5; for name in disk memory any; do \
             [ $(head -c 1 $place/$name 2>/dev/null | wc -c) = 0 ] || echo opened $place/$name; \
           done; done; \
         head -c 3 /dev/zero | wc -c"
    );
    let built = build.shell_with(flags, &script)?;
    expect(!built.output.contains("opened"), &built.output)?;
    expect(built.output.contains('3'), &built.output)
}

pub(crate) fn nothing_can_be_mounted() -> Result<(), Failed> {
    let build = Build::new();
    // Other programs of the machine may mount what they like meanwhile, elsewhere.
    let places = ["/m", "/proc", "/etc/hosts", build.directory.as_str()];
    let before = mounts(&places)?;
    expect(!before.is_empty(), "nothing is mounted at /proc")?;
    let built = build.shell(
        "mkdir /m; mount -t tmpfs none /m && echo done; mount --bind /bin /m && echo done; \
         umount /proc && echo done; umount /etc/hosts && echo done; \
         unshare -m true && echo done; unshare -U true && echo done; \
         nsenter -t 1 -m true && echo done; pivot_root / /m && echo done; true",
    )?;
    expect(!built.output.contains("done"), &built.output)?;
    expect(
        mounts(&places)? == before,
        "the machine's mounts have changed",
    )
}

pub(crate) fn the_machines_settings_can_only_be_read() -> Result<(), Failed> {
    let build = Build::new();
    let built = build.shell(
        "for file in $(find /proc/sys /proc/irq /proc/bus /proc/fs /proc/sysrq-trigger /sys \
             -type f 2>/dev/null) /etc/hosts /etc/resolv.conf; do \
           { true >>$file; } 2>/dev/null && echo written $file; done; \
         hostname other 2>/dev/null && echo written; \
         for file in kcore keys timer_list sched_debug; do \
           [ ! -e /proc/$file ] || [ $(head -c 1 /proc/$file | wc -c) = 0 ] || echo seen $file; done",
    )?;
    let is_shut = !built.output.contains("written") && !built.output.contains("seen");
    expect(is_shut, &built.output)
}

pub(crate) fn no_descriptor_is_left_open() -> Result<(), Failed> {
    let build = Build::new();
    // The listing itself has one more, of the directory that it lists.
    let built = build.shell("ls /proc/self/fd | wc -l; ls -l /proc/self/fd")?;
    expect(
        built.output.lines().any(|line| line.trim() == "4"),
        &built.output,
    )?;
    expect(!built.output.contains("socket:"), &built.output)
}

pub(crate) fn no_other_process_can_be_seen_or_signalled() -> Result<(), Failed> {
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

pub(crate) fn what_runs_on_ends_with_its_step() -> Result<(), Failed> {
    let build = Build::new();
    let mark = format!("{}", 100_000 + std::process::id());
    // Whoever waited for them would do so for more than a day.
    build.shell(&format!(
        "(setsid sleep {mark} &) ; (trap '' TERM HUP; sleep {mark}) & true"
    ))?;
    let left = fs::read_dir("/proc")?.filter_map(Result::ok).any(|entry| {
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line)
            .replace('\0', " ")
            .contains(&format!("sleep {mark}"))
    });
    expect(!left, "a process has outlived its step")
}

/// What a builder has open must be closed before the process can name it: its working directory, or
/// its program.
pub(crate) fn no_descriptor_of_the_builder_is_a_way_out() -> Result<(), Failed> {
    let build = Build::new();
    let secret = build.outside().join("secret");
    for number in 3..24 {
        let up = "../".repeat(24);
        let built = build.run(&format!(
            "WORKDIR /proc/self/fd/{number}\nRUN [\"/bin/busybox\", \"cat\", \"{up}{secret}\"]"
        ));
        let said = match built {
            Ok(built) => built.output,
            Err(error) => error.message().unwrap_or_default().to_owned(),
        };
        expect(!said.contains(SECRET), &format!("by {number}: {said}"))?;
        let program = format!("/proc/self/fd/{number}/{up}bin/busybox");
        let built = build.run(&format!("RUN [\"{program}\", \"true\"]"));
        refused(built, "cannot execute")?;
    }
    Ok(())
}

pub(crate) fn a_held_directory_is_no_way_out_of_a_root() -> Result<(), Failed> {
    let build = Build::new();
    support::put_call(&build, 64, "call")?;
    let secret = build.outside().join("secret");
    // A directory is held, the root becomes one below it, and from the held one it goes up.
    let ups = ", 80 .. ".repeat(24);
    let built = build.run(&format!(
        "COPY call /bin/\n\
         RUN [\"/bin/busybox\", \"mkdir\", \"/deep\"]\n\
         RUN [{words}]",
        words = format!("/bin/call 2 / 65536 , 161 /deep , 81 3 {ups}, 161 . , 2 {secret} 0")
            .split_whitespace()
            .map(|word| format!("{word:?}"))
            .collect::<Vec<_>>()
            .join(", ")
    ))?;
    let results: Vec<_> = built.output.lines().collect();
    // All of it works, as it does outside, and what was opened last is not there.
    expect(results.last() == Some(&"-2"), &built.output)?;
    expect(results[..3] == ["3", "0", "0"], &built.output)
}

pub(crate) fn the_machines_devices_are_not_a_builds() -> Result<(), Failed> {
    const NAMES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];
    type Facts = (i64, i64, u32, u32, u32);

    let build = Build::new();
    let facts = || -> std::io::Result<Vec<Facts>> {
        let facts = NAMES.map(|name| {
            let status = fs::metadata(format!("/dev/{name}"))?;
            let owner = (status.uid(), status.gid());
            Ok((
                status.mtime(),
                status.ctime(),
                status.mode(),
                owner.0,
                owner.1,
            ))
        });
        facts.into_iter().collect()
    };
    let before = facts()?;
    // That it was touched now, anybody may set who may write to it.
    let script = format!(
        "for way in /proc/self/fd/0 /proc/1/fd/0 /dev/stdin {}; do \
           touch $way; touch -d @1 $way; chmod 600 $way; chown 1:1 $way; done 2>/dev/null; \
         head -c 3 /dev/zero | wc -c; cat /dev/null; echo text >/dev/null",
        NAMES.map(|name| format!("/dev/{name}")).join(" ")
    );
    let built = build.shell(&script)?;
    expect(built.output == "3\n", &built.output)?;
    let after = facts()?;
    expect(
        before == after,
        &format!("a build has changed the machine's devices: {before:?}, {after:?}"),
    )
}

/// Until it is another program, a process is a copy of the builder: a loader that the build brings is
/// started in its place, and finds it as its own.
pub(crate) fn the_builders_program_cannot_be_changed() -> Result<(), Failed> {
    let program = std::env::current_exe()?;
    let mode = |path: &std::path::Path| -> Result<u32, Failed> {
        Ok(fs::metadata(path)?.permissions().mode())
    };
    let before = mode(&program)?;
    let build = Build::new();
    support::put_call(&build, 64, "loader")?;
    // As a 64-bit program on amd64 names it. To change the mode: call 90.
    let another = (before & 0o777) ^ 0o001;
    let built = build.run(&format!(
        "COPY loader /lib64/ld-linux-x86-64.so.2\n\
         RUN [\"/proc/self/exe\", \"90\", \"/proc/self/exe\", \"{another}\", \",\", \
              \"2\", \"/proc/self/exe\", \"1\"]"
    ))?;
    expect(
        mode(&program)? == before,
        "a build has changed the mode of the builder's program",
    )?;
    // It was tried, and what it could open to write is none of the machine's files.
    expect(built.output.lines().count() == 2, &built.output)?;
    expect(
        built
            .output
            .lines()
            .nth(1)
            .is_some_and(|line| line.starts_with('-')),
        &built.output,
    )
}

/// The fourteen that Docker leaves to a container; on the machine's network all but that to raw
/// packets; and none to whom is not root.
pub(crate) fn rights_are_those_of_a_container() -> Result<(), Failed> {
    for (network, expected) in [
        (Network::None, "00000000a80425fb"),
        (Network::Default, "00000000a80405fb"),
    ] {
        let mut build = Build::new();
        build.network = network;
        let built = build.run(
            "RUN [\"/bin/busybox\", \"grep\", \"Cap\", \"/proc/self/status\"]\n\
             USER 1000:1000\n\
             RUN [\"/bin/busybox\", \"grep\", \"Cap\", \"/proc/self/status\"]",
        )?;
        let none = "0000000000000000";
        let rights: Vec<_> = built
            .output
            .lines()
            .filter_map(|line| line.split_whitespace().nth(1))
            .collect();
        // What is inherited, allowed, in effect, the most there can be, and ambient.
        let of_root = [none, expected, expected, expected, none];
        let of_others = [none, none, none, expected, none];
        expect(rights == [of_root, of_others].concat(), &built.output)?;
    }
    Ok(())
}

pub(crate) fn what_is_shown_of_the_system_can_only_be_read() -> Result<(), Failed> {
    for network in [Network::None, Network::Default] {
        let mut build = Build::new();
        build.network = network;
        let built = build.shell("grep -E ' /sys(/[^ ]*)? ' /proc/self/mountinfo")?;
        let mut mounts = built.output.lines().map(|line| line.split(' ').nth(5));
        expect(
            mounts.all(|options| options.is_some_and(|options| options.starts_with("ro,"))),
            &built.output,
        )?;
    }
    Ok(())
}

pub(crate) fn control_groups_cannot_be_reached() -> Result<(), Failed> {
    let mut build = Build::new();
    build.network = Network::Default;
    let built = build.shell(
        "find /sys/fs/cgroup -mindepth 1 | head -n 3; grep -v ':/$' /proc/self/cgroup; \
         mkdir /sys/fs/cgroup/mine 2>/dev/null && echo made; true",
    )?;
    expect(built.output.is_empty(), &built.output)
}

/// A kernel that cannot keep them apart is older than 6.12, or has no Landlock: then it is said.
pub(crate) fn sockets_without_a_file_are_the_machines_own() -> Result<(), Failed> {
    use std::os::linux::net::SocketAddrExt as _;
    use std::os::unix::net::{SocketAddr, UnixListener};

    let name = format!("stagex-escape-{}", std::process::id());
    let _listener = UnixListener::bind_addr(&SocketAddr::from_abstract_name(&name)?)?;
    let address: String = [1, 0, 0]
        .iter()
        .chain(name.as_bytes())
        .fold(String::from("x"), |text, byte| {
            text + &format!("{byte:02x}")
        });
    let length = 3 + name.len();
    let mut build = Build::new();
    build.network = Network::Host;
    support::put_call(&build, 64, "call")?;
    let call = format!("/bound/call 444 0 0 1 , 41 1 1 0 , 42 % {address} {length}");
    let built = build.shell_with("--mount=type=bind,target=/bound", &call)?;
    let results: Vec<i64> = built
        .output
        .lines()
        .map(str::parse)
        .collect::<Result<_, _>>()?;
    let [version, _, connected] = results[..] else {
        return Err(built.output.into());
    };
    expect((connected == 0) == (version < 6), &built.output)
}

/// The calls by their numbers on 64 bits and on 32, and what each is given.
const REFUSED: [(&str, u32, u32, &str); 27] = [
    ("keyctl", 250, 288, "0 -3 0"),
    ("add_key", 248, 286, "user name key 3 -3"),
    ("request_key", 249, 287, "user name 0 -3"),
    ("unshare a namespace of users", 272, 310, "268435456"),
    ("unshare a namespace of mounts", 272, 310, "131072"),
    ("clone into a namespace of users", 56, 120, "268435473 0"),
    ("setns", 308, 346, "0 0"),
    ("io_uring_setup", 425, 425, "1 ="),
    ("bpf", 321, 357, "0 = 64"),
    ("perf_event_open", 298, 336, "= 0 -1 -1 0"),
    ("userfaultfd", 323, 374, "1"),
    ("open_by_handle_at", 304, 342, "0 = 0"),
    ("fanotify_init", 300, 338, "0 0"),
    ("mount", 165, 21, "none / tmpfs 0 ="),
    ("umount2", 166, 52, "/proc 2"),
    ("pivot_root", 155, 217, "/ /"),
    ("fsopen", 430, 430, "tmpfs 0"),
    ("open_tree", 428, 428, "-100 / 1"),
    ("mount_setattr", 442, 442, "-100 / 0 = 32"),
    ("sethostname", 170, 74, "other 5"),
    ("setdomainname", 171, 121, "other 5"),
    ("clock_settime", 227, 264, "0 ="),
    ("settimeofday", 164, 79, "= 0"),
    ("acct", 163, 51, "/accounts"),
    ("syslog", 103, 103, "10 0 0"),
    ("personality without random addresses", 135, 136, "262144"),
    ("pidfd_getfd", 438, 438, "0 0 0"),
];

pub(crate) fn calls_of_the_kernels_own_affairs_are_refused() -> Result<(), Failed> {
    let build = Build::new();
    for bits in [64, 32] {
        let name = format!("call{bits}");
        support::put_call(&build, bits, &name)?;
        let calls = REFUSED.map(|(_, wide, narrow, arguments)| {
            let number = if bits == 64 { wide } else { narrow };
            format!("{number} {arguments}")
        });
        // And one that is told to be unknown, so that whoever asks takes an older one.
        let script = format!("/bound/{name} {} , 435 = 88", calls.join(" , "));
        let built = build.shell_with("--mount=type=bind,target=/bound", &script)?;
        let results: Vec<_> = built.output.lines().collect();
        expect(results.len() == REFUSED.len() + 1, &built.output)?;
        for ((name, ..), result) in REFUSED.iter().zip(&results) {
            expect(
                *result == "-1",
                &format!("{name} on {bits} bits gave {result}"),
            )?;
        }
        expect(results.last() == Some(&"-38"), &built.output)?;
    }
    Ok(())
}

/// The call of 32 bits that all sockets once were made by has its arguments where no filter sees them.
pub(crate) fn old_calls_give_no_other_sockets() -> Result<(), Failed> {
    let build = Build::new();
    support::put_call(&build, 32, "call")?;
    let of = |family: u32, kind: u32| {
        let words = [family, kind, 0].map(u32::to_le_bytes);
        let bytes = words.iter().flatten();
        bytes.fold("102 1 x".to_owned(), |text, byte| {
            text + &format!("{byte:02x}")
        })
    };
    // AF_ALG and AF_VSOCK; and a socket of the usual kind by the call of its own.
    let script = format!(
        "/bound/call {} , {} , 359 38 5 0 , 359 1 1 0",
        of(38, 5),
        of(40, 1)
    );
    let built = build.shell_with("--mount=type=bind,target=/bound", &script)?;
    expect(built.output == "-38\n-38\n-1\n3\n", &built.output)
}

/// Root's mounts are made in a copy of this process's namespace, in which they would show.
pub(crate) fn mounts_of_a_build_are_seen_by_nobody_else() -> Result<(), Failed> {
    if rustix::process::geteuid().is_root() {
        support::share_mounts()?;
    }
    let mut build = Build::new();
    build.watch = |line| {
        let mounts = fs::read_to_string("/proc/thread-self/mountinfo").unwrap_or_default();
        assert!(
            line != "now" || !mounts.contains("overlay overlay rw"),
            "{mounts}"
        );
        SEEN.fetch_add(usize::from(line == "now"), Relaxed);
    };
    build.shell("echo now")?;
    expect(SEEN.load(Relaxed) == 1, "nothing was looked at")
}

static SEEN: AtomicUsize = AtomicUsize::new(0);

pub(crate) fn what_is_built_is_closed_to_others() -> Result<(), Failed> {
    let build = Build::new();
    let built =
        build.shell("cp /bin/busybox /rights; chmod 6777 /rights; touch /open; chmod 777 /open")?;
    for layer in &built.layers {
        let mode = fs::metadata(layer)?.mode() & 0o777;
        expect(mode == 0o600, &format!("a layer has the mode {mode:o}"))?;
    }
    // What is not exported yet lies in directories that only this user may enter.
    let mut build = Build::new();
    build.watch = |line| {
        if let Some(work) = line.strip_prefix("work: ") {
            for directory in ["state", "layers"] {
                let status =
                    fs::metadata(format!("{work}/{directory}")).expect("the directory is there");
                assert_eq!(status.mode() & 0o777, 0o700, "{directory}");
            }
            LOOKED.fetch_add(1, Relaxed);
        }
    };
    let work = build.directory.join("work-1");
    build.shell(&format!("echo 'work: {work}'"))?;
    expect(LOOKED.load(Relaxed) == 1, "nothing was looked at")
}

static LOOKED: AtomicUsize = AtomicUsize::new(0);

/// A terminal takes what is typed into it from whoever has it, and gives it to the next reader: the
/// shell that a build was started from.
pub(crate) fn no_terminal_can_be_typed_into() -> Result<(), Failed> {
    if fs::File::open("/dev/tty").is_err() {
        // Again, with one.
        let program = std::env::current_exe()?;
        let test = "no_terminal_can_be_typed_into";
        // A line for a shell, whatever is in the path.
        let command = format!("\"$PROGRAM\" --exact {test}");
        #[expect(clippy::disallowed_types, reason = "a test runs itself in a terminal")]
        let script = std::process::Command::new("script")
            .args(["--quiet", "--return", "--command", &command, "/dev/null"])
            .env("PROGRAM", &program)
            .output()?;
        let said = String::from_utf8_lossy(&script.stdout).into_owned();
        return expect(script.status.success() && said.contains("1 passed"), &said);
    }
    let build = Build::new();
    support::put_call(&build, 64, "call")?;
    // To type: call 16 with 0x5412.
    let typing: Vec<_> = (0..10)
        .map(|number| format!("16 {number} 21522 x"))
        .collect();
    let script = format!(
        "/bound/call 2 /dev/tty 2 , {} ; ls -l /proc/self/fd",
        typing.join(" , ")
    );
    let built = build.shell_with("--mount=type=bind,target=/bound", &script)?;
    let results = built.output.lines().take(11);
    expect(
        results.clone().all(|line| line.starts_with('-')),
        &built.output,
    )?;
    expect(!built.output.contains("pts"), &built.output)
}
