//! Packages are built again, compared, and kept in the ledger; what does not come out the same is told, with what breaks
//! it. One test for each runtime that is here; those that `STAGEX_REQUIRE` names must be.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_types,
    reason = "in a test, what cannot be made is a failure; and the program itself is what is tested"
)]

#[expect(dead_code, reason = "other tests use the rest")]
mod engines;
mod planted;
mod reproducing;

use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode, Output, Stdio};
use std::time::Duration;

use camino::Utf8Path;
use libtest_mimic::{Failed, Trial};
use serde_json::Value;

use engines::{example_tree, expect, has_store, images, nothing_is_left, variable};

/// Each package that does not come out the same, what its RUN does, and what is varied that breaks it.
const PLANTED: [(&str, &str, &str); 4] = [
    (
        "chance",
        "cat /proc/sys/kernel/random/uuid > /o",
        "chance or time",
    ),
    ("processors", "nproc > /o", "processors"),
    ("kernel", "uname -r > /o", "kernel-release"),
    ("host", "hostname > /o", "host-name"),
];

fn main() -> ExitCode {
    let trials = [
        Trial::test("two_at_once_do_the_work_of_one", two_at_once),
        Trial::test("what_was_reproduced_is_told", told),
        reproducing::gate::of_two(),
        Trial::test("what_differs_is_said", reproducing::differs),
        Trial::test(
            "a_tree_is_named_from_elsewhere",
            reproducing::named_from_elsewhere,
        ),
        Trial::test("a_killed_reproduction_goes_on", goes_on),
        of_disk(),
        with_program(
            "a_browser_shows_a_difference",
            "chromium",
            "chromium",
            reproducing::browser::shows,
        ),
        with_program(
            "what_diffoscope_says_is_shown",
            "diffoscope",
            "diffoscope-minimal",
            reproducing::by_diffoscope,
        ),
    ];
    engines::run_with("packages_are_reproduced", reproduces, trials)
}

/// Fills a disk, if this user may have one of its own.
fn of_disk() -> Trial {
    use reproducing::faults::{disk_is_full, has_disk};
    let trial = Trial::test("a_full_disk_loses_nothing", disk_is_full);
    if has_disk() {
        trial
    } else {
        trial
            .with_ignored_flag(true)
            .with_kind("only root can mount a disk")
    }
}

/// A test with another program, of one of Debian's packages: without it, it is ignored, and fails if `STAGEX_REQUIRE`
/// names it.
fn with_program(
    name: &'static str,
    program: &'static str,
    package: &'static str,
    test: fn(&Path) -> Result<(), Failed>,
) -> Trial {
    let found = which::which(program).ok();
    let reason = format!("{program} is not here: install Debian's {package}");
    let required = variable("STAGEX_REQUIRE").unwrap_or_default();
    let is_here = found.is_some() || required.split(',').any(|word| word == program);
    let told = reason.clone();
    let trial = Trial::test(name, move || test(&found.ok_or(told)?));
    if is_here {
        trial
    } else {
        trial.with_ignored_flag(true).with_kind(reason)
    }
}

/// The example tree, and a state directory beside it.
struct Scene {
    tree: engines::Tree,
    runtime: String,
}

impl Scene {
    fn new(runtime: &str) -> Self {
        Self {
            tree: example_tree(),
            runtime: runtime.to_owned(),
        }
    }

    fn path(&self) -> &Path {
        self.tree.path()
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut stagex = Command::new(env!("CARGO_BIN_EXE_stagex"));
        stagex
            .arg("-C")
            .arg(self.path())
            .args(words)
            .env("XDG_STATE_HOME", self.path().join("state"))
            .env_remove("STAGEX_OUT");
        stagex
    }

    fn stagex(&self, words: &[&str]) -> Output {
        self.command(words).output().unwrap()
    }

