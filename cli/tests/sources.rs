//! `stagex make` fetches what it builds, from a server on loopback, on each runtime that is here; those that
//! `STAGEX_REQUIRE` names must be.

#![expect(
    clippy::unwrap_used,
    reason = "in a test, what cannot be made is a failure"
)]
#![expect(
    clippy::disallowed_types,
    reason = "the program itself is what is tested"
)]

#[expect(dead_code, reason = "other tests use the rest")]
mod engines;
#[expect(dead_code, reason = "other tests use the rest")]
#[path = "../../crates/fetch/tests/server/mod.rs"]
mod server;

use std::fs;
use std::process::{Command, ExitCode};

use camino::{Utf8Path, Utf8PathBuf};
use libtest_mimic::Failed;
use server::{Server, file};
use sha2::{Digest as _, Sha256};

fn main() -> ExitCode {
    engines::run("a_build_fetches_what_it_needs", fetches)
}

/// The contents of the sources.
const BODIES: [&str; 2] = ["one", "two"];

/// A tree of two packages with a source each, of which the second needs the first.
struct Scene {
    tree: tempfile::TempDir,
    runtime: String,
    program: Utf8PathBuf,
}

impl Scene {
    fn new(server: &Server, runtime: &str, program: &Utf8Path) -> Self {
        let tree = tempfile::tempdir_in("/var/tmp").unwrap();
        for (number, body) in BODIES.iter().enumerate() {
            let directory = tree.path().join(format!("packages/core/p{number}"));
            let hash = printable::hex(&Sha256::digest(body));
            let url = server.url(&format!("/{number}"));
            let manifest = format!(
                "[package]\nname = \"p{number}\"\nversion = \"1\"\n[sources.main]\nhash = \"{hash}\"\n\
                 file = \"x\"\nmirrors = [\"{url}\"]\n"
            );
            let base = ["scratch", "stagex/core-p0"][number];
            fs::create_dir_all(&directory).unwrap();
            fs::write(directory.join("package.toml"), manifest).unwrap();
            let containerfile = format!("FROM {base}\nCOPY fetch/x /x{number}\n");
            fs::write(directory.join("Containerfile"), containerfile).unwrap();
            server.on(&format!("/{number}"), [file(body.as_bytes(), "")]);
        }
        Self {
            tree,
            runtime: runtime.to_owned(),
            program: program.to_owned(),
        }
    }

    /// Runs `stagex make` with more words, and returns its code, its results and its messages.
    fn make(&self, words: &[&str]) -> (i32, String, String) {
        self.run("make", words)
    }

    fn run(&self, command_name: &str, words: &[&str]) -> (i32, String, String) {
        let engine = format!("{}={}", self.runtime, self.program);
        let mut command = Command::new(env!("CARGO_BIN_EXE_stagex"));
        command
            .arg("-C")
            .arg(self.tree.path())
            .args(["--runtime", &self.runtime, command_name])
            .args(words)
            .env("XDG_CACHE_HOME", self.tree.path().join("cache"))
            .env("XDG_CONFIG_HOME", self.tree.path().join("configuration"));
        if self.runtime != "native" {
            command.args(["--engine", &engine]);
        }
        for variable in [
            "http_proxy",
            "all_proxy",
            "HTTP_PROXY",
            "ALL_PROXY",
            "STAGEX_STORE",
        ] {
            command.env_remove(variable);
        }
        let output = command.output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let code = output.status.code().unwrap_or(-1);
        (code, text(&output.stdout), text(&output.stderr))
    }

    fn source(&self, number: usize) -> std::path::PathBuf {
        self.tree.path().join(format!("fetch/core/p{number}/x"))
    }
}

/// What native keeps belongs to other users where this one is not root: only stagex removes it.
impl Drop for Scene {
    fn drop(&mut self) {
        let _ = self.make(&["clean", "--quiet"]);
    }
}

fn fetches(runtime: &str, program: &Utf8Path) -> Result<(), Failed> {
    let server = Server::start();
    let scene = Scene::new(&server, runtime, program);

    // Without the network all that is missing is named, and nothing is built.
    let (code, results, messages) = scene.make(&["--no-fetch"]);
    let names = ["core/p0/x", "core/p1/x"];
    if code != 1 || !names.iter().all(|name| messages.contains(name)) || !results.is_empty() {
        return Err(format!("--no-fetch: {code}\n{results}{messages}").into());
    }
    let (code, explained, messages) = scene.make(&["--dry-run", "--explain"]);
    if code != 0 || !names.iter().all(|name| explained.contains(name)) {
        return Err(format!("--explain: {code}\n{explained}{messages}").into());
    }
    if server.requests("/0").len() + server.requests("/1").len() != 0 {
        return Err("something was fetched".into());
    }

    // A file of the name that is none of the package's is replaced.
    fs::create_dir_all(scene.source(1).parent().unwrap())?;
    fs::write(scene.source(1), "of an older version")?;
    let (code, first, messages) = scene.make(&[]);
    if code != 0 || first.lines().count() != 2 {
        return Err(format!("make: {code}\n{first}{messages}").into());
    }
    for (number, body) in BODIES.iter().enumerate() {
        if fs::read_to_string(scene.source(number))? != *body {
            return Err(format!("p{number} has another source").into());
        }
    }

    // What is in the store is not fetched again, also where nothing may be; and a seed takes the store's place.
    let seed = scene.tree.path().join("seed.tar");
    for word in ["--export", "--import"] {
        let (code, _, messages) = scene.run("fetch", &[word, seed.to_str().unwrap()]);
        if code != 0 {
            return Err(format!("fetch {word}: {code}\n{messages}").into());
        }
        if word == "--export" {
            fs::remove_dir_all(scene.tree.path().join("fetch"))?;
            fs::remove_dir_all(scene.tree.path().join("cache/stagex/sources"))?;
        }
    }
    let (code, second, messages) = scene.make(&["--no-fetch", "--offline", "--no-cache"]);
    if code != 0 || second != first {
        return Err(format!("from the store: {code}\n{first}{second}{messages}").into());
    }
    let asked = (server.requests("/0").len(), server.requests("/1").len());
    if asked != (1, 1) {
        return Err(format!("asked {asked:?} times").into());
    }
    Ok(())
}
