//! A package with seeds is built once from each, and its images must be one. One test for each runtime that is here;
//! those that `STAGEX_REQUIRE` names must be.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_types,
    reason = "in a test, what cannot be made is a failure; and the program itself is what is tested"
)]

#[expect(dead_code, reason = "other tests use the rest")]
mod engines;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use camino::{Utf8Path, Utf8PathBuf};
use libtest_mimic::{Failed, Trial};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use engines::{example_tree, expect, images, nothing_is_left};

/// The names of the seeds of the example tree.
const SEEDS: [&str; 2] = ["first", "second"];
/// What has all ways to use a seed, and nothing of it in its image.
const WAYS: &str = "FROM seed AS build\n\
    COPY --from=seed /bin/hex /copied\n\
    COPY text /text\n\
    RUN --network=none --mount=from=seed,target=/mnt [\"/mnt/bin/hex\", \"/mounted\", \"/text\"]\n\
    RUN --network=none [\"/copied\", \"/made\", \"/text\"]\n\
    FROM scratch AS package\n\
    COPY --from=build /made /mounted /\n";
/// What has the seed in its image.
const LEAKS: &str = "FROM seed AS package\nCOPY text /text\n";
/// The image of that from the first seed alone, whichever runtime makes it.
const LEAKED: &str = "sha256:8cff2155d7f13acea2630369a0bcbd063a546cbdfa39db43efaa26a0f05d51c1";

fn main() -> ExitCode {
    let name = "a_reproduction_has_the_seeds_in_the_ledger";
    let others = [Trial::test(name, reproduced)];
    engines::run_with("a_package_is_built_once_from_each_seed", seeds, others)
}

/// The example tree, and a package in it with the seeds of another.
struct Scene {
    tree: engines::Tree,
    runtime: String,
    program: Utf8PathBuf,
}

impl Scene {
    fn new(runtime: &str, program: &Utf8Path) -> Self {
        Self {
            tree: example_tree(),
            runtime: runtime.to_owned(),
            program: program.to_owned(),
        }
    }

    fn path(&self) -> &Path {
        self.tree.path()
    }

    /// Runs `stagex`, and returns its code, its results and its messages.
    fn run(&self, words: &[&str]) -> (i32, String, String) {
        let mut stagex = Command::new(env!("CARGO_BIN_EXE_stagex"));
        stagex
            .arg("-C")
            .arg(self.path())
            .args(["--runtime", &self.runtime])
            .args(words)
            .env("XDG_STATE_HOME", self.path().join("state"))
            .env("XDG_CACHE_HOME", self.path().join("cache"))
            .env("XDG_CONFIG_HOME", self.path().join("configuration"))
            .env_remove("STAGEX_OUT");
        if self.runtime != "native" {
            let engine = format!("{}={}", self.runtime, self.program);
            stagex.args(["--engine", &engine]);
        }
        let output = stagex.output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let code = output.status.code().unwrap_or(-1);
        (code, text(&output.stdout), text(&output.stderr))
    }

    /// Runs `stagex`, and fails unless it ends with `code`. Returns its results and its messages.
    fn expect(&self, code: i32, words: &[&str]) -> Result<(String, String), Failed> {
        let (found, results, messages) = self.run(words);
        let otherwise = format!("{words:?}: {found}\n{results}{messages}");
        expect(found == code, &otherwise)?;
        Ok((results, messages))
    }

    fn record(&self, package: &str) -> Value {
        let path = format!("out/.stagex/records/{package}.json");
        let text = fs::read_to_string(self.path().join(path)).unwrap();
        // What proves it follows it.
        let document = serde_json::Deserializer::from_str(&text).into_iter().next();
        document.unwrap().unwrap()
    }

    /// Writes the package `bootstrap-new`, with these seeds.
    fn package(&self, containerfile: &str, seeds: &[&str]) {
        let packages = self.path().join("packages/bootstrap");
        let (twice, new) = (packages.join("twice"), packages.join("new"));
        fs::create_dir_all(&new).unwrap();
        fs::write(new.join("Containerfile"), containerfile).unwrap();
        fs::write(new.join("text"), "68 69 # hi\n").unwrap();
        let manifest = fs::read_to_string(twice.join("package.toml")).unwrap();
        let (_, sources) = manifest.split_once("# A tar with").unwrap();
        let mut text = "[package]\nname = \"new\"\nversion = \"1\"\n".to_owned();
        for seed in seeds {
            write!(text, "[seeds.{seed}]\nsource = \"{seed}\"\n").unwrap();
        }
        write!(text, "#{sources}").unwrap();
        fs::write(new.join("package.toml"), text).unwrap();
    }

    /// Returns where the image of a seed is kept that did not come out as the others.
    fn kept(&self, seed: &str) -> PathBuf {
        let path = format!("out/.stagex/seeds/bootstrap-new/{seed}");
        self.path().join(path)
    }
}

