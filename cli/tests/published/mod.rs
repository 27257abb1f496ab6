//! `stagex publish` before a real registry: what is published and who sees it, how often a registry is asked, and what
//! keeps it from being published.

pub(crate) mod faults;
pub(crate) mod known;
pub(crate) mod platforms;
pub(crate) mod proxy;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;

use libtest_mimic::{Failed, Trial};

use crate::engines::expect;
use crate::gpg::Gpg;
use crate::program::{self, Ran};
use crate::schema::printed;
use crate::{NEEDS_IT, PACKAGE, Real, Scene, Test};
use proxy::{Act, Proxy};

/// The time at which keys are made, and signatures.
const THEN: &str = "20260101T000000";

/// Makes the tests, which need a real registry.
pub(crate) fn trials(trial: impl Fn(&'static str, Test) -> Trial) -> Vec<Trial> {
    let all: [(&'static str, Test); 18] = [
        ("a_release_is_published_once", release),
        ("what_too_few_have_signed_is_not_published", quorum),
        ("one_registry_that_fails_keeps_no_other", several),
        ("what_is_interrupted_has_no_tag", interrupted),
        ("two_publish_at_once", at_once),
        ("publishing_goes_on_after_a_fault", faults::pass),
        ("half_a_piece_is_continued", faults::halves),
        ("what_a_registry_does_wrong_is_told", faults::refuse),
        ("nothing_is_sent_without_an_end", faults::endless),
        ("a_tag_is_never_moved", faults::moved),
        ("a_blob_is_mounted_where_that_works", faults::mounted),
        ("what_refers_to_an_image_is_listed", faults::referred),
        ("an_expired_token_is_replaced", known::expired),
        ("a_token_for_mounting_permits_both", known::mounted),
        ("an_identity_token_is_exchanged", known::exchanged),
        ("a_program_is_asked_for_a_password", known::program),
        ("no_program_is_asked_for_another_server", known::elsewhere),
        ("a_new_password_is_asked_for", known::renewed),
    ];
    let all = all.into_iter();
    all.map(|(name, test)| trial(name, test)).collect()
}

/// A tree with two built packages, and a real registry behind a proxy.
struct Release {
    scene: Scene,
    registry: Real,
    proxy: Proxy,
    data: tempfile::TempDir,
}

impl Release {
    fn new(program: &Path) -> Result<Self, Failed> {
        let scene = Scene::new();
        let ran = scene.stagex(&["--runtime", "native", "make", "--quiet", NEEDS_IT]);
        expect(ran.code == 0, &ran.stderr)?;
        let data = tempfile::tempdir().unwrap();
        let registry = Real::start(program, data.path(), "")?;
        let proxy = Proxy::start(&registry.host);
        Ok(Self {
            scene,
            registry,
            proxy,
            data,
        })
    }

    fn to(&self) -> String {
        format!("{}/stagex", self.proxy.host())
    }

    fn digest(&self, package: &str) -> String {
        let recorded = fs::read_to_string(self.scene.path().join("digests/bootstrap.txt"));
        let recorded = recorded.unwrap();
        let mut lines = recorded.lines();
        let end = format!(" {package}");
        lines
            .find_map(|line| line.strip_suffix(&end))
            .unwrap()
            .to_owned()
    }

    fn publish(&self, more: &[&str]) -> Ran {
        let to = self.to();
        let words = ["publish", "--to", &to, PACKAGE, NEEDS_IT];
        self.scene.stagex(&[&words, more].concat())
    }

    /// Returns the tags that the registry has on its disk.
    fn tags(&self, package: &str) -> Vec<String> {
        let path = format!("docker/registry/v2/repositories/stagex/{package}/_manifests/tags");
        let Ok(entries) = fs::read_dir(self.data.path().join(path)) else {
            return Vec::new();
        };
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.filter(|name| !name.starts_with("sha256-")).collect();
        names.sort();
        names
    }
}

/// What is published is what others see. An unchanged release costs two requests for each package, and one to find out
/// that the registry has no referrers API.
fn release(program: &Path) -> Result<(), Failed> {
    let release = Release::new(program)?;
    let ran = release.publish(&["--without-quorum", "--dry-run", "--format", "json"]);
    expect(ran.code == 0, &ran.stderr)?;
    let document = printed("publish", &ran.stdout);
    let of = &document["registries"][0];
    let outcomes = [&of["packages"][0], &of["packages"][1]];
    let would = |package: &&serde_json::Value| package["outcome"] == "published";
    expect(
        outcomes.iter().all(would) && of["complete"] == false,
        &ran.stdout,
    )?;
    let asked = release.proxy.take();
    let is_asked = |one: &proxy::Request| one.method == "GET";
    expect(asked.iter().all(is_asked), &format!("{asked:?}"))?;

    let ran = release.publish(&["--without-quorum", "--format", "json"]);
    expect(ran.code == 0, &ran.stderr)?;
    let document = printed("publish", &ran.stdout);
    expect(document["registries"][0]["complete"] == true, &ran.stdout)?;
    expect(document["quorum"] == false, &ran.stdout)?;
    expect(ran.stderr.contains("without a quorum"), &ran.stderr)?;
    // Tags are the last that is written.
    let writes = release.proxy.take().into_iter();
    let writes: Vec<_> = writes.filter(|one| one.method != "GET").collect();
    let last = writes.last().unwrap();
    expect(last.is("PUT", "/manifests/1.0"), &format!("{last:?}"))?;
    expect(release.tags(NEEDS_IT) == ["1.0"], "there are other tags")?;
    // A package without a version is there by its digest.
    expect(release.tags(PACKAGE).is_empty(), "it has a tag")?;

    let ran = release.publish(&["--without-quorum", "--format", "json"]);
    expect(ran.code == 0, &ran.stderr)?;
    let document = printed("publish", &ran.stdout);
    let packages = &document["registries"][0]["packages"];
    let same = |place: usize| packages[place]["outcome"] == "unchanged";
    expect(same(0) && same(1), &ran.stdout)?;
    let asked = release.proxy.take();
    let count = asked.len();
    expect(count <= 2 * 2 + 1, &format!("{count} requests: {asked:?}"))?;

    let ran = release.publish(&["--without-quorum", "--latest", "--quiet"]);
    expect(ran.code == 0, &ran.stderr)?;
    expect(
        release.tags(NEEDS_IT) == ["1.0", "latest"],
        "latest is not set",
    )?;
    expect(release.tags(PACKAGE) == ["latest"], "latest is not set")?;

    // It comes back as it is here.
    let image = format!("{}/{NEEDS_IT}:1.0", release.to());
    let words = ["pull", &image, "--output", "back"];
    let ran = release.scene.stagex(&words);
    let hex = release.digest(NEEDS_IT);
    expect(ran.code == 0 && ran.stdout.contains(&hex), &ran.stderr)
}

/// Skopeo and Podman see the tag.
pub(crate) fn others(program: &Path) -> Result<(), Failed> {
    let release = Release::new(program)?;
    let ran = release.publish(&["--without-quorum"]);
    expect(ran.code == 0, &ran.stderr)?;
    let image = format!("{}/{NEEDS_IT}:1.0", release.to());
    let run = |command: &mut Command| -> Result<String, Failed> {
        let ran = command.env("HOME", release.scene.path()).output()?;
        let stderr = String::from_utf8_lossy(&ran.stderr).into_owned();
        expect(ran.status.success(), &stderr)?;
        Ok(String::from_utf8(ran.stdout).unwrap())
    };
    let mut skopeo = Command::new("skopeo");
    skopeo.args(["inspect", "--tls-verify=false", "--format", "{{.Digest}}"]);
    let found = run(skopeo.arg(format!("docker://{image}")))?;
    let expected = format!("sha256:{}", release.digest(NEEDS_IT));
    expect(found.trim() == expected, &found)?;
    let store = tempfile::tempdir().unwrap();
    let mut podman = Command::new("podman");
    podman.arg("--root").arg(store.path().join("root"));
    podman.arg("--runroot").arg(store.path().join("run"));
    podman.args(["--storage-driver", "vfs"]);
    podman.args(["pull", "--quiet", "--tls-verify=false"]);
    let found = run(podman.arg(image))?;
    expect(found.trim().len() == 64, &found)
}

/// What too few people have signed is not published; what enough have signed is, with their signatures.
fn quorum(program: &Path) -> Result<(), Failed> {
    let release = Release::new(program)?;
    let gpg = Gpg::new();
    let people = ["Ada", "Bob"].map(|name| gpg.key(THEN, name, "sign", "never"));
    let own = tempfile::tempdir().unwrap();
    let (policy, keyring) = (
        own.path().join("policy.toml"),
        own.path().join("keyring.pgp"),
    );
    let [ada, bob] = &people;
    let text = format!(
        "[[people]]\nname = \"Ada\"\ncertificates = [\"{ada}\"]\n\n[[people]]\nname = \"Bob\"\ncertificates = [\"{bob}\"]\n"
    );
    fs::write(&policy, text).unwrap();
    let exported: Vec<u8> = people
        .iter()
        .flat_map(|one| gpg.export(THEN, one))
        .collect();
    fs::write(&keyring, exported).unwrap();
    let sign = |number: usize| {
        for (package, tag) in [(PACKAGE, "latest"), (NEEDS_IT, "1.0")] {
            let hex = release.digest(package);
            let payload = format!(
                "{{\"critical\":{{\"identity\":{{\"docker-reference\":\"stagex/{package}:{tag}\"}},\"image\":{{\
                 \"docker-manifest-digest\":\"sha256:{hex}\"}},\"type\":\"atomic container signature\"}},\"optional\":{{}}}}"
            );
            let signature = gpg.sign(THEN, &people[number], &[], payload.as_bytes());
            let place = format!("signatures/stagex/{package}@sha256={hex}");
            let place = release.scene.path().join(place);
            fs::create_dir_all(&place).unwrap();
            fs::write(place.join(format!("signature-{}", number + 1)), signature).unwrap();
        }
    };
    let whom = [
        "--policy",
        policy.to_str().unwrap(),
        "--keyring",
        keyring.to_str().unwrap(),
    ];
    sign(0);
    let ran = release.publish(&whom);
    expect(ran.code == 8 && ran.stdout.is_empty(), &ran.stderr)?;
    let told = format!("{NEEDS_IT} is not verified: signed by 1 of 2 people");
    expect(ran.stderr.contains(&told), &ran.stderr)?;
    expect(release.proxy.take().is_empty(), "a registry was asked")?;

    sign(1);
    // One that is nobody's is not published.
    let hex = release.digest(NEEDS_IT);
    let place = format!("signatures/stagex/{NEEDS_IT}@sha256={hex}/signature-3");
    fs::write(release.scene.path().join(place), "nobody's").unwrap();
    let ran = release.publish(&[&whom[..], &["--format", "json"]].concat());
    expect(ran.code == 0, &ran.stderr)?;
    let document = printed("publish", &ran.stdout);
    expect(document["quorum"] == true, &ran.stdout)?;
    for place in [0, 1] {
        let sent = &document["registries"][0]["packages"][place]["sent"];
        // Two signatures, and a bill of materials.
        expect(sent["referrers"] == 3, &ran.stdout)?;
    }
    let wrote = release.proxy.take();
    let bytes = |one: &proxy::Request| {
        String::from_utf8_lossy(&one.body).contains("application/vnd.dev.stagex.signature.v1")
    };
    expect(wrote.iter().any(bytes), "no signature was published")?;
    let ran = release.publish(&[&whom[..], &["--quiet"]].concat());
    expect(
        ran.code == 0 && ran.stdout.contains("unchanged"),
        &ran.stderr,
    )?;
    expect(release.proxy.take().len() <= 5, "it was asked too often")
}

/// A registry that gives nothing is told of, and the other is complete.
fn several(program: &Path) -> Result<(), Failed> {
    let release = Release::new(program)?;
    let denied = Proxy::start(&release.registry.host);
    denied.on(|_| Act::Answer(403, Vec::new(), Vec::new()));
    let closed = denied.host();
    let to = release.to();
    let words = ["publish", "--without-quorum", "--format", "json", NEEDS_IT];
    let words = [&words[..], &["--to", &closed, "--to", &to]].concat();
    let ran = release.scene.stagex(&words);
    expect(ran.code == 5, &ran.stderr)?;
    let document = printed("publish", &ran.stdout);
    let registries = &document["registries"];
    let (bad, good) = (&registries[0], &registries[1]);
    expect(
        bad["complete"] == false && good["complete"] == true,
        &ran.stdout,
    )?;
    expect(bad["packages"][0]["outcome"] == "failed", &ran.stdout)?;
    expect(ran.stderr.contains("403"), &ran.stderr)?;
    expect(denied.take().len() == 1, "it was asked for more")?;
    expect(release.tags(NEEDS_IT) == ["1.0"], "it has no tag")?;

    // What is not here, or not recorded, is not published.
    let out = release.scene.path().join("out").join(PACKAGE);
    fs::remove_dir_all(out).unwrap();
    let ran = release.publish(&["--without-quorum"]);
    let told = format!("{PACKAGE}: the recorded image is not here");
    expect(ran.code == 2 && ran.stderr.contains(&told), &ran.stderr)?;
    fs::write(release.scene.path().join("stagex.toml"), "offline = true\n").unwrap();
    let ran = release.scene.stagex(&words);
    let told = "cannot publish: nothing may reach the network";
    expect(ran.code == 2 && ran.stderr.contains(told), &ran.stderr)
}

/// Two programs that publish the same at the same time keep each other from nothing.
fn at_once(program: &Path) -> Result<(), Failed> {
    let release = Release::new(program)?;
    let to = release.to();
    let words = [
        "publish",
        "--without-quorum",
        "--latest",
        "--to",
        &to,
        PACKAGE,
        NEEDS_IT,
    ];
    let children: Vec<_> = (0..2)
        .map(|_| {
            let mut command = release.scene.command(&words);
            let child = command.stdout(Stdio::piped()).stderr(Stdio::piped());
            child.spawn().unwrap()
        })
        .collect();
    for child in children {
        let ended = child.wait_with_output().unwrap();
        let told = String::from_utf8_lossy(&ended.stderr).into_owned();
        expect(ended.status.success(), &told)?;
    }
    expect(
        release.tags(NEEDS_IT) == ["1.0", "latest"],
        "it has other tags",
    )?;
    release.proxy.take();
    let ran = release.publish(&["--without-quorum", "--latest", "--quiet"]);
    let is_same = ran.stdout.matches("unchanged").count() == 2;
    expect(ran.code == 0 && is_same, &ran.stdout)?;
    let asked = release.proxy.take();
    expect(
        asked.iter().all(|one| one.method == "GET"),
        &format!("{asked:?}"),
    )
}

/// Ctrl-C while manifests are written leaves no tag; the same command goes on.
fn interrupted(program: &Path) -> Result<(), Failed> {
    let release = Release::new(program)?;
    let (sender, wrote) = mpsc::channel();
    let sender = std::sync::Mutex::new(sender);
    release.proxy.on(move |request| {
        if request.is("PUT", "/manifests/") {
            let _ = sender.lock().unwrap().send(());
            return Act::Hang;
        }
        Act::Pass
    });
    let to = release.to();
    let words = ["publish", "--without-quorum", "--to", &to, NEEDS_IT];
    let mut command = release.scene.command(&words);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = child.spawn().unwrap();
    wrote.recv().unwrap();
    let pid = rustix::process::Pid::from_raw(child.id().try_into().unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let output = child.wait_with_output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    expect(output.status.code() == Some(130), &told)?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    expect(text.contains("not published"), &text)?;
    expect(release.tags(NEEDS_IT).is_empty(), "it has a tag")?;
    release.proxy.on(|_| Act::Pass);
    let ran = program::ran(&mut release.scene.command(&words));
    expect(ran.code == 0, &ran.stderr)?;
    expect(release.tags(NEEDS_IT) == ["1.0"], "it has no tag")?;
    Ok(())
}
