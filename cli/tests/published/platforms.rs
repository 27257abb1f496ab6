//! A package of several platforms: an index whose images are signed one by one, and what others see of it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use libtest_mimic::Failed;
use serde_json::Value;

use super::THEN;
use super::proxy::{Proxy, Request};
use crate::engines::expect;
use crate::gpg::Gpg;
use crate::schema::printed;
use crate::{Real, Scene, blobs};

pub(crate) const PACKAGE: &str = "core-both";
const PLATFORMS: [&str; 2] = ["amd64", "386"];

fn write_package(scene: &Scene) {
    let package = scene.path().join("packages/core/both");
    fs::create_dir(&package).unwrap();
    let manifest = "[package]\nname = \"both\"\nversion = \"1.0\"\nplatforms = [\"linux/amd64\", \"linux/386\"]\n";
    fs::write(package.join("package.toml"), manifest).unwrap();
    let numbers: String = (0..2_000).map(|number| number.to_string() + "\n").collect();
    fs::write(package.join("numbers"), numbers).unwrap();
    let containerfile = "FROM scratch\nCOPY numbers /both\n";
    fs::write(package.join("Containerfile"), containerfile).unwrap();
}

/// Returns the output of a program that ends well.
fn run(command: &mut Command) -> Result<Vec<u8>, Failed> {
    let ran = command.output()?;
    let stderr = String::from_utf8_lossy(&ran.stderr).into_owned();
    expect(ran.status.success(), &stderr)?;
    Ok(ran.stdout)
}

/// Builds the package. Returns its layout, and the recorded digest of each platform.
pub(crate) fn built(scene: &Scene) -> Result<(PathBuf, [String; 2]), Failed> {
    write_package(scene);
    for words in [
        &["--runtime", "native", "make", "--quiet", PACKAGE][..],
        &["digests"],
    ] {
        let ran = scene.stagex(words);
        expect(ran.code == 0, &ran.stderr)?;
    }
    let recorded = fs::read_to_string(scene.path().join("digests/core.txt")).unwrap();
    let of = |end: String| {
        let mut lines = recorded.lines();
        let hex = lines.find_map(|line| line.strip_suffix(&end));
        hex.unwrap().to_owned()
    };
    let images = [
        of(format!(" {PACKAGE}")),
        of(format!(" {PACKAGE} linux/386")),
    ];
    Ok((scene.path().join("out").join(PACKAGE), images))
}

/// An index is published whole. Each of its images has what signs it, and the index its bill of materials. Skopeo copies
/// all of it, and Podman takes what is for a platform if that image is signed.
pub(crate) fn several(program: &Path) -> Result<(), Failed> {
    let scene = Scene::new();
    let (layout, images) = built(&scene)?;
    let index = fs::read(layout.join("index.json")).unwrap();
    let index: Value = serde_json::from_slice(&index).unwrap();
    let top = index["manifests"][0]["digest"].as_str().unwrap();
    let own = tempfile::tempdir().unwrap();
    let gpg = Gpg::new();
    let whom = signed(&scene, &gpg, &images, own.path());
    let data = tempfile::tempdir().unwrap();
    let registry = Real::start(program, data.path(), "")?;
    let proxy = Proxy::start(&registry.host);
    let to = format!("{}/stagex", proxy.host());
    let mut words = vec!["publish", "--format", "json", "--to", &to, PACKAGE];
    words.extend(whom.iter().map(String::as_str));
    let ran = scene.stagex(&words);
    expect(ran.code == 0, &ran.stderr)?;
    let document = printed("publish", &ran.stdout);
    let package = &document["registries"][0]["packages"][0];
    expect(
        package["digest"] == top && package["sent"]["referrers"] == 3,
        &ran.stdout,
    )?;

    // What refers to each of the three.
    let put = proxy.take();
    let subjects = put
        .iter()
        .filter(|one| one.method == "PUT")
        .filter_map(|one| {
            let document: Value = serde_json::from_slice(&one.body).ok()?;
            let subject = document["subject"]["digest"].as_str()?;
            Some((
                document["artifactType"].as_str()?.to_owned(),
                subject.to_owned(),
            ))
        });
    let mut subjects: Vec<_> = subjects.collect();
    let signature = "application/vnd.dev.stagex.signature.v1".to_owned();
    let mut expected: Vec<_> = images
        .iter()
        .map(|hex| (signature.clone(), format!("sha256:{hex}")))
        .chain([("application/spdx+json".to_owned(), top.to_owned())])
        .collect();
    subjects.sort();
    expected.sort();
    expect(subjects == expected, &format!("{subjects:?}"))?;

    // A second time, a request for the tag, one for what refers to each, and one for the API.
    let ran = scene.stagex(&words);
    let document = printed("publish", &ran.stdout);
    let package = &document["registries"][0]["packages"][0];
    expect(
        ran.code == 0 && package["outcome"] == "unchanged",
        &ran.stderr,
    )?;
    let asked = proxy.take();
    let is_asked = |one: &Request| one.method == "GET";
    expect(
        asked.len() == 5 && asked.iter().all(is_asked),
        &format!("{asked:?}"),
    )?;

    let image = format!("{to}/{PACKAGE}:1.0");
    others(&scene, &layout, &image, top)?;
    let of_podman = Podman::new(&scene, own.path(), &to);
    for platform in PLATFORMS {
        expect(of_podman.takes(&image, platform)?, platform)?;
    }
    let place = signatures(&scene, &images[1]);
    fs::remove_dir_all(place).unwrap();
    expect(
        of_podman.takes(&image, PLATFORMS[0])?,
        "it needs the signature of another",
    )?;
    expect(
        !of_podman.takes(&image, PLATFORMS[1])?,
        "it is taken, and not signed",
    )
}

