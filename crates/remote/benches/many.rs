//! How many actions a second the client plans and submits, and how much memory it takes for a large tree.
//!
//! `cargo bench -p remote --bench many -- PROGRAM COUNT JOBS` generates COUNT packages in 40 levels, each of which needs up to
//! three of the levels before it, and has `PROGRAM --remote ... make --jobs JOBS` build them by a server that answers at
//! once, with the same image for all of them. Nothing is built.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_types,
    reason = "a bench prints, what it cannot do ends it, and it starts the program that is measured"
)]

#[path = "../tests/support/at_once.rs"]
#[expect(dead_code, reason = "other tests use the rest")]
mod at_once;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use at_once::AtOnce;
use tokio::runtime::Runtime;

/// How many levels a tree has.
const LEVELS: usize = 40;
/// How often the memory of the client is looked at.
const INTERVAL: Duration = Duration::from_millis(50);
/// Generates packages in levels, each of which needs up to three of the levels before it.
fn generate(count: usize, root: &Path) {
    let width = count.div_ceil(LEVELS);
    let stage = |package: usize| package % 50;
    for package in 0..count {
        let name = format!("p{package:06}");
        let directory = root.join(format!("packages/s{:02}/{name}", stage(package)));
        fs::create_dir_all(&directory).unwrap();
        let mut containerfile = "FROM scratch AS build\n".to_owned();
        let back = [width, width + 16, 3 * width];
        for need in back.iter().filter_map(|back| package.checked_sub(*back)) {
            let from = format!("stagex/s{:02}-p{need:06}", stage(need));
            let _ = writeln!(containerfile, "COPY --from={from} . /");
        }
        let _ = write!(
            containerfile,
            "RUN --network=none [\"/bin/make\", \"{name}\"]\nFROM scratch\nCOPY --from=build /rootfs/ /\n"
        );
        fs::write(directory.join("Containerfile"), containerfile).unwrap();
        let manifest = format!("[package]\nname = \"{name}\"\nversion = \"1.{package}\"\n");
        fs::write(directory.join("package.toml"), manifest).unwrap();
    }
}

/// Waits for a process, and returns how much memory it has had at most, in KiB.
fn watch(child: &mut Child) -> u64 {
    let status = PathBuf::from(format!("/proc/{}/status", child.id()));
    let mut most = 0;
    loop {
        if let Some(ended) = child.try_wait().unwrap() {
            assert!(ended.success(), "the client ended with {ended}");
            return most;
        }
        let text = fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let found = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok());
        most = most.max(found.unwrap_or(0));
        std::thread::sleep(INTERVAL);
    }
}

fn main() {
    let asked: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with("--"))
        .collect();
    let [program, count, jobs] = asked.as_slice() else {
        println!("which PROGRAM, how many packages, how many at once?");
        return;
    };
    let temporary = tempfile::tempdir().unwrap();
    generate(count.parse().unwrap(), temporary.path());
    let runtime = Runtime::new().unwrap();
    let address = format!(
        "grpc://127.0.0.1:{}",
        runtime.block_on(AtOnce::new().serve())
    );
    let start = Instant::now();
    let mut client = Command::new(program)
        .current_dir(temporary.path())
        .args(["--quiet", "--remote", &address, "make", "--ignore-space"])
        .args(["--jobs", jobs])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let memory = watch(&mut client);
    let seconds = start.elapsed().as_secs_f64();
    let rate = count.parse::<f64>().unwrap() / seconds;
    println!(
        "{count} packages, {jobs} at once: {seconds:.1} s, {rate:.0} actions a second; the client had {} MiB at most",
        memory >> 10
    );
}
