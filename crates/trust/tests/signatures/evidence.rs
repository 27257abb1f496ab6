//! Tags that show how old a signature is, and tags that show nothing.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use camino::{Utf8Path, Utf8PathBuf};
use documents::SignatureRefusal;
use rstest::rstest;
use trust::{Doubted, Fingerprint, Keyring, Policy, Refusal, Wanted, evidence, file_name, judge};

use crate::gpg::Gpg;
use crate::material::{LATE, MADE, NOW, PACKAGE, SIGNED, TAG, payload, place};

/// The fifteenth of March, when the key was still good.
const BEFORE: &str = "20260315T000000";
const BEFORE_SECONDS: i64 = 1_773_532_800;
/// The first of May, when it was retired already.
const AFTER: &str = "20260501T000000";

/// Dave's key was retired in April. Ada's is good, and Mallory is nobody.
struct Scene {
    keyring: Keyring,
    policy: Policy,
    signature: Vec<u8>,
    /// Signed tags of each commit, by who signed it and when.
    tags: BTreeMap<(&'static str, &'static str, bool), Vec<u8>>,
}

static SCENE: LazyLock<Scene> = LazyLock::new(|| {
    let gpg = Gpg::new();
    let [ada, dave, mallory] =
        ["Ada", "Dave", "Mallory"].map(|name| gpg.key(MADE, name, "sign", "never"));
    let signature = gpg.sign(SIGNED, &dave, &[], &payload(PACKAGE, TAG, 7));
    let mut keyring = Keyring::default();
    let retired = gpg.revoked(LATE, &dave, &gpg.revocation("20260401T000000", &dave, 3));
    for certificate in [gpg.export(MADE, &ada), retired, gpg.export(MADE, &mallory)] {
        keyring.add(&certificate).unwrap();
    }
    let people = [("Ada", &ada), ("Dave", &dave)]
        .map(|(name, one)| format!("[[people]]\nname = \"{name}\"\ncertificates = [\"{one}\"]\n"));
    let mut tags = BTreeMap::new();
    for has_it in [true, false] {
        let repository = Repository::new(&signature, has_it);
        let text = repository.text_of_a_tag();
        for (name, key) in [("Ada", &ada), ("Dave", &dave), ("Mallory", &mallory)] {
            for time in [BEFORE, AFTER] {
                tags.insert((name, time, has_it), signed(&gpg, key, time, &text));
            }
        }
        tags.insert(("nobody", BEFORE, has_it), text);
    }
    Scene {
        keyring,
        policy: Policy::read(&format!("threshold = 1\n{}", people.concat())).unwrap(),
        signature,
        tags,
    }
});

fn signed(gpg: &Gpg, key: &Fingerprint, time: &str, text: &[u8]) -> Vec<u8> {
    let key = format!("{key}!");
    let arguments = ["--local-user", &key, "--armor", "--detach-sign"];
    [text.to_vec(), gpg.run(time, &arguments, text)].concat()
}

/// A repository with a commit, which has the signature or something else in its place.
struct Repository {
    directory: tempfile::TempDir,
}

impl Repository {
    fn new(signature: &[u8], has_it: bool) -> Self {
        let repository = Self {
            directory: tempfile::tempdir().unwrap(),
        };
        repository.git(&["init", "--quiet"], b"");
        let file = repository.path().join(path());
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, if has_it { signature } else { b"something else" }).unwrap();
        repository.git(&["add", "."], b"");
        repository.git(&["commit", "--quiet", "--message", "signatures"], b"");
        repository
    }

    fn path(&self) -> &Utf8Path {
        Utf8Path::from_path(self.directory.path()).unwrap()
    }

    fn git(&self, arguments: &[&str], input: &[u8]) -> String {
        let mut command = Command::new("git");
        command
            .arg("-C")
            .arg(self.path())
            .args(arguments)
            .env_clear();
        command
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("GIT_CONFIG_GLOBAL", "/dev/null");
        for who in ["AUTHOR", "COMMITTER"] {
            command.env(format!("GIT_{who}_NAME"), "Ada");
            command.env(format!("GIT_{who}_EMAIL"), "ada@example.org");
            command.env(format!("GIT_{who}_DATE"), "2026-03-01T00:00:00Z");
        }
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "git {arguments:?}: {said}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    fn text_of_a_tag(&self) -> Vec<u8> {
        let commit = self.git(&["rev-parse", "HEAD"], b"");
        let head =
            format!("object {commit}\ntype commit\ntag r\ntagger Ada <ada@example.org> 1 +0000");
        format!("{head}\n\nrelease\n").into_bytes()
    }

    fn tag(&self, object: &[u8]) {
        let name = self.git(&["hash-object", "-t", "tag", "-w", "--stdin"], object);
        self.git(&["update-ref", "refs/tags/r", &name], b"");
    }
}

fn path() -> Utf8PathBuf {
    place().path().join(file_name(1))
}

/// Returns when somebody else has seen Dave's signature in a directory.
fn seen(directory: &Utf8Path) -> Option<i64> {
    let Scene {
        keyring,
        policy,
        signature,
        ..
    } = &*SCENE;
    let doubted = [Doubted {
        path: path(),
        bytes: signature.clone(),
        person: "Dave".to_owned(),
    }];
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().build().unwrap();
    let looking = evidence(directory, policy, keyring, &doubted, NOW);
    runtime.block_on(looking).unwrap()[0]
}

