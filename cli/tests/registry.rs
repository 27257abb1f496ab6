//! Images that are pulled from registries, and published to them: a real one, Debian's `docker-registry`, with a proxy
//! before it that is faulty, and small servers on loopback that lie. `STAGEX_REQUIRE=docker-registry` turns the absence of the real one into a failure.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_types,
    reason = "in a test, what cannot be made is a failure; and the program itself is what is tested"
)]

#[expect(dead_code, reason = "other tests use the rest")]
mod engines;
#[path = "../../crates/trust/tests/signatures/gpg.rs"]
#[expect(dead_code, reason = "the tests of signatures use all of it")]
mod gpg;
#[expect(dead_code, reason = "other tests use the rest")]
mod program;
mod published;
mod pulled;
mod pushed;
mod releasing;
mod schema;
#[expect(dead_code, reason = "other tests use the rest")]
#[path = "../../crates/fetch/tests/server/mod.rs"]
mod server;
#[expect(dead_code, reason = "other tests use the rest")]
mod signing;

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};

use engines::{Tree, example_tree, expect, variable};
use libtest_mimic::{Arguments, Failed, Trial};
use program::{Ran, ran};
use schema::printed;
use server::{Server, answer};

const REAL: &str = "docker-registry";
/// What is tested with a real registry, whose program is named.
type Test = fn(&Path) -> Result<(), Failed>;

/// The package that is pulled, and one that needs it.
const PACKAGE: &str = "bootstrap-seed";
const NEEDS_IT: &str = "bootstrap-label";

fn main() -> ExitCode {
    let found = which::which(REAL).or_else(|_| which::which("/usr/bin/docker-registry"));
    let found = found.ok();
    let required = variable("STAGEX_REQUIRE").unwrap_or_default();
    let is_required = |name: &str| required.split(',').any(|word| word == name);
    let of_real = |name: &'static str, more: &[&str], test: Test| {
        let absent = |name: &&&str| !is_required(name) && which::which(name).is_err();
        let absent = more.iter().find(absent).map(|name| (*name).to_owned());
        let no_registry = found.is_none() && !is_required(REAL);
        let absent = no_registry.then(|| REAL.to_owned()).or(absent);
        let found = found.clone();
        let reason = absent.map(|name| format!("{name} is not here: install Debian's {name}"));
        let told = reason.clone();
        let trial = Trial::test(name, move || match (&found, &told) {
            (_, Some(told)) => Err(told.into()),
            (None, None) => Err(format!("{REAL} is not here").into()),
            (Some(found), None) => test(found),
        });
        match reason {
            Some(reason) => trial.with_ignored_flag(true).with_kind(reason),
            None => trial,
        }
    };
    let others = "skopeo_and_podman_see_what_is_published";
    let mut trials = published::trials(|name, test| of_real(name, &[], test));
    trials.extend(releasing::trials(|name, test| of_real(name, &[], test)));
    trials.extend([
        of_real("a_real_registry_gives_images", &[], real),
        of_real("what_is_built_is_pushed", &[], pushed::to_a_registry),
        of_real(
            "what_is_signed_is_taken_from_a_registry",
            &[],
            pulled::verified::taken,
        ),
        of_real("pulling_goes_on_after_a_fault", &[], pulled::faults::pass),
        of_real("what_is_wrong_is_not_pulled", &[], pulled::faults::refuse),
        of_real(
            "a_token_may_expire_while_pulling",
            &[],
            pulled::faults::expired,
        ),
        of_real(others, &["skopeo", "podman"], published::others),
        of_real(
            "several_platforms_are_published",
            &["skopeo", "podman"],
            published::platforms::several,
        ),
        Trial::test("recorded_images_are_pulled", recorded),
        Trial::test("several_platforms_are_pulled", pulled::several_platforms),
        Trial::test("what_cannot_be_pulled_is_told", told),
        Trial::test("no_proxy_is_told_what_this_machine_is", proxy),
    ]);
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// A copy of the example tree, and its user's directories.
struct Scene(Tree);

