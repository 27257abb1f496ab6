//! How long a tree takes by a server with 1, 2 and 4 workers whose actions sleep: no longer than it has to, and as long as
//! `stagex graph --simulate` says beforehand. The server is a real one, `buildbox-casd`; see `remote.rs`.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_types,
    clippy::print_stdout,
    reason = "in a test, what cannot be made is a failure; and the program itself is what is tested"
)]

#[expect(dead_code, reason = "other tests use the rest")]
mod engines;
#[expect(dead_code, reason = "other tests use the rest")]
mod program;
#[expect(dead_code, reason = "other tests use the rest")]
mod serving;

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use engines::{expect, variable};
use libtest_mimic::{Arguments, Failed, Trial};
use program::stagex_with;
use serving::{PROGRAMS, Server};

/// What is required where the server has to be there.
const BUILDBOX: &str = "buildbox";
/// Packages are in levels, and each needs two of the level before it.
const LEVELS: usize = 4;
const WIDTH: usize = 10;
/// How long each action sleeps, in seconds: what else it does takes much less.
const PAUSE: &str = "0.8";
/// How much longer than it has to a run may take, and by how much a simulation may be wrong.
const LONGER: f64 = 1.1;
const WRONG: f64 = 0.1;

fn main() -> ExitCode {
    let required = variable("STAGEX_REQUIRE").unwrap_or_default();
    let is_required = required.split(',').any(|word| word == BUILDBOX);
    let absent = PROGRAMS.iter().find(|name| which::which(name).is_err());
    let reason =
        absent.map(|name| format!("{name} is not here: tools/setup {BUILDBOX} installs it"));
    let told = reason.clone();
    let name = "a_run_is_as_short_as_it_can_be_and_as_it_was_simulated";
    let trial = Trial::test(name, move || match told {
        Some(told) => Err(told.into()),
        None => scheduled(),
    });
    let trial = match &reason {
        Some(reason) if !is_required => trial.with_ignored_flag(true).with_kind(reason),
        _ => trial,
    };
    libtest_mimic::run(&Arguments::from_args(), vec![trial]).exit_code()
}

fn name(level: usize, place: usize) -> String {
    format!("p{level}{place}")
}

/// Makes the tree. No package has anything but what tells it from the others.
fn tree() -> tempfile::TempDir {
    let mut packages = Vec::new();
    for level in 0..LEVELS {
        for place in 0..WIDTH {
            let name = name(level, place);
            let mut containerfile = format!("FROM scratch\nCOPY <<-EOF /{name}\n\t{name}\nEOF\n");
            if let Some(below) = level.checked_sub(1) {
                for need in [place, (place + 1) % WIDTH] {
                    let need = self::name(below, need);
                    let _ = writeln!(containerfile, "COPY --from=stagex/core-{need} /{need} /");
                }
            }
            let manifest = format!("[package]\nname = \"{name}\"\n");
            packages.push((format!("core/{name}"), manifest, containerfile));
        }
    }
    let packages: Vec<_> = packages
        .iter()
        .map(|(path, manifest, text)| (path.as_str(), manifest.as_str(), text.as_str()))
        .collect();
    program::tree(&packages)
}

/// Returns what a simulation says.
fn simulated(tree: &Path, workers: usize, targets: &[&str]) -> serde_json::Value {
    let workers = workers.to_string();
    let words = ["graph", "--simulate", &workers, "--format", "json"];
    let ran = stagex_with(tree, &[&words[..], targets].concat(), &[]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    serde_json::from_str(&ran.stdout).unwrap()
}

fn number(simulation: &serde_json::Value, field: &str) -> f64 {
    simulation[field].as_f64().unwrap()
}

fn scheduled() -> Result<(), Failed> {
    let mut server = Server::with_jobs(1);
    let tree = tree();
    let make = |address: &str, jobs: &str, targets: &[&str]| {
        let words = [&["make", "--no-cache", "--jobs", jobs][..], targets].concat();
        let start = Instant::now();
        let ran = stagex_with(tree.path(), &words, &[("STAGEX_REMOTE", address)]);
        (ran, start.elapsed().as_secs_f64())
    };
    // The server gets the program, which is large.
    let (ran, _) = make(&server.address, "1", &["core-p00"]);
    expect(ran.code == 0, &format!("{}\n{}", ran.stderr, server.log()))?;
    server.pauses(PAUSE);
    let mut said = Vec::new();
    let all: [(usize, usize, &[&str]); 3] = [
        // Fewer workers get less to do: these are 10 and 14 packages.
        (1, 10, &["core-p30"]),
        (2, 14, &["core-p30", "core-p31"]),
        (4, LEVELS * WIDTH, &[]),
    ];
    for (workers, packages, targets) in all {
        server.restart_with(workers);
        // What was made before is up to date otherwise.
        let _ = fs::remove_dir_all(tree.path().join("out"));
        let (ran, seconds) = make(&server.address, &workers.to_string(), targets);
        expect(ran.code == 0, &format!("{}\n{}", ran.stderr, server.log()))?;
        let simulated = simulated(tree.path(), workers, targets);
        expect(simulated["measured"] == packages, &simulated.to_string())?;
        let bound = number(&simulated, "longest").max(number(&simulated, "shared"));
        let took = number(&simulated, "seconds");
        said.push(format!(
            "{workers} workers: {seconds:.2} s, at least {bound:.2} s, simulated {took:.2} s"
        ));
        let said = said.join("\n");
        expect(seconds <= bound * LONGER, &said)?;
        expect((took / seconds - 1.0).abs() <= WRONG, &said)?;
    }
    println!("{}", said.join("\n"));
    Ok(())
}
