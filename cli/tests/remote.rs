//! Packages that a server of the Remote Execution API builds: a real one, `buildbox-casd`. `tools/setup buildbox` installs
//! it, and `STAGEX_REQUIRE=buildbox` turns its absence into a failure.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_types,
    reason = "in a test, what cannot be made is a failure; and the program itself is what is tested"
)]

mod agreeing;
mod cut;
#[expect(dead_code, reason = "other tests use the rest")]
mod engines;
#[expect(dead_code, reason = "other tests use the rest")]
mod program;
#[expect(dead_code, reason = "other tests use the rest")]
mod serving;

use std::fs;
use std::path::Path;
use std::process::{ExitCode, Stdio};
use std::time::{Duration, Instant};

use cut::{Cut, Way};
use engines::{example_tree, expect, variable};
use libtest_mimic::{Arguments, Failed, Trial};
use program::{Ran, stagex_with};
use serving::{Fault, PROGRAMS, STUCK, Server};

/// What is required where the server has to be there.
const BUILDBOX: &str = "buildbox";
/// A package without dependencies, and one that needs it.
const PACKAGE: &str = "bootstrap-seed";
const NEEDS_IT: &str = "bootstrap-label";

/// How long what is awaited may take, and how often it is looked at.
const LIMIT: Duration = Duration::from_secs(30);
const INTERVAL: Duration = Duration::from_millis(10);

type Test = fn() -> Result<(), Failed>;

