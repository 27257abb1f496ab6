//! Whom `stagex verify` and `stagex keys` believe: what the user is asked and told, and what they have agreed to
//! afterwards.

use std::fs;

use trust::Fingerprint;

use crate::gpg::Gpg;
use crate::program::command;
use crate::terminal::{CTRL_C, Terminal};
use crate::{MATERIAL, Scene, THEN, policy};

/// Runs the program on a terminal, and types an answer when it asks.
fn answered(scene: &Scene, arguments: &[&str], answer: &str) -> (i32, String) {
    let mut terminal = Terminal::run(&command(scene.tree.path(), arguments));
    terminal.wait_for("[y/N] ");
    terminal.type_in(answer);
    terminal.end()
}

#[test]
fn no_registry_is_named_beside_a_policy() {
    let scene = Scene::new();
    let settings = format!("[trust]\npolicy = {:?}\n", scene.policy());
    scene.in_tree("configuration/stagex/stagex.toml", settings.as_bytes());
    for words in [
        &["verify", "core-musl"][..],
        &["verify", "--print-podman-policy"],
        &["keys"],
    ] {
        assert_eq!(scene.run(words).code, 0, "{words:?}");
        let ran = scene.run(&[words, &["--registry", "quay.io/stagex"]].concat());
        assert_eq!(ran.code, 2, "{words:?}: {}", ran.stderr);
        assert_eq!(ran.stdout, "", "{words:?}");
        let said = format!(
            "error: --registry cannot be used with the policy {}, which names its own",
            scene.policy()
        );
        assert!(ran.stderr.contains(&said), "{words:?}: {}", ran.stderr);
    }
}

#[test]
fn a_threshold_of_one_run_is_not_agreed_to() {
    let scene = Scene::new();
    scene.in_tree("policy.toml", policy().as_bytes());
    let path = scene.tree.path().join("policy.toml");
    let verify = [
        "verify",
        "--policy",
        path.to_str().unwrap(),
        "--threshold",
        "1",
        "core-musl",
    ];
    let [ada, bob] = MATERIAL.people.each_ref().map(Fingerprint::as_str);
    let fingerprints = ["--fingerprint", ada, "--fingerprint", bob];
    // What cannot be reached is no reason to agree to anything.
    let nobody = "error: nobody has agreed to the policy";
    let mut three = verify;
    three[4] = "3";
    let ran = scene.run(&[&three[..], &fingerprints].concat());
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    let without = ["verify", "--policy", verify[2], "core-musl"];
    let ran = scene.run(&without);
    assert_eq!(ran.code, 8, "{}", ran.stderr);
    assert!(ran.stderr.contains(nobody), "{}", ran.stderr);

    let ran = scene.run(&[&verify[..], &fingerprints].concat());
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    // What was agreed to is the policy as it stands there.
    fs::remove_file(scene.tree.path().join(crate::place()).join("signature-2")).unwrap();
    assert_eq!(scene.run(&verify).code, 0);
    let ran = scene.run(&without);
    assert_eq!(ran.code, 8, "{}", ran.stderr);
    assert!(ran.stdout.contains("(1 of 2 people)"), "{}", ran.stderr);
    // And none that asks for less by itself.
    let weaker = format!("threshold = 1\n{}", policy());
    scene.in_tree("policy.toml", weaker.as_bytes());
    let ran = scene.run(&without);
    assert_eq!(ran.code, 8, "{}", ran.stdout);
    assert!(ran.stderr.contains(nobody), "{}", ran.stderr);
}

#[test]
fn all_that_a_policy_asks_is_shown_before_it_is_agreed_to() {
    let scene = Scene::new();
    let path = scene.tree.path().join("policy.toml");
    let verify = ["verify", "--policy", path.to_str().unwrap(), "core-musl"];
    let shown = |text: &str| {
        scene.in_tree("policy.toml", text.as_bytes());
        let ran = scene.run(&verify);
        assert_eq!(ran.code, 8, "{}", ran.stderr);
        ran.stderr
    };
    let usual = shown(&policy());
    for line in [
        "Ada:\n",
        "signatures: of the package's version\n",
        "different machines: processors of at least 0 vendors, at least 0 runtimes\n",
        "the tree: may be any\n",
    ] {
        assert!(usual.contains(line), "{line:?}: {usual}");
    }
    let asked = shown(&format!(
        "reference = \"repository\"\n\n[diversity]\ncpu-vendors = 2\nruntimes = 1\n\n\
         [releases]\nlowest = \"2026.03.0\"\nlongest-age = 30\n\n{}packages = [\"core-*\", \"user-*\"]\n",
        policy()
    ));
    for line in [
        "Bob, only core-* user-*:\n",
        "signatures: of any version of the package\n",
        "different machines: processors of at least 2 vendors, at least 1 runtime\n",
        "the tree: has to be a signed release, not before 2026.03.0, signed no longer than 30 days ago\n",
    ] {
        assert!(asked.contains(line), "{line:?}: {asked}");
    }
}

