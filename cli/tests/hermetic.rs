//! A hermetic build gets no network, no file that git does not track, and no source that is not declared; what it may
//! have gives the same image as any other build. One test for each runtime that is here.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_types,
    reason = "in a test, what cannot be made is a failure; and the program itself is what is tested"
)]

mod engines;

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, ExitCode, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use camino::Utf8Path;
use libtest_mimic::Failed;
use serde_json::Value;

use engines::{example_tree, expect, images, nothing_is_left};

/// Each package, and its Containerfile; `PORT` is what a server of the test listens on.
const PACKAGES: [(&str, &str); 7] = [
    (
        "base",
        "FROM scratch\nCOPY busybox /bin/\nRUN --network=none [\"/bin/busybox\", \"touch\", \"/base\"]\n",
    ),
    (
        "plain",
        "FROM stagex/core-base\nRUN [\"/bin/busybox\", \"touch\", \"/made\"]\n",
    ),
    (
        "net",
        "FROM stagex/core-base\nRUN [\"/bin/busybox\", \"nc\", \"127.0.0.1\", \"PORT\"]\n",
    ),
    // It fails unless it finds a network interface besides the loopback device.
    (
        "any",
        "FROM stagex/core-base\nRUN [\"/bin/busybox\", \"sh\", \"-c\", \"/bin/busybox grep -v -e lo: -e '|' /proc/net/dev\"]\n",
    ),
    ("file", "FROM scratch\nCOPY untracked /\n"),
    // A list that git does not track leaves nothing out.
    ("list", "FROM scratch\nCOPY package.toml /\n"),
    ("stale", "FROM scratch\nCOPY fetch/stale /\n"),
];

fn main() -> ExitCode {
    engines::run("only_what_is_declared_reaches_a_hermetic_build", hermetic)
}

/// A tree in a repository, and a server on this machine that counts who connects.
struct Scene {
    temporary: engines::Tree,
    runtime: String,
    connections: Arc<AtomicUsize>,
}

impl Scene {
    fn new(runtime: &str) -> Self {
        let temporary = example_tree();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&connections);
        thread::spawn(move || {
            for connection in listener.incoming() {
                counted.fetch_add(1, Ordering::SeqCst);
                drop(connection);
            }
        });
        let packages = temporary.path().join("packages/core");
        for (name, containerfile) in PACKAGES {
            let directory = packages.join(name);
            fs::create_dir_all(&directory).unwrap();
            let containerfile = containerfile.replace("PORT", &port.to_string());
            fs::write(directory.join("Containerfile"), containerfile).unwrap();
            let manifest = format!("[package]\nname = \"{name}\"\n");
            fs::write(directory.join("package.toml"), manifest).unwrap();
        }
        let busybox = fs::copy("/bin/busybox", packages.join("base/busybox"));
        busybox.expect("Debian's busybox-static is needed");
        let fetch = temporary.path().join("fetch/core/stale");
        fs::create_dir_all(&fetch).unwrap();
        fs::write(fetch.join("stale"), "of an older version").unwrap();
        for words in [&["init", "-q"][..], &["add", "packages"]] {
            let mut git = Command::new("git");
            let status = git.arg("-C").arg(temporary.path()).args(words).status();
            assert!(status.unwrap().success());
        }
        fs::write(packages.join("file/untracked"), "text").unwrap();
        fs::write(packages.join("list/.dockerignore"), "package.toml").unwrap();
        Self {
            temporary,
            runtime: runtime.to_owned(),
            connections,
        }
    }

    fn tree(&self) -> &Path {
        self.temporary.path()
    }

    fn stagex(&self, words: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_stagex"))
            .arg("-C")
            .arg(self.tree())
            .args(["--runtime", &self.runtime])
            .args(words)
            .env("XDG_STATE_HOME", self.tree().join("state"))
            .env_remove("STAGEX_HERMETIC")
            .env_remove("STAGEX_OUT")
            .output()
            .unwrap()
    }

    /// Makes packages, and returns what became of each.
    fn make(&self, words: &[&str]) -> Result<Value, Failed> {
        let made = self.stagex(&[&["make", "-k", "--format", "json"], words].concat());
        let said = String::from_utf8_lossy(&made.stderr);
        serde_json::from_slice(&made.stdout).map_err(|_| said.into_owned().into())
    }

    /// Tells whether the image of a package can be built with `stagex build`.
    fn builds(&self, name: &str, words: &[&str]) -> bool {
        let (context, tag) = (
            format!("packages/core/{name}"),
            format!("stagex/core-{name}:latest"),
        );
        let base = "stagex/core-base=oci-layout://out/core-base";
        let always = [
            "build",
            "--tag",
            &tag,
            "--output",
            "type=oci,dest=image.tar",
            "--build-context",
            base,
        ];
        let built = self.stagex(&[&always[..], words, &[&context]].concat());
        built.status.success()
    }
}

fn of<'a>(made: &'a Value, name: &str) -> &'a Value {
    let packages = made["packages"].as_array().unwrap();
    packages
        .iter()
        .find(|package| package["name"] == name)
        .unwrap()
}

fn hermetic(runtime: &str, program: &Utf8Path) -> Result<(), Failed> {
    let images = images(program)?;
    let scene = Scene::new(runtime);
    let connections = || scene.connections.load(Ordering::SeqCst);
    let became = |made: &Value, name: &str, outcome: &str| {
        expect(
            of(made, name)["outcome"] == outcome,
            &format!("{name} is not {outcome}: {made}"),
        )
    };

    // Without it each of them is built, but for what needs a source that nobody declared.
    let before = scene.make(&["--network", "host", "plain", "net", "any", "file"])?;
    for name in ["core-plain", "core-net", "core-any", "core-file"] {
        became(&before, name, "built")?;
    }
    expect(connections() == 1, "the server can be reached, and was not")?;

    // What could reach the network is built again, though its inputs are the same; what could not is not.
    let made = scene.make(&["--hermetic", "plain", "list", "net", "any", "file", "stale"])?;
    became(&made, "core-base", "fresh")?;
    became(&made, "core-plain", "built")?;
    became(&made, "core-list", "built")?;
    let digests = (
        &of(&made, "core-plain")["digest"],
        &of(&before, "core-plain")["digest"],
    );
    expect(digests.0 == digests.1, "the image is another")?;
    for name in ["core-net", "core-any", "core-file", "core-stale"] {
        became(&made, name, "failed")?;
    }
    let log = fs::read_to_string(scene.tree().join("out/.stagex/logs/core-file.log")).unwrap();
    expect(
        log.contains("notice: not tracked by git, and so not part of a hermetic build: untracked"),
        &log,
    )?;
    expect(connections() == 1, "a RUN reached the network")?;
    // What was denied more stands for what would have been denied less.
    became(&scene.make(&["plain"])?, "core-plain", "fresh")?;

    expect(
        scene.builds("plain", &["--hermetic"]),
        "stagex build --hermetic",
    )?;
    expect(
        !scene.builds("net", &["--hermetic"]),
        "a RUN had its network",
    )?;
    expect(
        !scene.builds("file", &["--hermetic"]),
        "a file is untracked",
    )?;
    expect(scene.builds("file", &[]), "the file is there")?;
    let stale = ["--build-context", "fetch=fetch/core/stale"];
    let hermetic = [&stale[..], &["--hermetic"]].concat();
    expect(!scene.builds("stale", &hermetic), "a source is undeclared")?;
    expect(
        connections() == 1,
        "a RUN of stagex build reached the network",
    )?;
    nothing_is_left(scene.tree(), program, &images)
}
