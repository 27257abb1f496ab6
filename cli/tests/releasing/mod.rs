//! A release before real programs: git, gpg, a runtime, a server of sources and a registry. Each step is refused before it
//! is done, says how to do it, and is done by the commands that it says.

mod scene;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use libtest_mimic::{Failed, Trial};
use serde_json::json;

use crate::engines::expect;
use crate::server::hang;
use crate::signing::text;
use crate::{Real, Test};
use scene::{Ran, Scene};

/// Makes the tests; the first needs a real registry.
pub(crate) fn trials(trial: impl Fn(&'static str, Test) -> Trial) -> Vec<Trial> {
    vec![
        trial("a_release_is_made_step_by_step", whole),
        Trial::test("the_number_of_a_release_is_above_all_before", numbers),
        Trial::test(
            "changes_count_on_the_branch_that_a_release_merges",
            branches,
        ),
        Trial::test("what_a_machine_cannot_do_is_left_to_people", differs),
        Trial::test("a_release_that_is_interrupted_leaves_nothing", interrupted),
    ]
}

/// A release of which everything is asked.
struct Whole {
    scene: Scene,
    to: String,
    site: PathBuf,
}

impl Whole {
    fn release(&self, more: &[&str]) -> Ran {
        let site = self.site.to_str().unwrap();
        let words = ["2026.02.0", "--to", &self.to, "--report", site];
        self.scene.release(&[&words[..], more].concat())
    }
}

/// From a directory to images in a registry.
fn whole(program: &Path) -> Result<(), Failed> {
    let scene = Scene::new();
    let data = tempfile::tempdir().unwrap();
    let real = Real::start(program, data.path(), "")?;
    let whole = Whole {
        to: format!("{}/stagex", real.host),
        site: scene.place("site"),
        scene,
    };
    commits(&whole)?;
    digests(&whole)?;
    machine(&whole)?;
    signatures(&whole)?;
    tag(&whole)?;
    published(&whole)
}

/// What is checked out is a commit, in which everything is, with a number, by the rules, and each change is merged by another.
fn commits(whole: &Whole) -> Result<(), Failed> {
    let (scene, release) = (&whole.scene, |more: &[&str]| whole.release(more));
    release(&[]).stops("tree", 8, "you", "no clone of git")?;
    scene.git(None, &["init", "-q", "-b", "main"]);
    scene.commit(&scene.ann, "the beginning");
    scene.write(
        "packages/core/a/package.toml.orig",
        "a file that git does not know",
    );
    release(&[]).stops(
        "tree",
        8,
        "you",
        "packages/core/a/package.toml.orig is not in the commit",
    )?;
    fs::remove_file(scene.tree.path().join("packages/core/a/package.toml.orig")).unwrap();
    let ignored = fs::read_to_string(scene.tree.path().join(".gitignore")).unwrap();
    scene.write(".gitignore", "");
    release(&[]).stops("tree", 8, "you", "files that git tracks have changed")?;
    scene.write(".gitignore", &ignored);

    release(&[]).stops("number", 5, "you", "a policy says whose signatures count")?;
    scene.believe("[releases]\nlongest-age = 30\n");
    // What is before the first release is taken as it is: somebody has signed a tag of it.
    scene.tag(&scene.ann, "2026.01.0");

    scene.write(
        "packages/core/a/Containerfile",
        "FROM scratch\nCOPY --from=stagex/core-b /x /x\n",
    );
    scene.commit(&scene.ann, "core/a: needs what is not there");
    release(&[]).stops("check", 3, "you", "core-b")?;
    scene.git(None, &["reset", "-q", "--hard", "HEAD~1"]);

    scene.write(
        "packages/core/a/Containerfile",
        "# changed\nFROM scratch\nCOPY fetch/x /x\n",
    );
    scene.commit(&scene.ann, "core/a: a change of one person alone");
    let ran = release(&[]);
    ran.stops("changes", 8, "others", "nobody has merged it")?;
    expect(
        ran.step("changes")["found"]
            .to_string()
            .contains("since 2026.01.0"),
        &ran.document.to_string(),
    )?;
    scene.git(None, &["reset", "-q", "--hard", "HEAD~1"]);
    scene.change(&scene.ann, &scene.ben);
    Ok(())
}

/// Each package is recorded in the commit.
fn digests(whole: &Whole) -> Result<(), Failed> {
    let (scene, release) = (&whole.scene, |more: &[&str]| whole.release(more));
    // Nothing is recorded: the commands that are printed record it.
    let ran = release(&[]);
    ran.is_done("changes")?;
    ran.stops("digests", 6, "you", "core-a: no digest is recorded")?;
    scene.obey(&scene.ann, ran.step("digests"), &[]);
    let digests = scene.tree.path().join("digests/core.txt");
    let recorded = fs::read_to_string(&digests).unwrap();
    scene.write(
        "digests/core.txt",
        &(recorded.clone() + &"0".repeat(64) + " core-b\n"),
    );
    scene.commit(&scene.ann, "a digest of nothing");
    release(&[]).stops(
        "digests",
        6,
        "you",
        "core-b: a digest is recorded, and there is no such package",
    )?;
    scene.write("digests/core.txt", &format!("{} core-a\n", "0".repeat(64)));
    scene.commit(&scene.ann, "another digest");
    release(&[]).stops("digests", 6, "you", "and out/ has")?;
    scene.git(None, &["reset", "-q", "--hard", "HEAD~2"]);
    scene.git(None, &["rm", "-q", "--cached", "digests/core.txt"]);
    scene.git(None, &["commit", "-q", "-m", "no digests"]);
    release(&[]).stops("digests", 8, "you", "digests/core.txt is not in the commit")?;
    scene.git(None, &["reset", "-q", "--hard", "HEAD~1"]);
    expect(
        fs::read_to_string(&digests).unwrap() == recorded,
        "it was not recorded",
    )?;
    Ok(())
}

/// Sources are here, and this machine has reproduced each package.
fn machine(whole: &Whole) -> Result<(), Failed> {
    let (scene, release) = (&whole.scene, |more: &[&str]| whole.release(more));
    // What a machine may do is named, and done where that is asked for.
    for here in ["fetch", "out"] {
        fs::remove_dir_all(scene.tree.path().join(here)).unwrap();
    }
    fs::remove_dir_all(scene.place("cache")).unwrap();
    release(&[]).stops("sources", 1, "machine", "fetch/core/a/x")?;
    let ran = release(&["--dry-run"]);
    for step in ["sources", "reproduced"] {
        expect(
            ran.step(step)["state"] == "would-run",
            &ran.document.to_string(),
        )?;
    }
    expect(
        ran.step("signed")["state"] == "to-do" && ran.code == 1,
        &ran.document.to_string(),
    )?;
    expect(!scene.tree.path().join("fetch").exists(), "it was done")?;
    let ran = release(&["--run"]);
    for step in ["sources", "reproduced"] {
        ran.is_done(step)?;
        expect(ran.step(step)["ran"] == true, &ran.document.to_string())?;
    }

    // What was reproduced while something had changed is reproduced anew.
    let ignored = fs::read_to_string(scene.tree.path().join(".gitignore")).unwrap();
    scene.write(".gitignore", "/out\n");
    let again = scene.stagex(None, &["reproduce", "--clean"]);
    expect(again.status.success(), &text(&again.stderr))?;
    scene.write(".gitignore", &ignored);
    let ran = release(&[]);
    ran.stops("reproduced", 8, "machine", "changes that are not committed")?;
    let commands = &ran.step("reproduced")["commands"];
    let root = scene.tree.path().to_str().unwrap();
    let expected = json!([["stagex", "-C", root, "reproduce", "--clean", "core-a"]]);
    expect(*commands == expected, &commands.to_string())?;
    release(&["--run"]).is_done("reproduced")
}

/// Enough people have signed, and the report says so.
fn signatures(whole: &Whole) -> Result<(), Failed> {
    let (scene, release) = (&whole.scene, |more: &[&str]| whole.release(more));
    let (site, ran) = (&whole.site, release(&[]));
    // You sign, and then another person does.
    ran.stops(
        "signed",
        8,
        "you",
        "core-a is not verified: signed by 0 of 2 people",
    )?;
    scene.obey(&scene.ann, ran.step("signed"), &["--yes"]);
    let ran = release(&[]);
    ran.stops("signed", 8, "others", "signed by 1 of 2 people")?;
    scene.obey(&scene.mallory, ran.step("signed"), &["--yes"]);
    release(&[]).stops("signed", 8, "others", "signed by 1 of 2 people")?;
    scene.obey(&scene.ben, ran.step("signed"), &["--yes"]);

    release(&[]).stops("report", 8, "machine", "is not there")?;
    expect(!site.exists(), "it was written")?;
    let ran = release(&["--run"]);
    ran.is_done("report")?;
    expect(site.join("index.html").exists(), "it was not written")?;
    Ok(())
}

/// A tag counts if somebody of the policy has signed it, and it is of this commit.
fn tag(whole: &Whole) -> Result<(), Failed> {
    let (scene, release) = (&whole.scene, |more: &[&str]| whole.release(more));
    let ran = release(&[]);
    ran.stops(
        "tag",
        8,
        "you",
        "nobody of the policy has signed a tag 2026.02.0 of this commit",
    )?;
    scene.git(None, &["tag", "2026.02.0"]);
    let ran = release(&[]);
    ran.stops(
        "tag",
        8,
        "you",
        "there is a tag 2026.02.0 that does not count",
    )?;
    scene.obey(&scene.mallory, ran.step("tag"), &[]);
    let ran = release(&[]);
    ran.stops(
        "tag",
        8,
        "you",
        "there is a tag 2026.02.0 that does not count",
    )?;
    scene.obey(&scene.ben, ran.step("tag"), &[]);
    Ok(())
}

/// The registry has everything; what is changed later is seen, also in what was written before.
fn published(whole: &Whole) -> Result<(), Failed> {
    let (scene, release) = (&whole.scene, |more: &[&str]| whole.release(more));
    let to = &whole.to;
    let ran = release(&["--offline"]);
    ran.is_done("tag")?;
    ran.stops("published", 2, "you", "nothing may reach the network")?;
    let ran = release(&[]);
    ran.stops("published", 8, "you", "lacks 1 of 1 package")?;
    expect(
        ran.step("published")["registry"] == to.as_str(),
        &ran.document.to_string(),
    )?;
    let published = scene.stagex(None, &["publish", "--to", to]);
    expect(published.status.success(), &text(&published.stderr))?;
    // It has no `latest` yet.
    let ran = release(&[]);
    ran.stops("published", 8, "you", "lacks 1 of 1 package")?;
    scene.obey(&scene.ann, ran.step("published"), &[]);
    let ran = release(&[]);
    expect(
        ran.code == 0 && ran.document["complete"] == true,
        &ran.document.to_string(),
    )?;

    // Without its number it is the same, and people read the same.
    let human = scene.stagex(None, &["release", "--to", to]);
    let (shown, said) = (text(&human.stdout), text(&human.stderr));
    expect(human.status.success(), &said)?;
    expect(
        shown.contains("done       tag         Ben has signed the tag 2026.02.0"),
        &shown,
    )?;
    expect(
        said.contains("release 2026.02.0: 10 of 10 steps done"),
        &said,
    )?;

    let mallory = &scene.mallory.fingerprint;
    scene.believe(&format!(
        "[[people]]\nname = \"Mallory\"\ncertificates = [\"{mallory}\"]\n"
    ));
    release(&[]).stops("report", 8, "machine", "says something else")?;
    scene.believe("[releases]\nlowest = \"2026.03.0\"\n");
    scene
        .release(&["--to", to])
        .stops("tag", 8, "you", "2026.02.0 is before 2026.03.0")
}

/// A number is free, and above all before; without one it is the next.
fn numbers() -> Result<(), Failed> {
    let scene = Scene::new();
    scene.git(None, &["init", "-q", "-b", "main"]);
    scene.believe("");
    scene.commit(&scene.ann, "the beginning");
    for wrong in [
        "v2026.01.0",
        "2026.1.0",
        "2026.13.0",
        "2026.01",
        "2026.01.00",
    ] {
        let ran = scene.release(&[wrong]);
        expect(
            ran.code == 2 && ran.stderr.contains("expected YYYY.MM.N"),
            &ran.stderr,
        )?;
    }
    let found = |words: &[&str]| {
        let ran = scene.release(words);
        (
            ran.step("number").clone(),
            ran.document["release"].clone(),
            ran,
        )
    };
    let (number, _, ran) = found(&["2026.01.0"]);
    expect(
        number["found"] == "2026.01.0 is the first release",
        &ran.stderr,
    )?;
    // What somebody else signs, and what nobody does, is no release.
    scene.tag(&scene.mallory, "2999.01.0");
    scene.git(None, &["tag", "2999.02.0"]);
    scene.tag(&scene.ann, "newest");
    scene.tag(&scene.ann, "2026.01.3");
    let (_, release, ran) = found(&[]);
    expect(release == "2026.01.3", &ran.document.to_string())?;
    scene.commit(&scene.ann, "more");
    scene
        .release(&["2026.01.3"])
        .stops("number", 2, "you", "as a tag of another commit")?;
    scene.release(&["2026.01.2"]).stops(
        "number",
        2,
        "you",
        "is before 2026.01.3, which Ann has signed",
    )?;
    let (number, _, ran) = found(&["2026.01.4"]);
    expect(number["state"] == "done", &ran.document.to_string())?;
    let (number, release, ran) = found(&[]);
    let (year, release) = (
        release.as_str().unwrap_or_default(),
        &ran.document["release"],
    );
    expect(
        number["state"] == "done" && year > "2026.01.3",
        &release.to_string(),
    )?;
    // A tag that was given another name is called as it was signed.
    scene.git(
        None,
        &["update-ref", "refs/tags/2026.05.0", "refs/tags/2026.01.3"],
    );
    let (number, _, ran) = found(&["2026.04.0"]);
    expect(number["state"] == "done", &ran.document.to_string())
}

/// Whoever makes a release merges everything, their own changes too; others have merged those on the branch before.
fn branches() -> Result<(), Failed> {
    let scene = Scene::new();
    scene.git(None, &["init", "-q", "-b", "main"]);
    scene.believe("");
    scene.commit(&scene.ann, "the beginning");
    scene.git(None, &["branch", "staging"]);
    let merged = |more: &[&str]| scene.release(more).step("changes").clone();
    // The first release is a merge that is not merged back.
    scene.git(None, &["checkout", "-q", "staging"]);
    scene.change(&scene.ben, &scene.ann);
    scene.git(None, &["checkout", "-q", "main"]);
    scene.merge(&scene.ann, "staging");
    scene.tag(&scene.ann, "2026.01.0");

    scene.git(None, &["checkout", "-q", "staging"]);
    scene.change(&scene.ann, &scene.ben);
    let found = merged(&[]);
    let expected =
        "1 change to packages since 2026.01.0, each signed by one person and merged by another";
    expect(found["found"] == expected, &found.to_string())?;
    scene.git(None, &["checkout", "-q", "main"]);
    scene.merge(&scene.ann, "staging");
    let found = merged(&[]);
    expect(
        found.to_string().contains("Ann has merged it as well"),
        &found.to_string(),
    )?;
    let found = merged(&["--staging"]);
    expect(found["found"] == expected, &found.to_string())?;

    // What nobody else has merged on either does not count.
    scene.git(None, &["checkout", "-q", "staging"]);
    scene.change(&scene.ann, &scene.ann);
    scene.git(None, &["checkout", "-q", "main"]);
    scene.merge(&scene.ann, "staging");
    let found = merged(&["--staging"]);
    expect(found["state"] == "to-do", &found.to_string())?;
    expect(
        found["problems"].as_array().map(Vec::len) == Some(1),
        &found.to_string(),
    )?;
    expect(
        found.to_string().contains("Ann has merged it as well"),
        &found.to_string(),
    )?;
    let found = merged(&["--staging", "--since", "HEAD~1"]);
    expect(found["state"] == "to-do", &found.to_string())?;
    scene.git(None, &["reset", "-q", "--hard", "HEAD~1"]);

    // A merge that changes packages itself does not hide behind what it merges.
    scene.git(None, &["checkout", "-q", "-b", "other", "main~1"]);
    scene.write("packages/core/a/Containerfile", "FROM scratch\n");
    let tree = {
        scene.git(None, &["add", "--all"]);
        scene.git(None, &["write-tree"])
    };
    let words = [
        "commit-tree",
        "-S",
        "-p",
        "main~1",
        "-p",
        "staging~1",
        "-m",
        "evil",
        &tree,
    ];
    let evil = scene.git(Some(&scene.ann), &words);
    scene.git(None, &["reset", "-q", "--hard", &evil]);
    let found = merged(&["--staging"]);
    expect(
        found["state"] == "to-do" && found.to_string().contains("evil"),
        &found.to_string(),
    )
}

/// Returns a tree with a release, in which another digest is recorded than the package's.
fn another_digest() -> Scene {
    let scene = Scene::new();
    scene.git(None, &["init", "-q", "-b", "main"]);
    scene.believe("");
    scene.write("digests/core.txt", &format!("{} core-a\n", "0".repeat(64)));
    scene.commit(&scene.ann, "the beginning");
    scene.tag(&scene.ann, "2026.01.0");
    scene
}

/// A package that comes out as another image is nothing that running again helps.
fn differs() -> Result<(), Failed> {
    let scene = another_digest();
    scene.commit(&scene.ann, "a digest that is not the one");
    let ran = scene.release(&["--run"]);
    ran.stops(
        "reproduced",
        6,
        "you",
        "core-a: the last attempt to reproduce it, with native: differs",
    )?;
    expect(
        ran.step("reproduced")["ran"] == true,
        &ran.document.to_string(),
    )?;
    expect(ran.stderr.contains("core-a"), &ran.stderr)?;
    let commands = &ran.step("reproduced")["commands"];
    let root = scene.tree.path().to_str().unwrap();
    expect(
        *commands == json!([["stagex", "-C", root, "reproduce"]]),
        &commands.to_string(),
    )?;
    // Where nothing may be downloaded, a machine cannot fetch either.
    fs::remove_dir_all(scene.tree.path().join("fetch")).unwrap();
    fs::remove_dir_all(scene.place("cache")).unwrap();
    let ran = scene.release(&["--run", "--offline"]);
    ran.stops("sources", 1, "you", "1 of 1 source missing")?;
    Ok(())
}

/// Ctrl-C while a machine does its part: what is not whole is not there.
fn interrupted() -> Result<(), Failed> {
    let scene = another_digest();
    scene.commit(&scene.ann, "more");
    scene.server.on("/x", [hang()]);
    let mut command = scene.command(env!("CARGO_BIN_EXE_stagex"), None);
    let words = ["release", "--run", "--format", "json"];
    command.arg("-C").arg(scene.tree.path()).args(words);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = child.spawn().unwrap();
    while scene.server.requests("/x").is_empty() {
        expect(child.try_wait()?.is_none(), "it asks for no source")?;
        std::thread::yield_now();
    }
    let pid = rustix::process::Pid::from_raw(child.id().try_into().unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let ended = child.wait_with_output().unwrap();
    expect(ended.status.code() == Some(130), &text(&ended.stderr))?;
    expect(ended.stdout.is_empty(), &text(&ended.stdout))?;
    expect(
        !scene.tree.path().join("fetch/core/a/x").exists(),
        "it was fetched",
    )?;
    let ran = scene.release(&[]);
    ran.stops("sources", 1, "machine", "fetch/core/a/x")
}