    /// Reproduces, and returns the exit code and the document.
    fn reproduce(&self, words: &[&str]) -> Result<(i32, Value), Failed> {
        let first = ["reproduce", "--runtimes", &self.runtime, "--format", "json"];
        let ran = self.stagex(&[&first, words].concat());
        let document = serde_json::from_slice(&ran.stdout);
        let document = document.map_err(|_| String::from_utf8_lossy(&ran.stderr).into_owned())?;
        Ok((ran.status.code().unwrap(), document))
    }

    fn ledger(&self, words: &[&str]) -> Vec<Value> {
        let ran = self.stagex(&[&["ledger", "--format", "json"], words].concat());
        let document: Value = serde_json::from_slice(&ran.stdout).unwrap();
        document["attempts"].as_array().unwrap().clone()
    }

    fn record(&self, stage: &str, line: &str) {
        let path = self.path().join(format!("digests/{stage}.txt"));
        fs::write(path, line).unwrap();
    }

    fn package(&self, name: &str, containerfile: &str) {
        let directory = self.path().join("packages/core").join(name);
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join("Containerfile"), containerfile).unwrap();
        let manifest = format!("[package]\nname = \"{name}\"\n");
        fs::write(directory.join("package.toml"), manifest).unwrap();
    }
}

/// Returns what a runtime made of a package.
fn of<'a>(document: &'a Value, package: &str) -> &'a Value {
    let mut images = document["images"].as_array().unwrap().iter();
    let image = images.find(|image| image["package"] == package).unwrap();
    &image["runtimes"][0]
}

fn reproduces(runtime: &str, program: &Utf8Path) -> Result<(), Failed> {
    let stored = images(program)?;
    let scene = Scene::new(runtime);
    let label = ["bootstrap-label"];

    // It is what is recorded; nothing that was built in out/ is touched, and nothing is built a second time.
    let (code, found) = scene.reproduce(&label)?;
    expect(code == 0, &format!("{code}: {found}"))?;
    let one = of(&found, "bootstrap-label");
    expect(
        one["verdict"] == "reproduced" && one["now"] == true,
        &found.to_string(),
    )?;
    expect(
        !scene.path().join("out/bootstrap-label").exists(),
        "out/ has it",
    )?;
    let place = format!("out/.stagex/reproduced/{runtime}/bootstrap-label/index.json");
    expect(scene.path().join(place).exists(), "it is not kept")?;
    let (_, again) = scene.reproduce(&label)?;
    expect(
        of(&again, "bootstrap-label")["now"] == false,
        &again.to_string(),
    )?;
    expect(
        again["reproduction"] != found["reproduction"],
        "it was not finished",
    )?;
    let before = scene.ledger(&label).len();
    let (_, clean) = scene.reproduce(&["--clean", "bootstrap-seed"])?;
    expect(
        of(&clean, "bootstrap-seed")["now"] == true,
        &clean.to_string(),
    )?;
    expect(before == 1, &format!("{before} attempts"))?;

    // What it is built from may be what is recorded.
    let refused = scene.reproduce(&["--against-record", "bootstrap-label"]);
    expect(
        refused.is_ok(),
        "the images of the reproduction are recorded ones",
    )?;
    let (code, found) = refused?;
    let built = found["images"].as_array().unwrap().len();
    expect(code == 0 && built == 1, &format!("{code}: {found}"))?;
    let assumed = found["assumed"].as_array().unwrap();
    expect(!assumed.is_empty(), &found.to_string())?;

    // Another digest is recorded: it differs. None is: it was not compared.
    let zeros = format!("{} bootstrap-label\n", "0".repeat(64));
    scene.record("bootstrap", &zeros);
    let (code, found) = scene.reproduce(&label)?;
    let verdict = &of(&found, "bootstrap-label")["verdict"];
    expect(
        code == 6 && verdict == "differs",
        &format!("{code}: {found}"),
    )?;
    scene.record("bootstrap", "");
    let (code, found) = scene.reproduce(&["bootstrap-seed"])?;
    expect(code == 7, &format!("{code}: {found}"))?;
    expect(
        of(&found, "bootstrap-seed")["verdict"] == "not-recorded",
        &found.to_string(),
    )?;

    // It cannot be built, which is neither.
    scene.package("fails", "FROM stagex/bootstrap-label\nRUN [\"/nothing\"]\n");
    let (code, found) = scene.reproduce(&["core-fails"])?;
    let fails = of(&found, "core-fails");
    expect(
        code == 1 && fails["verdict"] == "failed",
        &format!("{code}: {found}"),
    )?;
    expect(fails["failure"]["kind"] == "package", &fails.to_string())?;
    let failed = scene.ledger(&["core-fails", "--verdict", "failed"]);
    expect(
        failed.len() == 1 && failed[0]["failure"].is_object(),
        &format!("{failed:?}"),
    )?;

    broken(&scene, has_store(program))?;
    planted::each_is_named(&scene)?;
    // What is killed of Docker is its client, and no engine.
    if runtime != "docker" {
        reproducing::faults::engine_is_killed(runtime, program)?;
    }
    nothing_is_left(scene.path(), program, &stored)?;

    let archive = scene.stagex(&["reproduce", "--runtimes", runtime, "out/bootstrap-seed.tgz"]);
    expect(
        archive.status.code() == Some(2),
        "an archive is not refused",
    )?;

    // The ledger is not the tree's: clean leaves it alone.
    let all = scene.ledger(&[]);
    expect(
        scene.stagex(&["clean", "--quiet"]).status.success(),
        "it cannot be cleaned",
    )?;
    expect(
        !scene.path().join("out/.stagex/reproduced").exists(),
        "clean leaves images",
    )?;
    expect(scene.ledger(&[]) == all, "clean changes the ledger")
}