#[test]
fn fingerprints_agree_to_no_policy_that_asks_for_less_than_two_people_and_a_version() {
    let scene = Scene::new();
    let path = scene.tree.path().join("policy.toml");
    let [ada, bob] = MATERIAL.people.each_ref().map(Fingerprint::as_str);
    let verify = ["verify", "--policy", path.to_str().unwrap(), "core-musl"];
    let fingerprints = ["--fingerprint", ada, "--fingerprint", bob];
    for (weaker, expected) in [
        ("threshold = 1", "a threshold of 1"),
        ("reference = \"repository\"", "`reference = \"repository\"`"),
    ] {
        scene.in_tree("policy.toml", format!("{weaker}\n{}", policy()).as_bytes());
        let ran = scene.run(&[&verify[..], &fingerprints].concat());
        assert_eq!(ran.code, 2, "{weaker}: {}", ran.stdout);
        let said = format!("and has {expected}, which --fingerprint does not name");
        assert!(ran.stderr.contains(&said), "{weaker}: {}", ran.stderr);
        // Nothing was agreed to.
        assert_eq!(scene.run(&verify).code, 8, "{weaker}");
    }
}

#[test]
fn options_that_would_change_nothing_are_refused() {
    let scene = Scene::new();
    let policy = scene.policy();
    for words in [
        &["--print-podman-policy", "--now"][..],
        &["--print-podman-policy", "--signatures", "signatures"],
        &["--print-podman-registries", "--now"],
        &["--print-podman-registries", "--threshold", "1"],
        &["--history", "HEAD", "--now"],
        &["--history", "HEAD", "--signatures", "signatures"],
        &["--history", "HEAD", "--threshold", "1"],
        &["--history", "HEAD", "core-musl"],
    ] {
        let ran = scene.run(&[&["verify", "--policy", &policy], words].concat());
        assert_eq!(ran.code, 2, "{words:?}: {}", ran.stdout);
        let said = "cannot be used with";
        assert!(ran.stderr.contains(said), "{words:?}: {}", ran.stderr);
    }
}

#[test]
fn a_name_in_a_keyring_makes_no_line_of_its_own() {
    let scene = Scene::new();
    let gpg = Gpg::new();
    let forged = Fingerprint::in_groups(&MATERIAL.people[0]);
    let name = format!("Eve\n  {forged}  Ada");
    let eve = gpg.key(THEN, &name, "sign", "never");
    let bob = &MATERIAL.people[1];
    let keyring = gpg.export(THEN, &eve);
    scene.in_tree("signatures/stagex-keyring.pgp", &keyring);
    let people = format!(
        "[[people]]\nname = \"Eve\"\ncertificates = [\"{eve}\"]\n\n[[people]]\nname = \"Bob\"\ncertificates = [\"{bob}\"]\n"
    );
    scene.in_tree("policy.toml", people.as_bytes());
    let path = scene.tree.path().join("policy.toml");
    let ran = scene.run(&["verify", "--policy", path.to_str().unwrap()]);
    assert_eq!(ran.code, 8, "{}", ran.stderr);
    let lines: Vec<&str> = ran.stderr.lines().collect();
    let of_eve = format!("  {}  Eve\u{fffd}  {forged}  Ada", eve.in_groups());
    assert!(
        lines.iter().any(|line| line.starts_with(&of_eve)),
        "{}",
        ran.stderr
    );
    let begins = format!("  {forged}");
    assert!(
        !lines.iter().any(|line| line.starts_with(&begins)),
        "{}",
        ran.stderr
    );
}

