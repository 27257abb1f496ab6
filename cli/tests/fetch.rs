//! `stagex fetch` as a user runs it: from mirrors on loopback, interrupted, killed, with a full disk, and twice
//! at once.

#![expect(
    clippy::unwrap_used,
    reason = "in a test, what cannot be made is a failure"
)]
#![expect(
    clippy::disallowed_types,
    reason = "the program itself is what is tested"
)]

mod encrypted;
#[expect(dead_code, reason = "other tests use the rest")]
mod program;
mod progress;
mod schema;
mod seeded;
#[expect(dead_code, reason = "other tests use the rest")]
#[path = "../../crates/fetch/tests/server/mod.rs"]
mod server;
#[expect(dead_code, reason = "other tests use the rest")]
mod terminal;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};

use program::{Ran, command, ran, tree};
use rstest::rstest;
use rustix::process::{Pid, Signal, kill_process};
use server::{Act, Server, file, hang_after, status};
use sha2::{Digest as _, Sha256};

/// A tree with packages that have one source each, and its user's directories.
struct Scene {
    tree: tempfile::TempDir,
    bodies: Vec<Vec<u8>>,
}

fn hash(contents: &[u8]) -> String {
    printable::hex(&Sha256::digest(contents))
}

/// Contents of some length, that no other number has.
fn contents(number: usize, length: usize) -> Vec<u8> {
    let mut state = number as u64 + 1;
    let mut byte = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        state.to_be_bytes()[0]
    };
    (0..length).map(|_| byte()).collect()
}

impl Scene {
    /// Makes a tree whose packages `core-p0` and so on have such sources, which a server has.
    fn new(server: &Server, bodies: Vec<Vec<u8>>) -> Self {
        let manifests: Vec<_> = (0..)
            .zip(&bodies)
            .map(|(number, body)| {
                let (url, hash) = (server.url(&format!("/{number}")), hash(body));
                let name = format!("p{number}");
                let text = format!(
                    "[package]\nname = \"{name}\"\n[sources.main]\nhash = \"{hash}\"\nfile = \"x.tar\"\n\
                     mirrors = [\"{url}\"]\n"
                );
                (format!("core/{name}"), text)
            })
            .collect();
        let packages: Vec<_> = manifests
            .iter()
            .map(|(directory, text)| (directory.as_str(), text.as_str(), "FROM scratch\n"))
            .collect();
        Self {
            tree: tree(&packages),
            bodies,
        }
    }

    fn root(&self) -> &Path {
        self.tree.path()
    }

    fn store(&self) -> PathBuf {
        self.root().join("cache/stagex/sources")
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = command(self.root(), words);
        command.env("XDG_CACHE_HOME", self.root().join("cache"));
        for variable in "http_proxy all_proxy HTTP_PROXY ALL_PROXY STAGEX_STORE".split(' ') {
            command.env_remove(variable);
        }
        command
    }

    fn run(&self, words: &[&str]) -> Ran {
        ran(&mut self.command(words))
    }

    /// Fetches with a limit of the system.
    fn run_with_limit(&self, limit: &str) -> Ran {
        let limited = self.command(&["fetch"]);
        let mut shell = Command::new("sh");
        shell
            .args(["-c", &format!("{limit}; exec \"$0\" \"$@\"")])
            .arg(limited.get_program())
            .args(limited.get_args());
        for (name, value) in limited.get_envs() {
            match value {
                Some(value) => shell.env(name, value),
                None => shell.env_remove(name),
            };
        }
        ran(&mut shell)
    }

    fn spawn(&self, words: &[&str]) -> Child {
        let mut command = self.command(words);
        command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    }

    /// Tells how many sources are where they belong; whatever has a source's name is that source.
    fn placed(&self) -> usize {
        let mut count = 0;
        for (number, body) in self.bodies.iter().enumerate() {
            let path = self.root().join(format!("fetch/core/p{number}/x.tar"));
            if let Ok(found) = fs::read(path) {
                assert!(found == *body, "p{number} has other contents");
                count += 1;
            }
        }
        for entry in fs::read_dir(self.store().join("sha256"))
            .into_iter()
            .flatten()
        {
            let entry = entry.unwrap();
            assert_eq!(
                entry.file_name().to_str().unwrap(),
                hash(&fs::read(entry.path()).unwrap())
            );
        }
        count
    }
}

