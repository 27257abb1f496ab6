//! Follows `docs/adding-a-backend.md` to the letter: writes the files that it shows into an empty
//! directory, builds them as a crate outside of this workspace, and runs the crate's tests against
//! the live engine. Only the path of the checkout is put in.
//!
//! Where the engine is not here the test is ignored with the reason, unless `STAGEX_REQUIRE` has
//! `buildah`: then it fails. It is ignored for an ordinary user as well.

#![expect(
    clippy::unwrap_used,
    reason = "in a test, what cannot be made is a failure"
)]

use std::collections::BTreeMap;
use std::fs;
use std::process::ExitCode;

use backend_api::Availability;
use camino::{Utf8Path, Utf8PathBuf};
use libtest_mimic::{Arguments, Failed, Trial};
use process::Invocation;

/// What the page writes for the path of the checkout.
const PLACE: &str = "/path/to/stagex";
/// The program that the page's backend drives.
const ENGINE: &str = "buildah";
/// A part of the names of the cases that are run: the page's backend passes all, in minutes.
const CASES: &str = "hard-link";
/// What cargo needs to know, and children do not see by themselves.
const CARGO_VARIABLES: [&str; 3] = ["CARGO_HOME", "RUSTUP_HOME", "RUSTUP_TOOLCHAIN"];

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let trial = Trial::test("the_page_yields_a_backend_that_passes", follow);
    let trial = match absence() {
        // The page says so of its backend: no engine that is required would change it.
        _ if !rustix::process::geteuid().is_root() => trial
            .with_kind("the page's backend works for root only")
            .with_ignored_flag(true),
        Some(why) => {
            let is_required = words("STAGEX_REQUIRE").iter().any(|word| word == ENGINE);
            trial.with_kind(why).with_ignored_flag(!is_required)
        }
        None => trial,
    };
    libtest_mimic::run(&arguments, vec![trial]).exit_code()
}

fn follow() -> Result<(), Failed> {
    let checkout = Utf8Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let page = fs::read_to_string(checkout.join("docs/adding-a-backend.md"))?;
    // Outside of the checkout, as a newcomer's crate would be.
    let temporary = tempfile::tempdir_in("/var/tmp")?;
    let directory = Utf8Path::from_path(temporary.path()).unwrap();
    for (path, text) in files(&page) {
        let path = directory.join(path);
        fs::create_dir_all(path.parent().unwrap())?;
        fs::write(path, text.replace(PLACE, checkout.as_str()))?;
    }
    fs::copy(checkout.join("Cargo.lock"), directory.join("Cargo.lock"))?;

    cargo(directory, &["--test", "contract"])?;
    let output = cargo(directory, &["--test", "cases", "--", CASES])?;
    if output.contains("test result: ok. 0 passed") {
        return Err(format!("no case ran:\n{output}").into());
    }
    Ok(())
}

/// Returns the files that a page shows: each fenced block whose info string names a path behind
/// the language.
fn files(page: &str) -> BTreeMap<&str, String> {
    let mut files = BTreeMap::new();
    let mut current: Option<&str> = None;
    for line in page.lines() {
        match (line.strip_prefix("```"), current) {
            (Some(info), None) => {
                current = Some(info.split_once(' ').map_or("", |(_, path)| path));
            }
            (Some(_), Some(_)) => current = None,
            (None, Some(path)) if !path.is_empty() => {
                let text: &mut String = files.entry(path).or_default();
                text.push_str(line);
                text.push('\n');
            }
            (None, _) => {}
        }
    }
    files
}

/// Runs `cargo test` in `directory`, and returns what it printed.
fn cargo(directory: &Utf8Path, arguments: &[&str]) -> Result<String, Failed> {
    // Kept between runs: nearly all of it are libraries, and this project's crates.
    let target = Utf8PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("adding-a-backend");
    let mut cargo = Invocation::new(env!("CARGO").into())
        .directory(directory)
        .arguments(["test", "--offline", "--quiet"])
        .arguments(arguments)
        .variable("CARGO_TARGET_DIR", target.as_str())
        .variable("STAGEX_REQUIRE", "bud");
    for name in CARGO_VARIABLES {
        if let Some(value) = words(name).first() {
            cargo = cargo.variable(name, value);
        }
    }
    let done = block_on(cargo.run())?;
    let output = format!("{}{}", done.stdout_text(), done.stderr);
    if done.succeeded() {
        Ok(output)
    } else {
        Err(format!("cargo test {}:\n{output}", arguments.join(" ")).into())
    }
}

/// Returns why the page's backend cannot build here, if so.
fn absence() -> Option<String> {
    let backend =
        runtimes::backend(ENGINE, &BTreeMap::new(), &runtimes::ProbeCache::none()).unwrap();
    match block_on(backend.probe()) {
        Availability::Ready(_) => None,
        Availability::Unavailable(why) => Some(format!("{} (hint: {})", why.message, why.hint)),
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a test program reads its own variables"
)]
fn words(name: &str) -> Vec<String> {
    let text = std::env::var(name).unwrap_or_default();
    let words = text.split(',').map(str::trim);
    words
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.unwrap().block_on(future)
}