fn names(record: &Value) -> Vec<&str> {
    let seeds = record["seeds"].as_array().unwrap().iter();
    seeds.map(|seed| seed["name"].as_str().unwrap()).collect()
}

fn seeds(runtime: &str, program: &Utf8Path) -> Result<(), Failed> {
    let stored = images(program)?;
    let scene = Scene::new(runtime, program);

    // The package of the example tree: one image of two seeds, the recorded one.
    let twice = ["make", "bootstrap-twice"];
    let (results, messages) = scene.expect(0, &twice)?;
    let recorded = fs::read_to_string(scene.path().join("digests/bootstrap.txt"))?;
    let mut lines = results.lines();
    let is_recorded = lines.all(|line| recorded.lines().any(|known| known == line));
    expect(is_recorded && results.contains("twice"), &results)?;
    for (number, seed) in SEEDS.iter().enumerate() {
        let told = format!("from the seed `{seed}` ({} of 2)", number + 1);
        expect(messages.contains(&told), &messages)?;
    }
    let record = scene.record("bootstrap-twice");
    expect(names(&record) == SEEDS, &record.to_string())?;
    let (_, messages) = scene.expect(0, &twice)?;
    expect(!messages.contains("from the seed"), &messages)?;

    // The seeds do not give one image: none is there, and both can be compared.
    scene.package(LEAKS, &SEEDS);
    let new = ["make", "bootstrap-new"];
    let (_, messages) = scene.expect(6, &new)?;
    let differ = "its seeds give different images: `first` gives sha256:";
    let hint = "stagex diff";
    let told = [differ, "`second` gives sha256:", hint];
    expect(told.iter().all(|told| messages.contains(told)), &messages)?;
    expect(!scene.path().join("out/bootstrap-new").exists(), "in out/")?;
    for seed in SEEDS {
        let index = scene.kept(seed).join("index.json");
        expect(index.exists(), &format!("{seed} is not kept"))?;
    }
    nothing_is_left(scene.path(), program, &stored)?;

    // All ways to use a seed. What was kept goes when there is nothing to compare any more.
    scene.package(WAYS, &SEEDS);
    scene.expect(0, &new)?;
    let record = scene.record("bootstrap-new");
    expect(names(&record) == SEEDS, &record.to_string())?;
    expect(!scene.kept("first").exists(), "what agrees is kept")?;
    // A seed less is another input. Of one seed, the image may be made of it, and every runtime makes the same.
    scene.package(LEAKS, &SEEDS[..1]);
    let (explained, _) = scene.expect(0, &[&new[..], &["--dry-run", "--explain"]].concat())?;
    let is_said = explained.contains("seed second");
    expect(is_said, &explained)?;
    scene.expect(0, &new)?;
    let record = scene.record("bootstrap-new");
    expect(names(&record) == ["first"], &record.to_string())?;
    expect(record["digest"] == LEAKED, &record.to_string())?;

    // An archive that is none is refused before anything is run.
    let new_directory = scene.path().join("packages/bootstrap/new");
    let body = "no archive";
    fs::write(new_directory.join("first-1.tar"), body)?;
    let manifest = new_directory.join("package.toml");
    let text = fs::read_to_string(&manifest)?;
    let hash = text.split('"').find(|word| word.len() == 64).unwrap();
    let text = text.replacen("bootstrap/twice/", "bootstrap/new/", 1);
    fs::write(
        &manifest,
        text.replace(hash, &printable::hex(&Sha256::digest(body))),
    )?;
    let (_, messages) = scene.expect(1, &new)?;
    let refused = [
        "the seed `first`",
        "cannot be used",
        "hint: a seed is a tar",
    ];
    expect(
        refused.iter().all(|told| messages.contains(told)),
        &messages,
    )?;
    nothing_is_left(scene.path(), program, &stored)
}

/// A reproduction has the seeds in the ledger, and a difference between them is one.
fn reproduced() -> Result<(), Failed> {
    let scene = Scene::new("native", "".into());
    scene.package(LEAKS, &SEEDS);
    let words = [
        "reproduce",
        "--keep-going",
        "bootstrap-twice",
        "bootstrap-new",
    ];
    let (_, messages) = scene.expect(6, &words)?;
    expect(
        messages.contains("its seeds give different images"),
        &messages,
    )?;
    let (ledger, _) = scene.expect(0, &["ledger", "--format", "json"])?;
    let ledger: Value = serde_json::from_str(&ledger)?;
    let attempts = ledger["attempts"].as_array().unwrap();
    let of = |package: &str| {
        let mut attempts = attempts.iter();
        attempts.find(|attempt| attempt["package"] == package)
    };
    let (Some(twice), Some(new)) = (of("bootstrap-twice"), of("bootstrap-new")) else {
        return Err(ledger.to_string().into());
    };
    let is_reproduced = twice["verdict"] == "reproduced" && names(twice) == SEEDS;
    expect(is_reproduced, &twice.to_string())?;
    let differs = new["failure"]["kind"] == "differs" && new["digest"].is_null();
    expect(differs, &new.to_string())
}
