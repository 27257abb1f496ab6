//! How long it takes to plan a tree, and to find nothing to do in it.
//!
//! `cargo bench -p make --bench tree -- TREE` takes a copy of the packages of the tree in the
//! directory `TREE`, without their sources, which only a build reads. With a number instead of a
//! directory, as many packages are generated, each of which needs up to three others. What is
//! recorded is made by an engine that makes empty images.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench prints, and what it cannot do ends it"
)]

#[path = "../tests/support/nothing.rs"]
mod nothing;

use std::fmt::Write as _;
use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use backend_api::Network;
use camino::{Utf8Path, Utf8PathBuf};
use make::{Job, Local, Options, Outcome, Present, Profile, Report, Space};
use nothing::Nothing;
use package_tree::{DEFAULT_PLATFORM, Plan, Tree};
use state::Directories;
use tokio::runtime::Runtime;
use tokio::sync::watch;

/// How often each thing is measured.
const RUNS: usize = 11;
/// Above this many packages there is no recorded state: making it would take longer than the rest.
const RECORDED: usize = 2_000;

fn main() {
    let asked: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with("--"))
        .collect();
    let temporary = tempfile::tempdir().unwrap();
    let root = Utf8Path::from_path(temporary.path()).unwrap();
    match asked.first().map(String::as_str) {
        Some(text) if text.parse::<usize>().is_err() => copy(Utf8Path::new(text), root),
        number => generate(number.map_or(500, |text| text.parse().unwrap()), root),
    }

    let plan = Arc::new(plan(root));
    let count = plan.packages.len();
    println!("{count} outputs");
    report("planned", &measure(|| drop(self::plan(root))));
    if count > RECORDED {
        return;
    }
    let runtime = Runtime::new().unwrap();
    let directories = Directories::of_tree(root);
    let made = make(&runtime, &directories, &plan);
    let is_there = |(name, outcome): &(String, Outcome)| match outcome {
        Outcome::Failed(failed) => panic!("{name}: {failed}"),
        outcome => assert!(outcome.digest().is_some(), "{name} was not made"),
    };
    made.packages.iter().for_each(is_there);
    // Files have to rest before their hashes are remembered.
    std::thread::sleep(Duration::from_secs(5));
    make(&runtime, &directories, &plan);
    let nothing = measure(|| {
        let report = make(&runtime, &directories, &plan);
        let fresh = |(_, outcome): &(String, Outcome)| matches!(outcome, Outcome::Fresh(_));
        assert!(report.packages.iter().all(fresh), "there was nothing to do");
    });
    report("nothing to do", &nothing);
}

fn plan(root: &Utf8Path) -> Plan {
    let tree = Tree::open(root).unwrap_or_else(|problems| panic!("{problems:?}"));
    tree.plan(&[], DEFAULT_PLATFORM, Profile::STAGEX_2026.build_arguments)
        .unwrap_or_else(|problems| panic!("{problems:?}"))
}

fn make(runtime: &Runtime, directories: &Directories, plan: &Arc<Plan>) -> Report {
    let engine = Arc::new(Nothing::default());
    let job = Job {
        given: None,
        proven: Arc::default(),
        profile: Profile::STAGEX_2026,
        directories: directories.clone(),
        plan: Arc::clone(plan),
        hermetic: None,
        executor: Arc::new(Local::new(
            Arc::clone(&engine) as _,
            nothing::ready(),
            false,
            Network::Default,
        )),
        sources: Arc::new(Present::new(directories.root().to_owned())),
        options: Options {
            jobs: std::thread::available_parallelism().unwrap().get(),
            keep_going: false,
            no_cache: false,
            space: Space::Checked,
        },
    };
    let (_sender, interrupted) = watch::channel(false);
    let report = runtime
        .block_on(make::make(job, Arc::new(()), interrupted))
        .unwrap();
    let built = |(_, outcome): &&(String, Outcome)| matches!(outcome, Outcome::Built { .. });
    assert_eq!(engine.built(), report.packages.iter().filter(built).count());
    report
}

fn measure(mut work: impl FnMut()) -> Vec<Duration> {
    let mut times: Vec<Duration> = (0..RUNS)
        .map(|_| {
            let start = Instant::now();
            work();
            start.elapsed()
        })
        .collect();
    times.sort();
    times
}

fn report(what: &str, times: &[Duration]) {
    let milliseconds = |time: Duration| time.as_secs_f64() * 1000.0;
    println!(
        "{what}: {:.1} ms at best, {:.1} ms in the middle of {}",
        milliseconds(times[0]),
        milliseconds(times[times.len() / 2]),
        times.len()
    );
}

/// Copies the packages of a tree without their sources.
fn copy(from: &Utf8Path, to: &Utf8Path) {
    let packages = from.join("packages");
    let mut pending = vec![packages.clone()];
    while let Some(directory) = pending.pop() {
        let target = to
            .join("packages")
            .join(directory.strip_prefix(&packages).unwrap());
        fs::create_dir_all(&target).unwrap();
        for entry in directory.read_dir_utf8().unwrap() {
            let entry = entry.unwrap();
            let (path, target) = (entry.path(), target.join(entry.file_name()));
            let kind = entry.file_type().unwrap();
            if kind.is_dir() {
                pending.push(path.to_owned());
            } else if kind.is_symlink() {
                std::os::unix::fs::symlink(fs::read_link(path).unwrap(), target).unwrap();
            } else if entry.file_name() == "package.toml" {
                let text = fs::read_to_string(path).unwrap();
                fs::write(target, without_sources(&text)).unwrap();
            } else {
                fs::copy(path, target).unwrap();
            }
        }
    }
}

fn without_sources(manifest: &str) -> String {
    let mut of_sources = false;
    let mut text = String::new();
    for line in manifest.lines() {
        if line.starts_with('[') {
            of_sources = line.starts_with("[sources");
        }
        if !of_sources {
            text.push_str(line);
            text.push('\n');
        }
    }
    text
}

/// Generates packages, each of which needs up to three of those before it.
fn generate(count: usize, root: &Utf8Path) {
    let stage = |package: usize| package % 50;
    for package in 0..count {
        let directory: Utf8PathBuf =
            root.join(format!("packages/s{:02}/p{package:06}", stage(package)));
        fs::create_dir_all(&directory).unwrap();
        let mut containerfile = String::new();
        let back = [1, 17, 301];
        let needed = || back.iter().filter_map(|back| package.checked_sub(*back));
        for need in needed() {
            let reference = format!("stagex/s{:02}-p{need:06}", stage(need));
            let _ = writeln!(containerfile, "FROM {reference} AS p{need}");
        }
        containerfile.push_str("FROM scratch AS build\n");
        for need in needed() {
            let _ = writeln!(containerfile, "COPY --from=p{need} . /");
        }
        containerfile.push_str(
            "ARG VERSION\nWORKDIR /p-${VERSION}\nRUN --network=none <<-EOF\n\tset -eux\n\t\
             ./configure --prefix=/usr\n\tmake -j \"$(nproc)\"\n\tmake install\nEOF\n\
             FROM scratch\nCOPY --from=build /rootfs/ /\n",
        );
        fs::write(directory.join("Containerfile"), containerfile).unwrap();
        let manifest = format!("[package]\nname = \"p{package:06}\"\nversion = \"1.{package}\"\n");
        fs::write(directory.join("package.toml"), manifest).unwrap();
    }
}