#[test]
fn sources_are_fetched_listed_and_removed() {
    let server = Server::start();
    let scene = Scene::new(
        &server,
        (0..3).map(|number| contents(number, 1000)).collect(),
    );
    for (number, body) in scene.bodies.iter().enumerate() {
        server.on(&format!("/{number}"), [file(body, "\"tag\"")]);
    }
    let listed = scene.run(&["fetch", "--list"]);
    assert_eq!(
        (listed.code, listed.stdout.lines().count()),
        (0, 3),
        "{}",
        listed.stderr
    );
    assert!(
        listed.stderr.contains("3 of 3 sources missing"),
        "{}",
        listed.stderr
    );
    let listed = scene.run(&["fetch", "--list", "--format", "json", "core-p1"]);
    let listed = schema::printed("fetch", &listed.stdout);
    assert_eq!(listed["sources"][0]["outcome"], "missing");

    let one = scene.run(&["fetch", "core-p1", "--format", "json"]);
    assert_eq!((one.code, scene.placed()), (0, 1), "{}", one.stderr);
    let one = schema::printed("fetch", &one.stdout);
    assert_eq!(one["sources"][0]["outcome"], "fetched");
    assert_eq!(one["sources"][0]["bytes"], 1000);

    assert_eq!(scene.run(&["make", "fetch", "--no-fetch"]).code, 2);
    let all = scene.run(&["make", "fetch"]);
    assert_eq!((all.code, scene.placed()), (0, 3), "{}", all.stderr);
    assert!(
        all.stdout.contains("3 sources: 2 fetched"),
        "{}",
        all.stdout
    );
    assert!(
        all.stderr.contains("core-p0: x.tar: fetched"),
        "{}",
        all.stderr
    );

    let cleaned = scene.run(&["clean", "--sources"]);
    assert!(
        cleaned.stdout.contains("removed 3 files"),
        "{}{}",
        cleaned.stdout,
        cleaned.stderr
    );
    assert_eq!(scene.placed(), 3);
    assert_eq!(
        fs::read_dir(scene.store().join("sha256")).unwrap().count(),
        0
    );
}

#[test]
fn what_no_mirror_has_is_named_with_its_place_and_its_mirrors() {
    let server = Server::start();
    let scene = Scene::new(&server, vec![contents(0, 10), contents(1, 10)]);
    server.on("/0", [file(b"<html>", "")]);
    server.on("/1", [file(&scene.bodies[1], "")]);
    let ran = scene.run(&["fetch"]);
    assert_eq!((ran.code, scene.placed()), (1, 1));
    let expected = [
        "core-p0: the source `main` cannot be fetched".to_owned(),
        "declared in packages/core/p0/package.toml:3".to_owned(),
        hash(&scene.bodies[0]),
        format!(
            "{}: the contents are others: sha256 {}",
            server.url("/0"),
            hash(b"<html>")
        ),
        "hint: if you have it, put it at fetch/core/p0/x.tar".to_owned(),
    ];
    for part in expected {
        assert!(
            ran.stderr.contains(&part),
            "{part} is not in {}",
            ran.stderr
        );
    }
    let json = scene.run(&["fetch", "core-p0", "--format", "json"]);
    let document = schema::printed("fetch", &json.stdout);
    assert_eq!(
        (json.code, &document["sources"][0]["outcome"]),
        (1, &"failed".into())
    );

    let offline = scene.run(&["fetch", "--offline"]);
    assert_eq!(offline.code, 1);
    assert!(
        offline.stderr.contains("nothing may reach the network"),
        "{}",
        offline.stderr
    );
    assert_eq!(server.requests("/0").len(), 2);
}

#[test]
fn a_tree_does_not_decide_where_files_are() {
    let server = Server::start();
    let scene = Scene::new(&server, vec![contents(0, 10)]);
    fs::write(
        scene.root().join("stagex.toml"),
        "[fetch]\nstore = \"/tmp/x\"\n",
    )
    .unwrap();
    let ran = scene.run(&["fetch"]);
    assert_eq!(ran.code, 2);
    assert!(
        ran.stderr
            .contains("stagex.toml:2: `store` in [fetch] cannot be set by a tree"),
        "{}",
        ran.stderr
    );
    fs::remove_file(scene.root().join("stagex.toml")).unwrap();
    let inside = scene.root().join("fetch/store");
    let ran = program::ran(scene.command(&["fetch"]).env("STAGEX_STORE", inside));
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("is in the tree"), "{}", ran.stderr);
}