/// A program that needs nothing else.
const BUSYBOX: &str = "/bin/busybox";

/// Writes a package that has it.
fn put_busybox(scene: &Scene) {
    scene.package("box", "FROM scratch\nCOPY busybox /bin/\n");
    let busybox = scene.path().join("packages/core/box/busybox");
    fs::copy(BUSYBOX, busybox).expect("Debian's busybox-static is needed");
}

/// What does not come out the same is found, and what breaks it. `is_slow` says that an engine of its own builds.
fn broken(scene: &Scene, is_slow: bool) -> Result<(), Failed> {
    put_busybox(scene);
    let ran = scene.stagex(&["runtimes", "--format", "json"]);
    let runtimes: Value = serde_json::from_slice(&ran.stdout).unwrap();
    let varies = &runtimes["runtimes"][&scene.runtime]["ready"]["capabilities"]["varies"];
    let varies = varies.as_array().ok_or("it does not say what it varies")?;
    documented(&scene.runtime, varies)?;
    let mut planted = Vec::new();
    for (name, run, cause) in PLANTED {
        let run = format!(
            "FROM stagex/core-box\nRUN [\"/bin/busybox\", \"sh\", \"-c\", \"/bin/busybox {run}\"]\n"
        );
        scene.package(name, &run);
        // One is enough of those that are found in the same way, where builds are slow.
        let is_varied = varies.iter().any(|varied| varied == cause);
        if name == "chance" || (is_varied && (!is_slow || name == "kernel")) {
            planted.push((format!("core-{name}"), cause));
        }
    }
    let mut words = vec!["--rounds", "2"];
    words.extend(planted.iter().map(|(name, _)| name.as_str()));
    let (code, found) = scene.reproduce(&words)?;
    expect(code == 6, &format!("{code}: {found}"))?;
    for (name, cause) in &planted {
        let one = of(&found, name);
        let is_told = one["verdict"] == "unstable" && one["broken_by"] == *cause;
        expect(is_told, &format!("{name}: {one}"))?;
    }
    // Both images are there, to be compared.
    let place = scene
        .path()
        .join("out/.stagex/reproduced")
        .join(&scene.runtime);
    for image in ["core-chance/index.json", "core-chance@2/index.json"] {
        expect(place.join(image).exists(), image)?;
    }
    // And this is how they differ, whichever runtime has made them.
    for (name, _) in &planted {
        let (first, second) = (
            format!("{name}@{}", scene.runtime),
            format!("{name}@2@{}", scene.runtime),
        );
        let ran = scene.stagex(&["diff", &first, &second, "--format", "json"]);
        let differ: Value = serde_json::from_slice(&ran.stdout)
            .map_err(|_| String::from_utf8_lossy(&ran.stderr).into_owned())?;
        let classes = differ["classes"].as_array().unwrap().iter();
        let classes: Vec<_> = classes.map(|one| one["class"].as_str().unwrap()).collect();
        let is_told = ran.status.code() == Some(6)
            && differ["first"]["path"] == "o"
            && classes == ["contents"];
        expect(is_told, &format!("{name}: {differ}"))?;
    }
    expect(
        !place.join("core-box@2").exists(),
        "an image of a round is left that is equal",
    )?;
    let stable = of(&found, "core-box");
    let attempt = scene.ledger(&["core-box"]);
    let rounds = attempt.last().unwrap()["rounds"].as_array().unwrap().len();
    expect(
        stable["verdict"] == "not-recorded" && rounds == 2,
        &format!("{stable} {rounds}"),
    )
}