impl Scene {
    fn new() -> Self {
        Self(example_tree())
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn stagex(&self, words: &[&str]) -> Ran {
        ran(&mut self.command(words))
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = program::command(self.path(), words);
        for variable in
            "http_proxy all_proxy HTTP_PROXY ALL_PROXY REGISTRY_AUTH_FILE DOCKER_CONFIG".split(' ')
        {
            command.env_remove(variable);
        }
        let run = self.path().join("run");
        // What is named by a relative path is written below here too.
        command
            .current_dir(self.path())
            .env("HOME", self.path())
            .env("XDG_RUNTIME_DIR", run)
            .env("XDG_CACHE_HOME", self.path().join("cache"));
        command
    }

    /// Builds the package. Returns its layout, and its digest as it is recorded.
    fn built(&self) -> Result<(PathBuf, String), Failed> {
        let ran = self.stagex(&["--runtime", "native", "make", "--quiet", PACKAGE]);
        expect(ran.code == 0, &ran.stderr)?;
        let recorded = fs::read_to_string(self.path().join("digests/bootstrap.txt")).unwrap();
        let mut lines = recorded.lines();
        let line = lines.find_map(|line| line.strip_suffix(&format!(" {PACKAGE}")));
        Ok((
            self.path().join("out").join(PACKAGE),
            line.unwrap().to_owned(),
        ))
    }

    /// Builds the one that needs it from what is recorded.
    fn reproduce(&self, from: &[&str]) -> Ran {
        let words = [
            "reproduce",
            "--runtimes",
            "native",
            "--clean",
            "--against-record",
            NEEDS_IT,
        ];
        let from = from.iter().flat_map(|&from| ["--from", from]);
        self.stagex(&words.into_iter().chain(from).collect::<Vec<_>>())
    }

    fn pulled(&self, hex: &str) -> PathBuf {
        self.path().join("out/.stagex/pulled").join(hex)
    }
}

/// Returns the names of the blobs of a layout.
fn blobs(layout: &Path) -> Vec<String> {
    let entries = fs::read_dir(layout.join("blobs/sha256")).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// A registry that runs as long as this lives.
struct Real {
    child: Child,
    host: String,
}

impl Drop for Real {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Real {
    /// Starts it for who is called `user`, and has the word `word`.
    fn with_users(program: &Path, directory: &Path) -> Result<Self, Failed> {
        let users = directory.join("users");
        let hash = "user:$2b$04$LbbC2hy3M3pOuPlFpBmQvO7Bzh36aKyCgfDtNj4QAuHfeB7Ea7TXm\n";
        fs::write(&users, hash).unwrap();
        let users = users.display();
        let more = format!("auth:\n  htpasswd:\n    realm: users\n    path: {users}\n");
        Self::start(program, directory, &more)
    }

    /// Starts it with what lies in `directory`, where it finds `more` of its configuration.
    fn start(program: &Path, directory: &Path, more: &str) -> Result<Self, Failed> {
        let config = directory.join("config.yml");
        let root = directory.display();
        let text = format!(
            "version: 0.1\nlog:\n  level: info\nstorage:\n  filesystem:\n    rootdirectory: {root}\n\
             http:\n  addr: 127.0.0.1:0\n  secret: none\n{more}"
        );
        fs::write(&config, text).unwrap();
        let child = Command::new(program)
            .arg("serve")
            .arg(&config)
            .env("OTEL_TRACES_EXPORTER", "none")
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // From here on it is ended, whatever follows.
        let mut real = Self {
            child,
            host: String::new(),
        };
        let lines = BufReader::new(real.child.stderr.take().unwrap()).lines();
        let mut told = String::new();
        let mut lines = lines.map_while(Result::ok);
        let host = lines.find_map(|line| {
            let (_, rest) = line.split_once("listening on ").unzip();
            let end = |rest: &str| rest.find(['"', ' ', ',']).unwrap_or(rest.len());
            told = told.clone() + &line + "\n";
            rest.map(|rest| rest[..end(rest)].to_owned())
        });
        // Nobody else reads what it says, and a pipe that is full would stop it.
        std::thread::spawn(move || lines.for_each(drop));
        real.host = host.ok_or_else(|| format!("it does not start: {told}"))?;
        Ok(real)
    }
}

/// Writes an image where the registry keeps it, as its file system driver does.
fn keep(directory: &Path, repository: &str, layout: &Path, manifest: &str, tag: &str) {
    let root = directory.join("docker/registry/v2");
    let link = |path: PathBuf, hex: &str| {
        fs::create_dir_all(&path).unwrap();
        fs::write(path.join("link"), format!("sha256:{hex}")).unwrap();
    };
    let of = root.join("repositories").join(repository);
    for hex in blobs(layout) {
        let blob = root.join("blobs/sha256").join(&hex[..2]).join(&hex);
        fs::create_dir_all(&blob).unwrap();
        fs::copy(layout.join("blobs/sha256").join(&hex), blob.join("data")).unwrap();
        link(of.join("_layers/sha256").join(&hex), &hex);
    }
    link(
        of.join("_manifests/revisions/sha256").join(manifest),
        manifest,
    );
    let tags = of.join("_manifests/tags").join(tag);
    link(tags.join("current"), manifest);
    link(tags.join("index/sha256").join(manifest), manifest);
}

/// A real registry gives the recorded image: by name, by digest and by tag, to everybody, and to who has a password.
fn real(program: &Path) -> Result<(), Failed> {
    let scene = Scene::new();
    let (layout, hex) = scene.built()?;
    let temporary = tempfile::tempdir().unwrap();
    let directory = temporary.path();
    keep(
        directory,
        &format!("stagex/{PACKAGE}"),
        &layout,
        &hex,
        "new",
    );
    let registry = Real::start(program, directory, "")?;
    let host = &registry.host;
    let (by_digest, by_tag) = (
        format!("{host}/stagex/{PACKAGE}@sha256:{hex}"),
        format!("{host}/stagex/{PACKAGE}:new"),
    );
    let output = |name: &str| scene.path().join(name).to_str().unwrap().to_owned();

    let ran = scene.stagex(&[
        "pull",
        &by_digest,
        "--output",
        &output("a"),
        "--format",
        "json",
    ]);
    expect(ran.code == 0, &ran.stderr)?;
    let document = printed("pull", &ran.stdout);
    expect(document["digest"] == format!("sha256:{hex}"), &ran.stdout)?;
    // All of it is there but the index that leads to the manifest, which nobody asked for.
    let pulled = blobs(Path::new(&output("a")));
    expect(
        !pulled.is_empty() && pulled.contains(&hex),
        &format!("{pulled:?}"),
    )?;
    for name in &pulled {
        let read = |root: &Path| fs::read(root.join("blobs/sha256").join(name)).unwrap();
        expect(read(Path::new(&output("a"))) == read(&layout), name)?;
    }

    let ran = scene.stagex(&["pull", &by_tag, "--output", &output("b")]);
    let is_told = ran
        .stderr
        .contains(&format!("{by_tag} is sha256:{hex} now"));
    expect(
        ran.code == 0 && is_told && ran.stdout.trim() == by_digest,
        &ran.stderr,
    )?;
    let from = format!("{host}/stagex");
    let ran = scene.stagex(&["pull", PACKAGE, "--from", &from, "--output", &output("c")]);
    expect(ran.code == 0 && ran.stdout.trim() == by_digest, &ran.stderr)?;
    let ran = scene.stagex(&["pull", PACKAGE, "--from", &from, "--output", &output("c")]);
    expect(
        ran.code == 2 && ran.stderr.contains("is there already"),
        &ran.stderr,
    )?;
    let zeros = by_digest.replace(&hex, &"0".repeat(64));
    let ran = scene.stagex(&["pull", &zeros, "--output", &output("d")]);
    expect(
        ran.code == 2 && ran.stderr.contains("is not in"),
        &ran.stderr,
    )?;

    let registry = Real::with_users(program, directory)?;
    let host = &registry.host;
    let reference = format!("{host}/stagex/{PACKAGE}@sha256:{hex}");
    let pull = || scene.stagex(&["pull", &reference, "--output", &output("e")]);
    let ran = pull();
    expect(
        ran.code == 5 && ran.stderr.contains("users without credentials"),
        &ran.stderr,
    )?;
    fs::create_dir_all(scene.path().join("run/containers")).unwrap();
    let file = scene.path().join("run/containers/auth.json");
    // `user:wrong` and `user:word`.
    for (pair, code) in [("dXNlcjp3cm9uZw==", 5), ("dXNlcjp3b3Jk", 0)] {
        fs::write(
            &file,
            format!("{{\"auths\":{{\"{host}\":{{\"auth\":\"{pair}\"}}}}}}"),
        )
        .unwrap();
        let ran = pull();
        expect(ran.code == code && !ran.stderr.contains(pair), &ran.stderr)?;
    }
    Ok(())
}

/// Has an image, as a good registry does.
fn serve(server: &Server, repository: &str, layout: &Path, manifest: &str) -> String {
    let media_type = "application/vnd.oci.image.manifest.v1+json";
    for hex in blobs(layout) {
        let bytes = fs::read(layout.join("blobs/sha256").join(&hex)).unwrap();
        server.on(
            &format!("/v2/{repository}/blobs/sha256:{hex}"),
            [answer(200, &[], &bytes)],
        );
        if hex == manifest {
            let act = answer(200, &[("Content-Type", media_type)], &bytes);
            server.on(&format!("/v2/{repository}/manifests/sha256:{hex}"), [act]);
        }
    }
    server.url("").replace("http://", "")
}

/// What is needed, and is nowhere else, comes from the first registry that has it. It is kept for other runtimes and
/// times, and goes with `clean`.
fn recorded() -> Result<(), Failed> {
    let other = Scene::new();
    let (layout, hex) = other.built()?;
    let (empty, lies, good) = (Server::start(), Server::start(), Server::start());
    let empty = empty.url("").replace("http://", "");
    let host = serve(&good, &format!("a/{PACKAGE}"), &layout, &hex);
    let liar = serve(&lies, PACKAGE, &layout, &hex);
    lies.on(
        &format!("/v2/{PACKAGE}/manifests/sha256:{hex}"),
        [answer(200, &[], b"{}")],
    );

    let scene = Scene::new();
    let good_place = format!("{host}/a");
    let ran = scene.reproduce(&[&empty, &liar, &good_place]);
    expect(ran.code == 0, &ran.stderr)?;
    expect(
        ran.stderr.contains("pulling 1 recorded image from"),
        &ran.stderr,
    )?;
    expect(
        scene.pulled(&hex).join("index.json").exists(),
        "it is not kept",
    )?;
    let manifest = format!("/v2/a/{PACKAGE}/manifests/sha256:{hex}");
    expect(
        good.requests(&manifest).len() == 1,
        "it was asked for more than once",
    )?;

    // It is there the next time, also for who names no registry.
    let ran = scene.reproduce(&[]);
    expect(ran.code == 0, &ran.stderr)?;
    let ran = scene.reproduce(&[&good_place]);
    expect(
        ran.code == 0 && good.requests(&manifest).len() == 1,
        &ran.stderr,
    )?;

    // What was changed meanwhile is pulled again.
    let blob = scene.pulled(&hex).join("blobs/sha256").join(&hex);
    fs::write(&blob, "other").unwrap();
    let ran = scene.reproduce(&[&good_place]);
    expect(
        ran.code == 0 && good.requests(&manifest).len() == 2,
        &ran.stderr,
    )?;
    let ran = scene.stagex(&["clean", "--quiet", "--cache"]);
    expect(ran.code == 0 && !scene.pulled(&hex).exists(), &ran.stderr)
}

/// Nothing is built from what could not be had, and why is said for each place.
fn told() -> Result<(), Failed> {
    let other = Scene::new();
    let (layout, hex) = other.built()?;
    let (empty, lies) = (Server::start(), Server::start());
    let empty = empty.url("").replace("http://", "");
    let liar = serve(&lies, PACKAGE, &layout, &hex);
    let wrong = answer(200, &[], b"wrong");
    let of = |name: &String| format!("/v2/{PACKAGE}/blobs/sha256:{name}");
    for name in blobs(&layout) {
        lies.on(&of(&name), [wrong.clone()]);
    }
    let scene = Scene::new();
    let ran = scene.reproduce(&[&empty, &liar]);
    let is_told = ran.stderr.contains("sent other bytes for") && ran.stderr.contains("is not in");
    expect(
        ran.code == 7 && is_told,
        &format!("{}: {}", ran.code, ran.stderr),
    )?;
    expect(
        ran.stderr.contains(&empty) && ran.stderr.contains(&liar),
        &ran.stderr,
    )?;
    let pulled = scene.path().join("out/.stagex/pulled");
    let left: Vec<_> = fs::read_dir(pulled)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    expect(left == [".stagex"], &format!("{left:?}"))?;

    // A disk that is full, here a limit of the system, leaves nothing either.
    serve(&lies, PACKAGE, &layout, &hex);
    let (output, image) = (
        scene.path().join("full"),
        format!("{liar}/{PACKAGE}@sha256:{hex}"),
    );
    let limited = scene.command(&["pull", &image, "--output", output.to_str().unwrap()]);
    let mut shell = Command::new("sh");
    shell
        .args(["-c", "trap '' XFSZ; ulimit -f 0; exec \"$0\" \"$@\""])
        .arg(limited.get_program())
        .args(limited.get_args())
        .envs(
            limited
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        );
    let ran = program::ran(&mut shell);
    expect(
        ran.code == 5 && ran.stderr.contains("free some space"),
        &ran.stderr,
    )?;
    let names = fs::read_dir(scene.path()).unwrap();
    let names: Vec<_> = names
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    expect(
        !names.iter().any(|name| name.contains("full")),
        &format!("{names:?}"),
    )?;

    // An image of anybody is where its name says.
    let ran = scene.stagex(&["pull", &image, "--from", &empty, "--output", "x"]);
    expect(
        ran.code == 2 && ran.stderr.contains("--from is for the name of a package"),
        &ran.stderr,
    )?;

    // A file with credentials that is named has to be there.
    let mut command = scene.command(&["pull", PACKAGE, "--from", &liar, "--output", "x"]);
    let ran = program::ran(command.env("REGISTRY_AUTH_FILE", "/nonexistent"));
    expect(
        ran.code == 2 && ran.stderr.contains("REGISTRY_AUTH_FILE"),
        &ran.stderr,
    )?;

    // The network may be denied, and a tree says nothing of registries.
    fs::write(scene.path().join("stagex.toml"), "offline = true\n").unwrap();
    let ran = scene.reproduce(&[&liar]);
    expect(
        ran.code == 2 && ran.stderr.contains("reach the network"),
        &ran.stderr,
    )?;
    fs::write(
        scene.path().join("stagex.toml"),
        "[registry]\ninsecure = [\"a.org\"]\n",
    )
    .unwrap();
    let ran = scene.stagex(&["pull", PACKAGE, "--output", "x"]);
    expect(
        ran.code == 2 && ran.stderr.contains("cannot be set by a tree"),
        &ran.stderr,
    )
}

/// A registry on this machine is asked without encryption, and so by nobody but us, whatever the proxy is. One that the
/// user lists as insecure is asked through the proxy, which can be told from its requests.
fn proxy() -> Result<(), Failed> {
    let scene = Scene::new();
    let (layout, hex) = scene.built()?;
    let (good, proxy) = (Server::start(), Server::start());
    let host = serve(&good, PACKAGE, &layout, &hex);
    let manifest = format!("/v2/{PACKAGE}/manifests/sha256:{hex}");
    let pull = |host: &str, output: &str, variables: &[&str]| {
        let image = format!("{host}/{PACKAGE}@sha256:{hex}");
        let mut command = scene.command(&["pull", &image, "--output", output]);
        for variable in variables {
            command.env(variable, proxy.url(""));
        }
        command.env("no_proxy", "example.org");
        if output == "b" {
            command.env_remove("no_proxy").env_remove("NO_PROXY");
        }
        program::ran(&mut command)
    };
    let local = host.replace("127.0.0.1", "localhost");
    for (host, output, variables) in [
        (&host, "a", &["http_proxy"][..]),
        (&host, "b", &["all_proxy"]),
        (&local, "c", &["http_proxy", "all_proxy"]),
    ] {
        let ran = pull(host, output, variables);
        expect(ran.code == 0, &ran.stderr)?;
    }
    expect(
        proxy.requests(&manifest).is_empty(),
        "the proxy was asked for what is on this machine",
    )?;

    serve(&proxy, PACKAGE, &layout, &hex);
    let own = scene.path().join("configuration/stagex");
    fs::create_dir_all(&own).unwrap();
    let insecure = "[registry]\ninsecure = [\"registry.invalid:5000\"]\n";
    fs::write(own.join("stagex.toml"), insecure).unwrap();
    let ran = pull("registry.invalid:5000", "d", &["http_proxy"]);
    let asked = proxy.requests(&manifest).len();
    expect(
        ran.code == 0 && asked == 1,
        &format!("{asked}: {}", ran.stderr),
    )
}