/// Sends a file in pieces, and tells of one of them; nothing follows then.
fn pieces(body: &[u8], sent: &Arc<AtomicUsize>, limit: usize, reached: &mpsc::Sender<()>) -> Act {
    let (body, sent) = (body.to_vec(), Arc::clone(sent));
    let reached = std::sync::Mutex::new(reached.clone());
    let whole = file(&body, "\"tag\"");
    Arc::new(move |request, connection| {
        struct Counting<'a, F>(&'a mut dyn server::Connection, F);
        impl<F: FnMut() -> bool> std::io::Read for Counting<'_, F> {
            fn read(&mut self, bytes: &mut [u8]) -> std::io::Result<usize> {
                self.0.read(bytes)
            }
        }
        impl<F: FnMut() -> bool> std::io::Write for Counting<'_, F> {
            fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
                if !(self.1)() {
                    let _ = self.0.read(&mut [0]);
                    return Err(std::io::ErrorKind::BrokenPipe.into());
                }
                self.0.write(&bytes[..bytes.len().min(10_000)])
            }
            fn flush(&mut self) -> std::io::Result<()> {
                self.0.flush()
            }
        }
        let count = || {
            let number = sent.fetch_add(1, Ordering::SeqCst);
            if number == limit {
                let _ = reached.lock().unwrap().send(());
            }
            number < limit
        };
        whole(request, &mut Counting(connection, count))
    })
}