/// The table for people says what a runtime varies.
fn documented(runtime: &str, varies: &[Value]) -> Result<(), Failed> {
    let page = include_str!("../../docs/reproduce.md");
    let rows = page
        .lines()
        .filter(|line| line.starts_with("| `") && line.matches(" | ").count() == 4);
    let rows: Vec<Vec<&str>> = rows
        .map(|row| row.trim_matches('|').split(" | ").map(str::trim).collect())
        .collect();
    let mut titles = page
        .lines()
        .filter(|line| line.starts_with("| variation |"));
    let titles = titles.next().ok_or("there is no table")?.split(" | ");
    let mut columns = titles.map(|title| title.split([',', ' ', '|']).any(|word| word == runtime));
    let column = columns.position(|of_runtime| of_runtime);
    let column = column.ok_or("the table has no column of the runtime")?;
    let said = rows.iter().filter(|row| row[column] == "yes");
    let mut said: Vec<&str> = said.map(|row| row[0].trim_matches('`')).collect();
    said.sort_unstable();
    let mut found: Vec<&str> = varies.iter().filter_map(Value::as_str).collect();
    found.sort_unstable();
    expect(
        !rows.is_empty() && said == found,
        &format!("{said:?} is documented, and {found:?} varied"),
    )
}

/// What was reproduced is told to others: as a site, as statements, as a bill of materials.
fn told() -> Result<(), Failed> {
    let scene = Scene::new("native");
    let text = |words: &[&str]| {
        let ran = scene.stagex(words);
        let stderr = String::from_utf8_lossy(&ran.stderr).into_owned();
        expect(ran.status.success(), &format!("{words:?}: {stderr}"))?;
        Ok::<_, Failed>(String::from_utf8(ran.stdout).unwrap())
    };
    let nothing = scene.stagex(&["attest"]);
    expect(nothing.status.code() == Some(7), "nothing is attested")?;
    let (code, found) = scene.reproduce(&["bootstrap-label"])?;
    expect(code == 0, &format!("{code}: {found}"))?;
    let digest = of(&found, "bootstrap-label")["digest"].as_str().unwrap();
    let hex = digest.strip_prefix("sha256:").unwrap();

    let lines = text(&["attest", "bootstrap-label"])?;
    let statements: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let subjects = statements
        .iter()
        .map(|one| &one["subject"][0]["digest"]["sha256"]);
    expect(
        statements.len() == 2 && subjects.clone().all(|subject| subject == hex),
        &lines,
    )?;
    let materials = &statements[0]["predicate"]["buildDefinition"]["resolvedDependencies"];
    let kinds = materials
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["annotations"]["kind"]);
    expect(
        kinds.clone().any(|kind| kind == "dependency")
            && kinds.clone().any(|kind| kind == "containerfile"),
        &lines,
    )?;

    let bill = text(&["sbom", "--closure", "user-letters"])?;
    expect(
        bill == text(&["sbom", "--closure", "user-letters"])?,
        "two bills differ",
    )?;
    expect(
        bill.contains("SPDX-2.3") && bill.contains("bootstrap-seed"),
        &bill,
    )?;
    let bill = text(&["sbom", "--as", "cyclonedx", "user-letters"])?;
    expect(
        bill.contains("CycloneDX") && !bill.contains("bootstrap-seed"),
        &bill,
    )?;

    let place = scene.path().join("site");
    let site = place.to_str().unwrap();
    text(&["report", site])?;
    let page = fs::read_to_string(place.join("index.html")).unwrap();
    expect(
        page.contains("bootstrap-label") && page.contains("Content-Security-Policy"),
        &page,
    )?;
    text(&["report", site])?;
    let refused = scene.stagex(&["report", scene.path().join("packages").to_str().unwrap()]);
    expect(
        refused.status.code() == Some(2),
        "what is no report was replaced",
    )
}

