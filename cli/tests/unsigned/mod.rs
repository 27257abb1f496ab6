//! What is not signed, for whatever reason that somebody gives.

use std::fs;
use std::process::Command;

use crate::engines::variable;
use crate::signing::{Person, Scene, only};

const LABEL: &str = "bootstrap-label";
const REASON: &str = "it is wanted";

#[test]
fn digests_that_git_does_not_track_are_signed_for_a_reason_alone() {
    let (scene, ann) = (Scene::new(), Person::new("ann"));
    scene.reproduce(&[LABEL]);
    scene.ignore("out\nsignatures\nfetch\ndigests/bootstrap.txt\n");
    scene.git(&["rm", "-q", "--cached", "digests/bootstrap.txt"]);
    scene.commit();
    let (code, document, said) = scene.sign(&ann, &[LABEL]);
    assert_eq!(code, 8, "{document} {said}");
    assert!(
        said.contains("git does not track") && said.contains("commit digests/"),
        "{said}"
    );
    let (code, document, said) = scene.sign(&ann, &[LABEL, "--force", REASON]);
    assert_eq!(
        (code, &only(&document)["forced"]),
        (0, &REASON.into()),
        "{said}"
    );
    let against = only(&document)["against"].as_str().unwrap();
    assert!(against.contains("does not track"), "{against}");
    let (_, ledger, _) = scene.run(&ann, &["ledger"]);
    assert_eq!(ledger["signings"][0]["against"], against);
}

#[test]
fn what_came_out_as_another_image_is_signed_for_no_reason() {
    let (scene, ann) = (Scene::new(), Person::new("ann"));
    scene.reproduce(&[LABEL]);
    let digests = scene.path().join("digests/bootstrap.txt");
    let lines = fs::read_to_string(&digests).unwrap();
    let other: String = lines
        .lines()
        .map(|line| match line.split_once(' ') {
            Some((_, LABEL)) => format!("{} {LABEL}\n", "0".repeat(64)),
            _ => format!("{line}\n"),
        })
        .collect();
    fs::write(&digests, other).unwrap();
    scene.commit();
    let words = ["reproduce", "--runtimes", "native", "--clean", LABEL];
    let ran = scene.command(None, &words).output().unwrap();
    assert_eq!(ran.status.code(), Some(6));
    let (code, document, said) = scene.sign(&ann, &[LABEL, "--force", REASON]);
    assert_eq!(code, 8, "{document} {said}");
    assert!(said.contains("differs"), "{said}");
    assert!(!scene.path().join("signatures/stagex").exists());
}

#[test]
fn what_gpg_says_of_its_own_options_is_told() {
    let (scene, ann) = (Scene::new(), Person::new("ann"));
    scene.reproduce(&[LABEL]);
    for (variable, program) in [
        ("STAGEX_GPG", "gpg --no-such-option"),
        ("STAGEX_GPG_SIGN", "gpg --no-such-option"),
    ] {
        let words = ["sign", "--yes", "--key", &ann.fingerprint, LABEL];
        let mut sign = scene.command(Some(&ann), &words);
        let ran = sign.env(variable, program).output().unwrap();
        let said = String::from_utf8_lossy(&ran.stderr).into_owned();
        assert!(
            !ran.status.success() && said.contains("no-such-option"),
            "{variable}: {said}"
        );
        assert!(!said.contains("knows no key"), "{variable}: {said}");
    }
    assert!(!scene.path().join("signatures/stagex").exists());
}