fn main() -> ExitCode {
    let required = variable("STAGEX_REQUIRE").unwrap_or_default();
    let is_required = required.split(',').any(|word| word == BUILDBOX);
    let absent = PROGRAMS.iter().find(|name| which::which(name).is_err());
    let reason =
        absent.map(|name| format!("{name} is not here: tools/setup {BUILDBOX} installs it"));
    let of_real = |name: &str, test: Test| {
        let told = reason.clone();
        let trial = Trial::test(name, move || match told {
            Some(told) => Err(told.into()),
            None => test(),
        });
        match &reason {
            Some(reason) if !is_required => trial.with_ignored_flag(true).with_kind(reason),
            _ => trial,
        }
    };
    let is_root = rustix::process::geteuid().is_root();
    let of_root = |name: &str, test: Test| {
        let trial = of_real(name, test);
        if is_root {
            trial
        } else {
            let reason = "only root can make a worker of that kind";
            trial.with_ignored_flag(true).with_kind(reason)
        }
    };
    let trials = vec![
        of_real("the_example_tree_is_built_by_a_server", example),
        of_real("a_build_that_fails_is_told_as_here", fails),
        of_real("a_layer_that_is_not_what_it_says_is_not_kept", lies),
        of_real("what_is_lost_is_done_again", lost),
        of_real("what_is_interrupted_ends_there_too", interrupted),
        of_real("a_server_may_have_a_named_instance", instance),
        of_real("a_connection_that_is_cut_goes_on_where_it_was", cut_off),
        of_real("a_server_that_is_full_is_told", full),
        of_root("a_worker_that_may_map_no_users_says_so", ordinary),
        of_root(
            "a_file_system_that_swallows_owners_is_not_built_on",
            swallowed,
        ),
        of_real("what_a_killed_client_began_is_found_again", found_again),
        of_real("a_server_builds_again", agreeing::reproduced),
        of_real("servers_have_to_agree", agreeing::agreed),
        Trial::test("a_server_that_is_not_there_is_told", nobody),
        Trial::test("what_a_server_cannot_do_is_refused", refused),
    ];
    let mut arguments = Arguments::from_args();
    // Each server builds as many at once as there are cores.
    arguments.test_threads = Some(1);
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// Runs the program with a server.
fn with(server: &str, tree: &Path, words: &[&str]) -> Ran {
    stagex_with(tree, words, &[("STAGEX_REMOTE", server)])
}

/// What is printed of a package that was in the server's cache.
fn is_cached(ran: &Ran, package: &str) -> bool {
    let had = format!("{package}: notice: grpc://");
    let mut lines = ran.stderr.lines();
    lines.any(|line| line.starts_with(&had) && line.contains("had it already"))
}

fn example() -> Result<(), Failed> {
    let server = Server::start();
    let tree = example_tree();
    let told = |ran: &Ran| format!("{}\n{}", ran.stderr, server.log());
    let ran = with(&server.address, tree.path(), &["make"]);
    expect(ran.code == 0, &told(&ran))?;
    expect(!is_cached(&ran, PACKAGE), "nothing can be in a cache yet")?;
    let built = format!("{}: built 16 images and had 0 already", server.address);
    expect(ran.stderr.contains(&built), &told(&ran))?;
    let check = stagex_with(tree.path(), &["digests", "--check"], &[]);
    expect(check.code == 0, &check.stderr)?;

    // Nobody here has seen how it was built.
    let records = tree.path().join("out/.stagex/records");
    let mut count = 0;
    for entry in fs::read_dir(records)? {
        let text = fs::read_to_string(entry?.path())?;
        expect(text.contains("\"runtime\": \"remote\""), &text)?;
        count += 1;
    }
    expect(count > 10, "a record is written of each package")?;
    let fresh = stagex_with(tree.path(), &["make", "--runtime", "native"], &[]);
    expect(
        fresh.code == 0 && !fresh.stderr.contains("building"),
        &fresh.stderr,
    )?;

    fs::remove_dir_all(tree.path().join("out"))?;
    let again = with(&server.address, tree.path(), &["make"]);
    expect(again.code == 0, &told(&again))?;
    for package in [PACKAGE, NEEDS_IT, "user-curiosities"] {
        expect(is_cached(&again, package), &told(&again))?;
    }
    let check = stagex_with(tree.path(), &["digests", "--check"], &[]);
    expect(check.code == 0, &check.stderr)?;
    expect(again.stdout == ran.stdout, "the digests are the same")?;

    let anew = with(
        &server.address,
        tree.path(),
        &["make", "--no-cache", PACKAGE],
    );
    expect(
        anew.code == 0 && anew.stderr.contains("building"),
        &told(&anew),
    )?;
    expect(!is_cached(&anew, PACKAGE), &told(&anew))
}

fn fails() -> Result<(), Failed> {
    let server = Server::start();
    let tree = example_tree();
    let package = tree.path().join("packages/bootstrap/label");
    let text = fs::read_to_string(package.join("Containerfile"))?;
    fs::write(
        package.join("Containerfile"),
        format!("{text}RUN [\"/no/such/program\"]\n"),
    )?;
    let ran = with(&server.address, tree.path(), &["make", NEEDS_IT]);
    let here = stagex_with(tree.path(), &["make", "--runtime", "native", NEEDS_IT], &[]);
    expect(here.code == 1, &here.stderr)?;
    expect(
        ran.code == here.code,
        &format!("{}\n{}", ran.stderr, server.log()),
    )?;
    let place = "packages/bootstrap/label/Containerfile:";
    let message = |ran: &Ran| {
        let mut lines = ran.stderr.lines();
        let line = lines.find(|line| line.starts_with("error: "))?;
        Some(line[line.find(place)?..].to_owned())
    };
    expect(message(&here).is_some(), &here.stderr)?;
    expect(message(&ran) == message(&here), &ran.stderr)?;
    expect(
        ran.stderr
            .contains(&format!("on a worker of {}", server.address)),
        &ran.stderr,
    )
}

fn lies() -> Result<(), Failed> {
    let server = Server::start();
    let tree = example_tree();
    let output = tree.path().join("out").join(PACKAGE);
    server.next_is(Fault::Lying);
    let ran = with(&server.address, tree.path(), &["make", PACKAGE]);
    expect(
        ran.code != 0,
        "the right manifest over another layer was kept",
    )?;
    expect(
        ran.stderr.contains("is not what it says"),
        &format!("{}\n{}", ran.stderr, server.log()),
    )?;
    expect(!output.exists(), "something of it was kept")?;
    // It is a result of the server now, and is no more believed out of its cache.
    let ran = with(&server.address, tree.path(), &["make", PACKAGE]);
    expect(ran.stderr.contains("is not what it says"), &ran.stderr)?;
    let ran = with(
        &server.address,
        tree.path(),
        &["make", "--no-cache", PACKAGE],
    );
    expect(ran.code == 0, &format!("{}\n{}", ran.stderr, server.log()))?;

    let stored = server.stored(&layer(tree.path()));
    let mut bytes = fs::read(&stored)?;
    *bytes.last_mut().unwrap() ^= 1;
    fs::remove_file(&stored)?;
    fs::write(&stored, bytes)?;

    fs::remove_dir_all(tree.path().join("out"))?;
    let ran = with(&server.address, tree.path(), &["make", PACKAGE]);
    expect(ran.code != 0, "another layer was kept")?;
    expect(ran.stderr.contains("gave a wrong answer"), &ran.stderr)?;
    expect(!output.exists(), "something of it was kept")
}

fn lost() -> Result<(), Failed> {
    let mut server = Server::start();
    let tree = example_tree();
    let told = |ran: &Ran, server: &Server| format!("{}\n{}", ran.stderr, server.log());
    server.next_is(Fault::Killed);
    let ran = with(&server.address, tree.path(), &["make", PACKAGE]);
    expect(ran.code == 0, &told(&ran, &server))?;
    expect(
        ran.stderr
            .contains("builds it again: it was ended with exit code"),
        &ran.stderr,
    )?;

    // An image that is a result and an input is gone.
    let layer = layer(tree.path());
    fs::remove_file(server.stored(&layer))?;
    let ran = with(&server.address, tree.path(), &["make", NEEDS_IT]);
    expect(ran.code == 0, &told(&ran, &server))?;
    fs::remove_file(server.stored(&layer))?;
    fs::remove_dir_all(tree.path().join("out"))?;
    let ran = with(&server.address, tree.path(), &["make", PACKAGE]);
    expect(ran.code == 0, &told(&ran, &server))?;

    // The server goes away while something is built there.
    server.next_is(Fault::Stuck);
    let mut command = program::command(tree.path(), &["make", "core-filesystem"]);
    let child = command.env("STAGEX_REMOTE", &server.address);
    let child = child
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    within("an action is started", || server.has_gone_wrong())?;
    server.restart();
    let output = child.wait_with_output()?;
    let text = String::from_utf8_lossy(&output.stderr);
    expect(
        output.status.success(),
        &format!("{text}\n{}", server.log()),
    )?;
    expect(text.contains("builds it again"), &text)?;
    let rest = with(&server.address, tree.path(), &["make"]);
    expect(rest.code == 0, &told(&rest, &server))?;
    let check = stagex_with(tree.path(), &["digests", "--check"], &[]);
    expect(check.code == 0, &check.stderr)
}

fn interrupted() -> Result<(), Failed> {
    let server = Server::start();
    let tree = example_tree();
    server.next_is(Fault::Stuck);
    let mut command = program::command(tree.path(), &["make", PACKAGE]);
    let child = command.env("STAGEX_REMOTE", &server.address);
    let mut child = child.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    within("an action is started", || {
        server.has_gone_wrong() && is_stuck()
    })?;
    rustix::process::kill_process(
        rustix::process::Pid::from_child(&child),
        rustix::process::Signal::INT,
    )?;
    let status = child.wait()?;
    expect(
        status.code() == Some(130),
        &format!("it ended with {status}"),
    )?;
    within("the action ends", || !is_stuck())
}

fn instance() -> Result<(), Failed> {
    let server = Server::start_with(&["--local-server-instance=main"]);
    let tree = example_tree();
    let named = format!("{}/main", server.address);
    let ran = with(&named, tree.path(), &["make", NEEDS_IT]);
    expect(ran.code == 0, &format!("{}\n{}", ran.stderr, server.log()))?;
    // What is streamed has the name of the instance in that of the resource.
    fs::remove_dir_all(tree.path().join("out"))?;
    let again = with(&named, tree.path(), &["make", NEEDS_IT]);
    expect(is_cached(&again, NEEDS_IT), &again.stderr)?;
    for other in [server.address.clone(), format!("{}/other", server.address)] {
        let ran = with(&other, tree.path(), &["make", PACKAGE, "--no-cache"]);
        expect(
            ran.code == 5
                && ran
                    .stderr
                    .contains(&format!("{other} has no such instance")),
            &ran.stderr,
        )?;
        expect(ran.stderr.contains("hint: check the instance"), &ran.stderr)?;
    }
    Ok(())
}

fn cut_off() -> Result<(), Failed> {
    /// More than what is sent in one call.
    const LARGE: u32 = 8 << 20;
    const PART: u64 = 6 << 20;
    let server = Server::start();
    let tree = example_tree();
    // Bytes that cannot be compressed.
    let mut last = 1_u32;
    let bytes = std::iter::repeat_with(|| {
        last = last.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        last.to_be_bytes()[0]
    });
    let package = tree.path().join("packages/user/letters");
    fs::write(
        package.join("large"),
        bytes.take(LARGE as usize).collect::<Vec<_>>(),
    )?;
    fs::write(
        package.join("Containerfile"),
        "FROM scratch AS package\nCOPY large /\n",
    )?;
    let words = ["make", "user-letters"];
    let here = stagex_with(tree.path(), &["make", "--runtime", "native", words[1]], &[]);
    expect(here.code == 0, &here.stderr)?;
    for way in [Way::Up, Way::Down] {
        fs::remove_dir_all(tree.path().join("out"))?;
        let proxy = Cut::start(server.socket, (way, PART));
        let ran = with(&proxy.address, tree.path(), &words);
        expect(
            ran.code == 0,
            &format!("{way:?}: {}\n{}", ran.stderr, server.log()),
        )?;
        expect(
            proxy.is_cut(),
            &format!("{way:?}: {} bytes passed", proxy.passed()),
        )?;
        expect(
            ran.stdout == here.stdout,
            &format!("{way:?}: {}", ran.stdout),
        )?;
        // What was on its way when it was cut comes again, and not all of it.
        let most = u64::from(LARGE) + PART - (1 << 20);
        expect(
            way == Way::Up || proxy.passed() < most,
            &format!("{} bytes of {LARGE} were received", proxy.passed()),
        )?;
    }
    Ok(())
}

fn full() -> Result<(), Failed> {
    // It takes its share of a small disk for one: what it answers is the same.
    let server = Server::start_with(&["--quota-high=1M", "--reserved=0"]);
    let tree = example_tree();
    let start = Instant::now();
    let ran = with(&server.address, tree.path(), &["make", PACKAGE]);
    let told = format!("{}\n{}", ran.stderr, server.log());
    expect(ran.code == 5 && start.elapsed() < LIMIT, &told)?;
    let of_server = format!("{} refused to store a blob: ", server.address);
    let errors = ran
        .stderr
        .lines()
        .filter(|line| line.starts_with("error: "));
    let errors: Vec<&str> = errors.collect();
    let is_told = matches!(&errors[..], [error] if error.contains(&of_server));
    expect(
        is_told && ran.stderr.contains("whether its disk is full"),
        &told,
    )?;
    let output = tree.path().join("out").join(PACKAGE);
    expect(!output.exists(), "something of it was kept")?;
    let work = fs::read_dir(tree.path().join("out/.stagex/work"))?;
    expect(work.count() == 0, "something of the work was left")
}

fn ordinary() -> Result<(), Failed> {
    let server = Server::start();
    let tree = example_tree();
    server.next_is(Fault::Ordinary);
    let ran = with(&server.address, tree.path(), &["make", PACKAGE]);
    let told = format!("{}\n{}", ran.stderr, server.log());
    expect(ran.code == 5, &told)?;
    for part in [
        &format!("on a worker of {}: ", server.address),
        "cannot map users",
        "hint: an ordinary user needs",
        "/etc/subuid",
    ] {
        expect(ran.stderr.contains(part), &told)?;
    }
    Ok(())
}

fn swallowed() -> Result<(), Failed> {
    let server = Server::start();
    let tree = example_tree();
    let told = |ran: &Ran| format!("{}\n{}", ran.stderr, server.log());
    // A package with files of several owners.
    let package = "core-filesystem";
    let ran = with(&server.address, tree.path(), &["make", "bootstrap-tools"]);
    expect(ran.code == 0, &told(&ran))?;

    server.next_is(Fault::Nowhere);
    let ran = with(&server.address, tree.path(), &["make", package]);
    expect(ran.code == 5 && server.has_gone_wrong(), &told(&ran))?;
    let problem = "no file system of this worker keeps owners, modes and links";
    for part in [
        problem,
        "/var/tmp: this file system does not keep owners",
        "hint: give the worker a directory on a local file system",
    ] {
        expect(ran.stderr.contains(part), &told(&ran))?;
    }

    server.next_is(Fault::Swallowing);
    let ran = with(&server.address, tree.path(), &["make", package]);
    expect(ran.code == 0 && server.has_gone_wrong(), &told(&ran))?;
    let check = stagex_with(tree.path(), &["digests", "--check"], &[]);
    expect(check.code == 0, &check.stderr)
}

fn found_again() -> Result<(), Failed> {
    let server = Server::start();
    let tree = example_tree();
    server.next_is(Fault::Slow);
    let mut command = program::command(tree.path(), &["make", PACKAGE]);
    let child = command.env("STAGEX_REMOTE", &server.address);
    let mut child = child.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let begun = tree.path().join("out/.stagex/begun").join(PACKAGE);
    within("an action is started", || {
        server.has_gone_wrong() && begun.exists()
    })?;
    child.kill()?;
    child.wait()?;
    let ran = with(&server.address, tree.path(), &["make", PACKAGE]);
    expect(ran.code == 0, &format!("{}\n{}", ran.stderr, server.log()))?;
    let started = server.started();
    let message = format!("{started} were started: {}", ran.stderr);
    expect(started == 1 && !begun.exists(), &message)
}

/// Tells whether an action goes on that does not end by itself.
fn is_stuck() -> bool {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let mut lines = processes.filter_map(|process| fs::read(process.path().join("cmdline")).ok());
    lines.any(|line| line == format!("sleep\0{STUCK}\0").as_bytes())
}

/// Waits until something holds.
fn within(what: &str, mut holds: impl FnMut() -> bool) -> Result<(), Failed> {
    let start = Instant::now();
    while !holds() {
        expect(start.elapsed() < LIMIT, &format!("in vain: {what}"))?;
        std::thread::sleep(INTERVAL);
    }
    Ok(())
}

/// Returns the digest of a layer of the package, in hex.
fn layer(tree: &Path) -> String {
    let output = tree.join("out").join(PACKAGE);
    let blobs = fs::read_dir(output.join("blobs/sha256")).unwrap();
    let mut blobs = blobs.map(|blob| blob.unwrap());
    let layer = blobs.find(|blob| fs::read(blob.path()).unwrap()[0] != b'{');
    layer.unwrap().file_name().into_string().unwrap()
}

fn nobody() -> Result<(), Failed> {
    let tree = example_tree();
    let ran = with("grpc://127.0.0.1:1", tree.path(), &["make", PACKAGE]);
    expect(ran.code == 5, &ran.stderr)?;
    expect(
        ran.stderr.contains("cannot connect to grpc://127.0.0.1:1"),
        &ran.stderr,
    )
}

fn refused() -> Result<(), Failed> {
    let tree = example_tree();
    for words in [
        &["release", "--run", "2026.11.0"][..],
        &["make", "--prove-bootstrap", "--runtimes", "native,docker"],
        &["make", "import-core-cat"],
        &["conformance"],
        &["build", "-t", "a/b:1", "."],
    ] {
        let ran = with("grpc://127.0.0.1:1", tree.path(), words);
        let is_told = ran.code == 2 && ran.stderr.contains("cannot be done by a server");
        expect(is_told, &format!("{words:?}: {}", ran.stderr))?;
    }
    for words in [
        &[
            "--remote",
            "grpc://127.0.0.1:1",
            "--runtime",
            "native",
            "make",
        ][..],
        &["--remote", "localhost", "make"],
        &["remote-worker"],
    ] {
        let ran = with("grpc://127.0.0.1:1", tree.path(), words);
        expect(ran.code == 2, &format!("{words:?}: {}", ran.stderr))?;
    }
    // Who names a runtime builds here.
    let words = ["--runtime", "native", "make", "--dry-run", PACKAGE];
    let ran = with("grpc://127.0.0.1:1", tree.path(), &words);
    expect(ran.code == 0, &ran.stderr)
}