/// Returns why Dave's signature does not count, if it was seen then.
fn refusal(seen: Option<i64>) -> Option<SignatureRefusal> {
    let place = place();
    let seen = seen.map(|seen| (1, seen)).into_iter().collect();
    let signatures = [(1, SCENE.signature.clone())];
    let wanted = Wanted {
        place: &place,
        tag: Some(TAG),
        signatures: &signatures,
        seen: &seen,
    };
    let judgement = judge(&SCENE.policy, &SCENE.keyring, wanted, NOW);
    judgement.signatures[0].refusal.as_ref().map(Refusal::kind)
}

#[test]
fn a_tag_that_somebody_else_signed_shows_how_old_a_signature_is() {
    let repository = Repository::new(&SCENE.signature, true);
    assert_eq!(seen(repository.path()), None);
    repository.tag(&SCENE.tags[&("Ada", BEFORE, true)]);
    let when = seen(repository.path());
    assert_eq!((when, refusal(when)), (Some(BEFORE_SECONDS), None));
}

#[rstest]
#[case::their_own("Dave", BEFORE, true)]
#[case::too_late("Ada", AFTER, true)]
#[case::of_a_stranger("Mallory", BEFORE, true)]
#[case::of_nobody("nobody", BEFORE, true)]
#[case::of_something_else("Ada", BEFORE, false)]
fn no_other_tag_shows_it(
    #[case] who: &'static str,
    #[case] time: &'static str,
    #[case] has_it: bool,
) {
    let repository = Repository::new(&SCENE.signature, has_it);
    repository.tag(&SCENE.tags[&(who, time, has_it)]);
    assert_eq!(
        refusal(seen(repository.path())),
        Some(SignatureRefusal::Lapsed)
    );
}

#[test]
fn an_object_that_is_not_what_its_name_says_shows_nothing() {
    // The tag is of a commit without it. What git finds under the name of that commit's tree is a tree that has it.
    let repository = Repository::new(&SCENE.signature, false);
    repository.tag(&SCENE.tags[&("Ada", BEFORE, false)]);
    let other = Repository::new(&SCENE.signature, true);
    let file = |of: &Repository, name: &str| {
        let name = of.git(&["rev-parse", name], b"");
        of.path()
            .join(".git/objects")
            .join(&name[..2])
            .join(&name[2..])
    };
    let objects = ["HEAD:stagex", "HEAD^{tree}", "HEAD"];
    for name in objects {
        let forged = std::fs::read(file(&other, name)).unwrap();
        let target = file(&repository, name);
        let kept = std::fs::read(&target).unwrap();
        std::fs::remove_file(&target).unwrap();
        std::fs::write(&target, forged).unwrap();
        for kind in ["blob", "tree"] {
            copy_objects(&other, &repository, kind);
        }
        assert_eq!(
            refusal(seen(repository.path())),
            Some(SignatureRefusal::Lapsed),
            "{name}"
        );
        std::fs::remove_file(&target).unwrap();
        std::fs::write(&target, kept).unwrap();
    }
}

#[test]
fn an_object_is_of_its_own_kind_also_where_it_was_read_before() {
    let clone = Repository::new(&SCENE.signature, true);
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().build().unwrap();
    let mut repository = trust::Repository::new(clone.path());
    let commit = clone.git(&["rev-parse", "HEAD"], b"");
    let mut read = |kind: &str| {
        let reading = repository.read(kind, [commit.clone()].into());
        runtime.block_on(reading).unwrap().len()
    };
    let found = ["commit", "tree", "commit"].map(&mut read);
    assert_eq!(found, [1, 0, 1]);
}

#[test]
fn tags_that_nobody_has_signed_hide_none() {
    let repository = Repository::new(&SCENE.signature, true);
    repository.tag(&SCENE.tags[&("Ada", BEFORE, true)]);
    let commit = repository.git(&["rev-parse", "HEAD"], b"");
    // They are as new as their commit, and the tag says that it is of 1970.
    let other = |number| format!("create refs/tags/{number} {commit}\n");
    let many = (0..300).map(other).collect::<Vec<_>>().concat();
    repository.git(&["update-ref", "--stdin"], many.as_bytes());
    assert_eq!(seen(repository.path()), Some(BEFORE_SECONDS));
}

/// Copies the objects of a kind that the other repository does not have.
fn copy_objects(from: &Repository, to: &Repository, kind: &str) {
    let all = from.git(&["cat-file", "--batch-all-objects", "--batch-check"], b"");
    let of_kind = all
        .lines()
        .filter(|line| line.split(' ').nth(1) == Some(kind));
    for name in of_kind.filter_map(|line| line.split(' ').next()) {
        let path = Utf8PathBuf::from(".git/objects")
            .join(&name[..2])
            .join(&name[2..]);
        let target = to.path().join(&path);
        std::fs::create_dir_all(target.parent().unwrap()).unwrap();
        if !target.exists() {
            std::fs::copy(from.path().join(path), target).unwrap();
        }
    }
}