#[test]
fn a_builder_signs_with_a_machines_key_alone() {
    let (scene, ann, robot) = (Scene::new(), Person::new("ann"), Person::new("robot"));
    let ran = scene
        .command(None, &["runtimes", "--format", "json"])
        .output()
        .unwrap();
    let runtimes: serde_json::Value = serde_json::from_slice(&ran.stdout).unwrap();
    let is_ready = |name: &&str| runtimes["runtimes"][*name]["ready"].is_object();
    let other = ["podman", "buildah", "docker"].into_iter().find(is_ready);
    let stagex = |words: &[&str]| {
        let ran = scene.command(None, words).output().unwrap();
        assert!(
            ran.status.success(),
            "{}",
            String::from_utf8_lossy(&ran.stderr)
        );
    };
    scene.reproduce(&[LABEL]);
    let refused = |by: &Person, words: &[&str], code: i32, expected: &str| {
        let words = [&["sign", "--ci", "--key", &by.fingerprint, LABEL], words].concat();
        let (ended, document, said) = scene.run(by, &words);
        assert!(
            ended == code && said.contains(expected),
            "{ended}: {document} {said}"
        );
        assert!(
            !scene.path().join("signatures/stagex").exists(),
            "{expected}"
        );
    };
    refused(&robot, &[], 8, "by 2 runtimes");
    let Some(other) = other else {
        let is_required = variable("STAGEX_REQUIRE").is_some_and(|all| all.contains("podman"));
        assert!(!is_required, "no runtime is ready but native");
        return;
    };
    stagex(&["reproduce", "--runtimes", other, "--quiet", LABEL]);
    refused(&robot, &[], 2, "no policy says");
    let text = format!(
        "threshold = 1\n[[people]]\nname = \"Ann\"\ncertificates = [\"{}\"]\n\
         [[people]]\nname = \"robot\"\nmachine = true\ncertificates = [\"{}\"]\n",
        ann.fingerprint, robot.fingerprint
    );
    let policy = scene.outside.path().join("policy.toml");
    let policy = policy.to_str().unwrap();
    fs::write(policy, &text).unwrap();
    fs::write(scene.path().join("out/policy.toml"), &text).unwrap();
    let in_tree = scene.path().join("out/policy.toml");
    let in_tree = ["--policy", in_tree.to_str().unwrap()];
    refused(&robot, &in_tree, 2, "lies in the tree");
    refused(&ann, &["--policy", policy], 8, "is not a machine's");
    // Nothing is asked of a policy where nothing is signed.
    let dry = ["--dry-run", "--policy", policy];
    let words = [&["sign", "--ci", LABEL][..], &dry].concat();
    let (code, _, said) = scene.run(&robot, &words);
    assert!(
        code == 2 && said.contains("cannot be used with"),
        "{code}: {said}"
    );
    // It may not sign everything.
    fs::write(policy, format!("{text}packages = [\"core-*\"]\n")).unwrap();
    let expected = format!("robot may not sign {LABEL} by the policy");
    refused(&robot, &["--policy", policy], 8, &expected);
    fs::write(policy, format!("{text}packages = [\"bootstrap-*\"]\n")).unwrap();
    let words = [
        "sign",
        "--ci",
        "--key",
        &robot.fingerprint,
        "--policy",
        policy,
        LABEL,
    ];
    let (code, document, said) = scene.run(&robot, &words);
    assert_eq!(
        (code, &only(&document)["outcome"]),
        (0, &"signed".into()),
        "{said}"
    );
}

/// What was carried back says what it likes; who reproduced it, this machine's ledger says.
#[test]
fn what_comes_back_is_believed_as_far_as_it_is_known_here() {
    let (scene, ann) = (Scene::new(), Person::new("ann"));
    scene.reproduce(&[LABEL]);
    let place = scene.outside.path().join("batch");
    let batch = place.to_str().unwrap();
    let (code, _, said) = scene.run(&ann, &["sign", LABEL, "--export", batch]);
    assert_eq!(code, 0, "{said}");
    let mut shell = Command::new("sh");
    let command =
        r#"for file in payloads/*; do gpg --no-armor --compress-algo none --sign "$file"; done"#;
    let ran = shell.args(["-c", command]).current_dir(&place);
    let ran = ran.env("GNUPGHOME", ann.home.path()).output().unwrap();
    assert!(ran.status.success());
    let list = place.join("batch.json");
    let written = fs::read_to_string(&list).unwrap();
    let changed = written.replace("\"native\"", "\"docker\", \"podman\", \"another machine\"");
    assert_ne!(written, changed);
    fs::write(&list, changed).unwrap();
    let import = ["sign", "--key", &ann.fingerprint, "--import", batch];

    // Another digest is recorded meanwhile.
    let digests = scene.path().join("digests/bootstrap.txt");
    let lines = fs::read_to_string(&digests).unwrap();
    fs::write(&digests, "").unwrap();
    let (code, document, said) = scene.run(&ann, &import);
    assert_eq!(code, 8, "{document} {said}");
    assert!(said.contains("is not what is recorded now"), "{said}");
    assert!(!scene.path().join("signatures/stagex").exists());
    fs::write(&digests, lines).unwrap();

    let (code, document, said) = scene.run(&ann, &import);
    assert_eq!(code, 0, "{document} {said}");
    let (_, ledger, _) = scene.run(&ann, &["ledger"]);
    assert_eq!(
        ledger["signings"][0]["reproduced_by"],
        serde_json::json!(["native"])
    );
    assert!(
        ledger["signings"][0]
            .get("forced")
            .is_none_or(serde_json::Value::is_null)
    );
}