#[test]
fn a_kill_at_any_moment_leaves_nothing_wrong() {
    let server = Server::start();
    let bodies: Vec<_> = (0..20).map(|number| contents(number, 100_000)).collect();
    let scene = Scene::new(&server, bodies);
    for round in 0..12 {
        let (sender, reached) = mpsc::channel();
        let (sent, limit) = (Arc::default(), 1 + round * 7 % 23);
        for (number, body) in scene.bodies.iter().enumerate() {
            server.on(&format!("/{number}"), [pieces(body, &sent, limit, &sender)]);
        }
        let mut child = scene.spawn(&["fetch"]);
        // The files have more pieces than all rounds together let through.
        reached.recv().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        scene.placed();
    }
    for (number, body) in scene.bodies.iter().enumerate() {
        server.on(&format!("/{number}"), [file(body, "\"tag\"")]);
    }
    let last = scene.run(&["fetch"]);
    assert_eq!(
        (last.code, scene.placed()),
        (0, scene.bodies.len()),
        "{}",
        last.stderr
    );
    let left = fs::read_dir(scene.root().join("fetch/.stagex"))
        .unwrap()
        .count();
    assert_eq!(left, 1, "only the lock stays");
    let partial = fs::read_dir(scene.store().join("partial")).unwrap();
    let left: Vec<_> = partial.map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn an_interruption_keeps_what_has_arrived() {
    let server = Server::start();
    let scene = Scene::new(&server, vec![contents(0, 100_000)]);
    let body = &scene.bodies[0];
    server.on(
        "/0",
        [hang_after(body, "\"tag\"", 40_000), file(body, "\"tag\"")],
    );
    let mut child = scene.spawn(&["fetch"]);
    let partial = scene.store().join("partial").join(hash(body));
    while fs::metadata(&partial).map_or(0, |found| found.len()) < 40_000 {
        assert!(child.try_wait().unwrap().is_none());
        std::thread::yield_now();
    }
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    kill_process(pid, Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let ran = scene.run(&["fetch"]);
    assert_eq!((ran.code, scene.placed()), (0, 1), "{}", ran.stderr);
    let requests = server.requests("/0");
    assert_eq!(requests[1].header("range"), Some("bytes=40000-"));
}

/// A limit of the size of files stands for a disk that is full: the write fails in its middle.
#[rstest]
#[case::at_its_beginning(100_000, 64)]
#[case::far_behind_it(10 << 20, 12_000)]
fn a_full_disk_loses_nothing(#[case] length: usize, #[case] blocks: usize) {
    let server = Server::start();
    let scene = Scene::new(&server, vec![contents(0, length)]);
    server.on("/0", [file(&scene.bodies[0], "\"tag\"")]);
    let full = scene.run_with_limit(&format!("trap '' XFSZ; ulimit -f {blocks}"));
    assert_eq!((full.code, scene.placed()), (5, 0), "{}", full.stderr);
    assert!(full.stderr.contains("cannot write"), "{}", full.stderr);
    assert!(
        full.stderr.contains("it continues where it was"),
        "{}",
        full.stderr
    );
    let ran = scene.run(&["fetch"]);
    assert_eq!((ran.code, scene.placed()), (0, 1), "{}", ran.stderr);
    let range = server.requests("/0")[1].header("range").map(str::to_owned);
    assert_eq!(range, Some(format!("bytes={}-", blocks * 512)));
}

#[test]
fn many_sources_need_few_open_files() {
    let server = Server::start();
    let scene = Scene::new(
        &server,
        (0..300).map(|number| contents(number, 20)).collect(),
    );
    for (number, body) in scene.bodies.iter().enumerate() {
        server.on(&format!("/{number}"), [file(body, "")]);
    }
    let ran = scene.run_with_limit("ulimit -n 250");
    assert_eq!((ran.code, scene.placed()), (0, 300), "{}", ran.stderr);
}

#[test]
fn two_at_once_fetch_each_source_once() {
    let server = Server::start();
    let bodies: Vec<_> = (0..10).map(|number| contents(number, 50_000)).collect();
    let scene = Scene::new(&server, bodies);
    for (number, body) in scene.bodies.iter().enumerate() {
        server.on(&format!("/{number}"), [file(body, "\"tag\"")]);
    }
    let children = [scene.spawn(&["fetch"]), scene.spawn(&["fetch"])];
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(scene.placed(), scene.bodies.len());
    for number in 0..scene.bodies.len() {
        assert_eq!(server.requests(&format!("/{number}")).len(), 1);
    }
}

#[test]
fn a_proxy_of_the_environment_is_asked() {
    let server = Server::start();
    let scene = Scene::new(&server, vec![contents(0, 10)]);
    let proxy = Server::start();
    proxy.on("/0", [file(&scene.bodies[0], "")]);
    server.on("/0", [status(404, &[])]);
    let ran = ran(scene.command(&["fetch"]).env("http_proxy", proxy.url("")));
    assert_eq!((ran.code, scene.placed()), (0, 1), "{}", ran.stderr);
    assert!(server.requests("/0").is_empty());
}

#[test]
fn what_is_damaged_is_mended_and_a_new_hash_is_only_said() {
    let server = Server::start();
    let scene = Scene::new(&server, vec![contents(0, 100)]);
    server.on("/0", [file(&scene.bodies[0], "")]);
    assert_eq!(scene.run(&["fetch"]).code, 0);
    let stored = scene.store().join("sha256").join(hash(&scene.bodies[0]));
    let placed = scene.root().join("fetch/core/p0/x.tar");
    for (words, code, outcome) in [(["--verify"], 0, "mended"), (["--verify"], 1, "missing")] {
        for path in [&stored, &placed] {
            fs::remove_file(path).unwrap();
            fs::write(path, "damaged").unwrap();
        }
        if code == 1 {
            server.on("/0", [status(404, &[])]);
        }
        let mut command = scene.command(&["fetch", "--format", "json"]);
        let ran = ran(command.args(words));
        assert_eq!(ran.code, code, "{}", ran.stderr);
        let verified = schema::printed("fetch-verify", &ran.stdout);
        assert_eq!(verified["damaged"].as_array().unwrap().len(), 2);
        assert_eq!(verified["damaged"][0]["outcome"], outcome);
        assert_eq!(scene.placed(), 1 - usize::try_from(code).unwrap());
    }

    server.on("/0", [file(b"newer", "")]);
    let manifest = scene.root().join("packages/core/p0/package.toml");
    let before = fs::read(&manifest).unwrap();
    let said = scene.run(&["fetch", "--update-hash", "core-p0"]);
    let line = format!(
        "packages/core/p0/package.toml:4: hash = \"{}\"\n",
        hash(b"newer")
    );
    assert_eq!((said.code, said.stdout), (0, line), "{}", said.stderr);
    let said = scene.run(&["fetch", "--update-hash", "core-p0", "--format", "json"]);
    let said = schema::printed("fetch-hashes", &said.stdout);
    assert_eq!(said["sources"][0]["now"], hash(b"newer"));
    assert_eq!((fs::read(&manifest).unwrap(), scene.placed()), (before, 0));
    assert_eq!(scene.run(&["fetch", "--update-hash"]).code, 2);
    assert_eq!(
        scene
            .run(&["fetch", "--update-hash", "core-p0", "--offline"])
            .code,
        2
    );
}

#[test]
fn mirrors_are_checked() {
    let server = Server::start();
    let scene = Scene::new(&server, vec![contents(0, 10), contents(1, 10)]);
    server.on("/0", [file(&scene.bodies[0], "")]);
    let checked = scene.run(&["fetch", "--check-mirrors", "--format", "json"]);
    assert!(
        checked.stderr.contains("core-p1: x.tar: no mirror works"),
        "{}",
        checked.stderr
    );
    let document = schema::printed("fetch-mirrors", &checked.stdout);
    let states = [
        &document["mirrors"][0]["state"],
        &document["mirrors"][1]["state"],
    ];
    assert_eq!(
        (checked.code, states),
        (1, [&"works".into(), &"dead".into()])
    );
    assert_eq!(
        scene
            .run(&["fetch", "--check-mirrors=full", "core-p0"])
            .code,
        0
    );
}