/// Two reproductions of one tree do the work of one: the second waits, and finds what the first has made.
fn two_at_once() -> Result<(), Failed> {
    let scene = Scene::new("native");
    let words = ["reproduce", "--runtimes", "native", "--quiet"];
    let begin = || scene.command(&words).stdout(Stdio::null()).spawn().unwrap();
    let both = [begin(), begin()];
    for mut each in both {
        let status = each.wait().unwrap();
        expect(status.success(), &status.to_string())?;
    }
    let attempts = scene.ledger(&[]);
    let packages = scene.stagex(&["make", "--dry-run", "--quiet"]).stdout;
    let packages = String::from_utf8(packages).unwrap().lines().count();
    expect(
        attempts.len() == packages,
        &format!("{} attempts at {packages} packages", attempts.len()),
    )
}

/// A reproduction is killed again and again: it loses nothing, and never says what is wrong.
fn goes_on() -> Result<(), Failed> {
    let scene = Scene::new("native");
    let rounds: u64 = variable("STAGEX_ROUNDS").map_or(8, |text| text.parse().unwrap());
    let words = [
        "reproduce",
        "--runtimes",
        "native",
        "--clean",
        "--jobs",
        "2",
        "--quiet",
    ];
    let mut names = Vec::new();
    for round in 0..rounds {
        let mut child = scene.command(&words).stdout(Stdio::null()).spawn().unwrap();
        // Whole runs take about a second; a moment that comes too late is an end like any other.
        let moment = Duration::from_millis(40 + (round * 7919) % 900);
        let begun = std::time::Instant::now();
        while begun.elapsed() < moment && child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(5));
        }
        if child.try_wait().unwrap().is_none() {
            let id = rustix::process::Pid::from_child(&child);
            rustix::process::kill_process(id, rustix::process::Signal::KILL).unwrap();
        }
        child.wait().unwrap();
        let attempts = scene.ledger(&[]);
        let wrong = attempts
            .iter()
            .find(|attempt| attempt["verdict"] != "reproduced");
        expect(wrong.is_none(), &format!("round {round}: {wrong:?}"))?;
        let now: Vec<Value> = attempts
            .iter()
            .map(|attempt| attempt["package"].clone())
            .collect();
        expect(
            now.starts_with(&names),
            &format!("round {round}: something is lost"),
        )?;
        names = now;
    }
    let (code, found) = scene.reproduce(&["--clean", "--jobs", "2"])?;
    expect(code == 0, &format!("{code}: {found}"))?;
    let images = found["images"].as_array().unwrap();
    expect(
        images.iter().all(|image| image["reproduced"] == true),
        &found.to_string(),
    )?;
    let attempts = scene.ledger(&[]);
    expect(
        attempts.len() >= images.len(),
        &format!("{} attempts", attempts.len()),
    )
}