#[test]
fn what_is_asked_on_a_terminal_is_pinned_by_yes_alone() {
    let scene = Scene::new();
    scene.in_tree("policy.toml", policy().as_bytes());
    let path = scene.tree.path().join("policy.toml");
    let with_keyring = &["verify", "core-musl"][..];
    let with_policy = &["verify", "--policy", path.to_str().unwrap(), "core-musl"];
    let groups = MATERIAL.people.each_ref().map(Fingerprint::in_groups);
    let pins = scene.tree.path().join("state/stagex/trust");
    for (words, what) in [
        (with_keyring, "the certificates in"),
        (with_policy, "the policy"),
    ] {
        let before = fs::read(&pins).ok();
        let refused = format!("you have not agreed to {what}");
        for (answer, expected, said) in [
            ("n\n", 8, refused.as_str()),
            ("\n", 8, &refused),
            ("certainly\n", 8, &refused),
            ("yes, no\n", 8, &refused),
            // The end of what is typed.
            ("\x04", 8, &refused),
            (CTRL_C, 130, "interrupted"),
            // What was not sent off is no answer.
            ("y\x03", 130, "interrupted"),
        ] {
            let (code, text) = answered(&scene, words, answer);
            assert_eq!(code, expected, "{answer:?}: {text}");
            assert!(text.contains(said), "{answer:?}: {text}");
            assert!(!text.contains("verified  "), "{answer:?}: {text}");
            // What they are asked about was shown before.
            let (shown, _) = text.split_once(&format!("Agree to {what}")).unwrap();
            for group in &groups {
                assert!(shown.contains(group), "{answer:?}: {text}");
            }
            assert_eq!(fs::read(&pins).ok(), before, "{answer:?}");
            let ran = scene.run(words);
            assert_eq!(ran.code, 8, "{answer:?}: {}", ran.stdout);
            let nobody = format!("error: nobody has agreed to {what}");
            assert!(ran.stderr.contains(&nobody), "{answer:?}: {}", ran.stderr);
        }
        let (code, text) = answered(&scene, words, "yes\n");
        assert_eq!(code, 0, "{text}");
        assert_ne!(fs::read(&pins).ok(), before);
        // It is not asked again, here or anywhere else.
        let (code, text) = Terminal::run(&command(scene.tree.path(), words)).end();
        assert_eq!(code, 0, "{text}");
        assert!(!text.contains("Agree to"), "{text}");
        let ran = scene.run(words);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
    }
}

#[test]
fn y_is_yes_on_a_terminal() {
    let scene = Scene::new();
    for answer in ["y\n", " YES \n"] {
        let _ = fs::remove_dir_all(scene.tree.path().join("state"));
        let (code, text) = answered(&scene, &["verify", "core-musl"], answer);
        assert_eq!(code, 0, "{answer:?}: {text}");
        let ran = scene.run(&["verify", "core-musl"]);
        assert_eq!(ran.code, 0, "{answer:?}: {}", ran.stderr);
    }
}

#[test]
fn a_keyring_that_the_tree_brings_may_lack_revocations() {
    let scene = Scene::new();
    let said =
        "signatures/stagex-keyring.pgp lies in the tree, and may lack the newest revocations";
    let own = scene.user.path().join("keyring.pgp");
    fs::write(&own, &MATERIAL.keyring).unwrap();
    let own = own.to_str().unwrap();
    let usual = scene.policy();
    let verify = ["verify", "--policy", &usual, "core-musl"];
    let is_said = |more: &[&str]| {
        let ran = scene.run(&[&verify[..], more].concat());
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        ran.stderr.contains(said)
    };
    assert!(is_said(&[]));
    let in_tree = scene.tree.path().join("signatures/stagex-keyring.pgp");
    assert!(is_said(&["--keyring", in_tree.to_str().unwrap()]));
    assert!(!is_said(&["--quiet"]));
    assert!(!is_said(&["--keyring", own]));
    // Who believes the tree's own policy was asked.
    scene.in_tree("policy.toml", policy().as_bytes());
    let path = scene.tree.path().join("policy.toml");
    let [ada, bob] = MATERIAL.people.each_ref().map(Fingerprint::as_str);
    let ran = scene.run(&[
        "verify",
        "--policy",
        path.to_str().unwrap(),
        "--fingerprint",
        ada,
        "--fingerprint",
        bob,
        "core-musl",
    ]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(!ran.stderr.contains(said), "{}", ran.stderr);
}