fn signatures(scene: &Scene, hex: &str) -> PathBuf {
    let place = format!("signatures/stagex/{PACKAGE}@sha256={hex}");
    scene.path().join(place)
}

/// Has one person sign images, and wants no more. Returns the words for that.
pub(crate) fn signed(scene: &Scene, gpg: &Gpg, images: &[String], own: &Path) -> Vec<String> {
    let key = gpg.key(THEN, "Ada", "sign", "never");
    let (policy, keyring) = (own.join("policy.toml"), own.join("keyring.pgp"));
    let text = format!("threshold = 1\n\n[[people]]\nname = \"Ada\"\ncertificates = [\"{key}\"]\n");
    fs::write(&policy, text).unwrap();
    fs::write(&keyring, gpg.export(THEN, &key)).unwrap();
    for hex in images {
        let payload = format!(
            "{{\"critical\":{{\"identity\":{{\"docker-reference\":\"stagex/{PACKAGE}:1.0\"}},\"image\":{{\
             \"docker-manifest-digest\":\"sha256:{hex}\"}},\"type\":\"atomic container signature\"}},\"optional\":{{}}}}"
        );
        let signature = gpg.sign(THEN, &key, &[], payload.as_bytes());
        let place = signatures(scene, hex);
        fs::create_dir_all(&place).unwrap();
        fs::write(place.join("signature-1"), signature).unwrap();
    }
    let words = [
        "--policy",
        policy.to_str().unwrap(),
        "--keyring",
        keyring.to_str().unwrap(),
    ];
    words.map(str::to_owned).to_vec()
}

/// Skopeo sees the index, and copies all that it leads to.
fn others(scene: &Scene, layout: &Path, image: &str, top: &str) -> Result<(), Failed> {
    let from = format!("docker://{image}");
    let skopeo = || {
        let mut skopeo = Command::new("skopeo");
        skopeo.env("HOME", scene.path());
        skopeo
    };
    let raw = run(skopeo().args(["inspect", "--raw", "--tls-verify=false", &from]))?;
    let expected = layout.join("blobs/sha256").join(&top[7..]);
    expect(raw == fs::read(expected).unwrap(), "it is another index")?;
    let copy = scene.path().join("copy");
    let to = format!("oci:{}:x", copy.display());
    let words = [
        "--insecure-policy",
        "copy",
        "--all",
        "--preserve-digests",
        "--quiet",
    ];
    run(skopeo()
        .args(words)
        .args(["--src-tls-verify=false", &from, &to]))?;
    let copied = blobs(&copy);
    expect(copied == blobs(layout), &format!("{copied:?}"))
}

/// Podman, with a policy by which images of the registry are signed by somebody.
struct Podman {
    home: PathBuf,
    store: tempfile::TempDir,
}

impl Podman {
    fn new(scene: &Scene, own: &Path, to: &str) -> Self {
        let home = own.to_owned();
        let places = home.join(".config/containers/registries.d");
        fs::create_dir_all(&places).unwrap();
        let signatures = scene.path().join("signatures");
        let lookaside = format!(
            "docker:\n  {to}:\n    lookaside: file://{}\n",
            signatures.display()
        );
        fs::write(places.join("stagex.yaml"), lookaside).unwrap();
        let keyring = own.join("keyring.pgp");
        let policy = format!(
            "{{\"default\":[{{\"type\":\"reject\"}}],\"transports\":{{\"docker\":{{\"{to}\":[{{\"type\":\"signedBy\",\
             \"keyType\":\"GPGKeys\",\"keyPath\":\"{}\",\"signedIdentity\":{{\"type\":\"remapIdentity\",\"prefix\":\"{to}\",\
             \"signedPrefix\":\"docker.io/stagex\"}}}}]}}}}}}",
            keyring.display()
        );
        fs::write(home.join("policy.json"), policy).unwrap();
        Self {
            home,
            store: tempfile::tempdir().unwrap(),
        }
    }

    /// Tells whether it takes an image for an architecture; another reason than a signature not to is a failure.
    fn takes(&self, image: &str, architecture: &str) -> Result<bool, Failed> {
        let mut podman = Command::new("podman");
        podman.env("HOME", &self.home);
        podman.arg("--root").arg(self.store.path().join("root"));
        podman.arg("--runroot").arg(self.store.path().join("run"));
        podman.args([
            "--storage-driver",
            "vfs",
            "pull",
            "--quiet",
            "--tls-verify=false",
        ]);
        podman.args([
            "--os",
            "linux",
            "--arch",
            architecture,
            "--signature-policy",
        ]);
        let ran = podman
            .arg(self.home.join("policy.json"))
            .arg(image)
            .output()?;
        let stderr = String::from_utf8_lossy(&ran.stderr).to_lowercase();
        expect(
            ran.status.success() || stderr.contains("signature"),
            &stderr,
        )?;
        Ok(ran.status.success())
    }
}
