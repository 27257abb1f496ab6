//! Packages are signed by a real gpg, by what this machine has reproduced and by nothing else; and gpg takes what was
//! signed.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_types,
    reason = "in a test, what cannot be made is a failure; and the program itself is what is tested"
)]

mod based;
mod commits;
#[expect(dead_code, reason = "other tests use the rest")]
mod engines;
mod released;
#[expect(dead_code, reason = "other tests use the rest")]
mod schema;
mod signing;
mod unsigned;

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};

use serde_json::Value;

use signing::{Person, Scene, only, text};

const LABEL: &str = "bootstrap-label";

#[test]
fn what_was_reproduced_is_signed_as_stagex_signs_it() {
    let (scene, ann, ben) = (Scene::new(), Person::new("ann"), Person::new("ben"));
    scene.reproduce(&[LABEL]);
    let (code, signed, said) = scene.sign(&ann, &[LABEL]);
    assert_eq!(code, 0, "{said}");
    let image = only(&signed);
    assert_eq!(image["outcome"], "signed", "{image}");
    assert_eq!(signed["certificate"], ann.fingerprint.as_str());
    let digest = image["digest"].as_str().unwrap();
    let hex = digest.strip_prefix("sha256:").unwrap();
    let first = format!("stagex/{LABEL}@sha256={hex}/signature-1");
    assert_eq!(image["path"], first.as_str());

    // gpg takes it, as a signature by that key of exactly these bytes.
    let (status, payload) = ann.verified(&scene.signature(&first));
    let valid = format!("[GNUPG:] VALIDSIG {}", ann.fingerprint);
    assert!(status.contains(&valid), "{status}");
    let reference = image["reference"].as_str().unwrap();
    let expected = format!(
        "{{\"critical\":{{\"identity\":{{\"docker-reference\":\"{reference}\"}},\"image\":{{\
         \"docker-manifest-digest\":\"{digest}\"}},\"type\":\"atomic container signature\"}},\"optional\":{{}}}}"
    );
    assert_eq!(text(&payload), expected);
    assert_eq!(reference, format!("stagex/{LABEL}:1.0"));

    // The same person does not sign twice; another one does, under the next number.
    let before = fs::read(scene.signature(&first)).unwrap();
    let (code, again, said) = scene.sign(&ann, &[LABEL]);
    assert_eq!(
        (code, &only(&again)["outcome"]),
        (0, &"already".into()),
        "{said}"
    );
    let (code, other, said) = scene.sign(&ben, &[LABEL]);
    assert_eq!(code, 0, "{said}");
    let second = first.replace("signature-1", "signature-2");
    assert_eq!(only(&other)["path"], second.as_str());
    assert_eq!(fs::read(scene.signature(&first)).unwrap(), before);
    let directory = scene.signature(&first);
    let files = fs::read_dir(directory.parent().unwrap()).unwrap().count();
    assert_eq!(files, 2);

    // What speaks for it is a statement that the same key has signed.
    let evidence = scene.signature(&format!("attestations/{first}"));
    let evidence = evidence.with_file_name("attestation-1.jsonl");
    let lines = fs::read_to_string(&evidence).unwrap();
    let envelope: Value = serde_json::from_str(lines.trim_end()).unwrap();
    assert_eq!(envelope["payloadType"], "application/vnd.in-toto+json");
    assert_eq!(envelope["signatures"][0]["keyid"], ann.fingerprint.as_str());
    let decoded = |field: &Value| {
        let mut base64 = Command::new("base64");
        let mut base64 = base64
            .arg("-d")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let text = field.as_str().unwrap().as_bytes().to_owned();
        base64.stdin.take().unwrap().write_all(&text).unwrap();
        base64.wait_with_output().unwrap().stdout
    };
    let statement = decoded(&envelope["payload"]);
    let (signed, apart) = (
        scene.outside.path().join("signed"),
        scene.outside.path().join("sig"),
    );
    let header = format!(
        "DSSEv1 28 application/vnd.in-toto+json {} ",
        statement.len()
    );
    fs::write(&signed, [header.as_bytes(), &statement].concat()).unwrap();
    fs::write(&apart, decoded(&envelope["signatures"][0]["sig"])).unwrap();
    ann.gpg(&[
        "--verify",
        apart.to_str().unwrap(),
        signed.to_str().unwrap(),
    ]);
    let statement: Value = serde_json::from_slice(&statement).unwrap();
    assert_eq!(statement["subject"][0]["digest"]["sha256"], hex);
    assert_eq!(statement["predicate"]["runtime"]["name"], "native");

    // The user's settings say where signatures lie, for who signs as for who verifies.
    let elsewhere = scene.outside.path().join("elsewhere");
    let configuration = scene.outside.path().join(".config/stagex");
    fs::create_dir_all(&configuration).unwrap();
    let setting = format!("[trust]\nsignatures = \"{}\"\n", elsewhere.display());
    fs::write(configuration.join("stagex.toml"), setting).unwrap();
    let (code, _, said) = scene.sign(&ben, &[LABEL, "--no-evidence"]);
    assert_eq!(code, 0, "{said}");
    assert!(
        elsewhere.join(&first).exists(),
        "it is not where the settings say"
    );
    assert!(
        !elsewhere.join("attestations").exists(),
        "there is evidence"
    );
    fs::remove_file(configuration.join("stagex.toml")).unwrap();

    // The ledger has both.
    let (_, ledger, _) = scene.run(&ann, &["ledger"]);
    let signings = ledger["signings"].as_array().unwrap();
    let keys: Vec<_> = signings
        .iter()
        .map(|one| one["certificate"].as_str().unwrap())
        .collect();
    assert_eq!(keys, [&ann.fingerprint, &ben.fingerprint, &ben.fingerprint]);
    assert_eq!(signings[0]["reproduced_by"][0], "native");
}

#[test]
fn what_was_not_reproduced_from_what_the_tree_has_now_is_not_signed() {
    let (scene, ann) = (Scene::new(), Person::new("ann"));
    let refused = |words: &[&str], expected: &str| {
        let (code, document, said) = scene.sign(&ann, words);
        assert_eq!(code, 8, "{expected}: {document} {said}");
        assert!(said.contains(expected), "{expected}: {said}");
        let signatures = scene.path().join("signatures/stagex");
        assert!(!signatures.exists(), "{expected}: something was signed");
    };
    refused(&[LABEL], "this machine has not reproduced it");
    scene.reproduce(&[LABEL]);
    // One of two may not be signed: neither is.
    refused(
        &[LABEL, "core-filesystem"],
        "core-filesystem: this machine has not reproduced it",
    );
    refused(&[LABEL, "--ci"], "by 2 runtimes");

    // Something that git tracks has changed.
    let file = scene.path().join("packages/bootstrap/label/Containerfile");
    let before = fs::read_to_string(&file).unwrap();
    fs::write(&file, format!("{before}# changed\n")).unwrap();
    refused(&[LABEL], "not committed");
    scene.commit();
    refused(&[LABEL], "it has changed since this machine reproduced it");
    fs::write(&file, before).unwrap();
    scene.commit();

    // It was reproduced while something had changed.
    let other = scene.path().join("packages/core/text/Containerfile");
    let text_before = fs::read_to_string(&other).unwrap();
    fs::write(&other, format!("{text_before}# changed\n")).unwrap();
    scene.reproduce(&["--clean", LABEL]);
    fs::write(&other, text_before).unwrap();
    refused(&[LABEL], "changes that are not committed");
    scene.reproduce(&["--clean", LABEL]);

    // Another digest is recorded, or none.
    let digests = scene.path().join("digests/bootstrap.txt");
    let lines = fs::read_to_string(&digests).unwrap();
    let other: String = lines
        .lines()
        .map(|line| match line.split_once(' ') {
            Some((_, name)) if name == LABEL => format!("{} {name}\n", "0".repeat(64)),
            _ => format!("{line}\n"),
        })
        .collect();
    fs::write(&digests, other).unwrap();
    scene.commit();
    refused(&[LABEL], "is not what is recorded now");
    fs::write(&digests, "").unwrap();
    scene.commit();
    refused(&[LABEL], "no digest of it is recorded");
    fs::write(&digests, lines).unwrap();
    scene.commit();

    // Its image is gone. That is StageX's own script signing an empty digest.
    fs::remove_dir_all(
        scene
            .path()
            .join("out/.stagex/reproduced/native")
            .join(LABEL),
    )
    .unwrap();
    refused(&[LABEL], "its recorded image is not on this machine");
    scene.reproduce(&["--clean", LABEL]);

    // A ledger that came with the tree, or that somebody changed, speaks for nothing.
    let ledger = scene.outside.path().join("state/stagex/ledger");
    let kept = fs::read_to_string(&ledger).unwrap();
    fs::write(&ledger, kept.replace("\"native\"", "\"podman\"")).unwrap();
    let (code, _, said) = scene.sign(&ann, &[LABEL]);
    assert!(
        code == 5 && said.contains("the line is not the one"),
        "{code}: {said}"
    );
    fs::write(&ledger, kept).unwrap();

    // A reason is given: it is signed, and the reason is in the ledger.
    let reason = "reproduced on a machine without a ledger";
    let (code, document, said) = scene.sign(&ann, &["core-filesystem", "--force", reason]);
    assert_eq!(code, 8, "there is no image of it: {document} {said}");
    let made = scene.command(
        None,
        &["--runtime", "native", "make", "--quiet", "core-filesystem"],
    );
    assert!({ made }.status().unwrap().success());
    let (code, document, said) = scene.sign(&ann, &["core-filesystem", "--force", reason]);
    assert_eq!(
        (code, &only(&document)["forced"]),
        (0, &reason.into()),
        "{said}"
    );
    let (_, ledger, _) = scene.run(&ann, &["ledger"]);
    assert_eq!(ledger["signings"][0]["forced"], reason);
}

#[test]
fn the_key_that_was_chosen_signs_and_no_other() {
    let (scene, ann) = (Scene::new(), Person::new("ann"));
    scene.reproduce(&[LABEL]);
    let sign = |words: &[&str]| scene.run(&ann, &[&["sign", "--yes", LABEL], words].concat());
    let (code, _, said) = sign(&[]);
    assert!(
        code == 2 && said.contains("no key was chosen"),
        "{code}: {said}"
    );
    let (code, _, said) = sign(&["--key", "nobody"]);
    assert!(
        code == 2 && said.contains("gpg knows no key `nobody`"),
        "{code}: {said}"
    );

    // The tree's own configuration chooses no key, and the user's does.
    scene.git(&["config", "user.signingkey", &ann.fingerprint]);
    let (code, _, said) = sign(&[]);
    assert!(
        code == 2 && said.contains("no key was chosen"),
        "{code}: {said}"
    );

    // gpg signs with something else: nothing is written.
    ann.gpg(&[
        "--quick-generate-key",
        "other <other@example.org>",
        "ed25519",
        "sign",
        "0",
    ]);
    let program = scene.outside.path().join("gpg");
    let all = ann.fingerprints();
    let other = all.iter().find(|key| **key != ann.fingerprint).unwrap();
    let script = format!("#!/bin/sh\nexec gpg --batch --status-fd 2 --local-user {other} --sign\n");
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let mut wrong = scene.command(
        Some(&ann),
        &["sign", "--yes", "--key", &ann.fingerprint, LABEL],
    );
    let wrong = wrong.env("STAGEX_GPG_SIGN", &program).output().unwrap();
    let said = text(&wrong.stderr);
    assert!(
        wrong.status.code() == Some(5) && said.contains("gpg signed with"),
        "{said}"
    );
    assert!(
        !scene.path().join("signatures/stagex").exists(),
        "it was written"
    );

    let configuration = format!("[user]\n\tsigningkey = {}\n", ann.fingerprint);
    fs::write(scene.outside.path().join(".gitconfig"), configuration).unwrap();
    let (code, signed, said) = sign(&[]);
    assert_eq!(
        (code, &only(&signed)["key"]),
        (0, &ann.fingerprint.as_str().into()),
        "{said}"
    );
}

#[test]
fn a_subkey_signs_with_a_warning_and_the_primary_key_where_that_is_asked_for() {
    let (scene, ann) = (Scene::new(), Person::new("ann"));
    scene.reproduce(&[LABEL]);
    ann.gpg(&["--quick-add-key", &ann.fingerprint, "ed25519", "sign", "0"]);
    let subkey = ann
        .fingerprints()
        .into_iter()
        .find(|key| *key != ann.fingerprint);
    let (code, signed, said) = scene.sign(&ann, &[LABEL]);
    assert_eq!((code, &only(&signed)["key"]), (0, &subkey.into()), "{said}");
    assert!(said.contains("is a subkey"), "{said}");
    assert_eq!(signed["certificate"], ann.fingerprint.as_str());
    fs::remove_dir_all(scene.path().join("signatures")).unwrap();
    let key = format!("{}!", ann.fingerprint);
    let (code, signed, said) = scene.run(&ann, &["sign", "--yes", "--key", &key, LABEL]);
    assert_eq!(
        (code, &only(&signed)["key"]),
        (0, &ann.fingerprint.as_str().into()),
        "{said}"
    );
    assert!(!said.contains("is a subkey"), "{said}");
}

#[test]
fn nobody_signs_without_being_asked() {
    let (scene, ann) = (Scene::new(), Person::new("ann"));
    scene.reproduce(&[LABEL]);
    let words = ["sign", "--key", &ann.fingerprint, LABEL];
    let (code, _, said) = scene.run(&ann, &words);
    assert!(code == 2 && said.contains("--yes"), "{code}: {said}");
    // What is to be signed was shown before that.
    assert!(
        said.contains("reproduced by native; recorded since"),
        "{said}"
    );
    let (code, shown, said) = scene.run(&ann, &["sign", "--dry-run", LABEL]);
    assert_eq!(
        (code, &only(&shown)["outcome"]),
        (0, &"unsigned".into()),
        "{said}"
    );
    // Make's target shows the same of everything, and asks for no key.
    let (code, shown, said) = scene.run(&ann, &["make", "--dry-run", "sign"]);
    let outcomes = shown["images"].to_string();
    assert!(
        code == 8 && outcomes.contains("\"unsigned\""),
        "{code}: {said}"
    );
    assert!(
        !scene.path().join("signatures/stagex").exists(),
        "it was signed"
    );
}

#[test]
fn who_signed_says_on_what_it_was_reproduced_and_a_policy_can_want_more() {
    let (scene, ann, ben) = (Scene::new(), Person::new("ann"), Person::new("ben"));
    scene.reproduce(&[LABEL]);
    let mut keyring = Vec::new();
    for person in [&ann, &ben] {
        let (code, _, said) = scene.sign(person, &[LABEL]);
        assert_eq!(code, 0, "{said}");
        keyring.extend(person.gpg(&["--armor", "--export"]).stdout);
    }
    let place = |name: &str| scene.outside.path().join(name);
    fs::write(place("keys.asc"), keyring).unwrap();
    let verify = |diversity: &str| {
        let people = [("Ann", &ann), ("Ben", &ben)].map(|(name, person)| {
            let fingerprint = &person.fingerprint;
            format!("[[people]]\nname = \"{name}\"\ncertificates = [\"{fingerprint}\"]\n")
        });
        let policy = format!("[diversity]\n{diversity}\n{}", people.concat());
        fs::write(place("policy.toml"), policy).unwrap();
        let (keys, policy) = (place("keys.asc"), place("policy.toml"));
        let words = [
            "verify",
            LABEL,
            "--keyring",
            keys.to_str().unwrap(),
            "--policy",
        ];
        let words = [&words[..], &[policy.to_str().unwrap()]].concat();
        let (code, document, said) = scene.run(&ann, &words);
        assert!(document.is_object(), "{said}");
        (code, document["packages"][0].clone())
    };
    let problems = |package: &Value| package["problems"].to_string();

    let (code, package) = verify("runtimes = 1");
    assert_eq!(code, 0, "{package}");
    assert_eq!(package["runtimes"], serde_json::json!(["native"]));
    let vendors = package["cpu_vendors"].as_array().unwrap().len();
    let (code, package) = verify("runtimes = 2");
    let expected = "2 runtimes, and those who signed say: native";
    assert!(
        code == 8 && problems(&package).contains(expected),
        "{package}"
    );
    assert_eq!(package["missing"], 0);
    let (code, package) = verify(&format!("cpu-vendors = {}", vendors + 1));
    assert!(
        code == 8 && problems(&package).contains("processors of"),
        "{package}"
    );

    // A statement counts with the signature of who signed it, and with no other.
    let digest = package["digest"].as_str().unwrap().replace(':', "=");
    let statements = scene.signature(&format!("attestations/stagex/{LABEL}@{digest}"));
    let of = |number: u32| statements.join(format!("attestation-{number}.jsonl"));
    let first = fs::read_to_string(of(1)).unwrap();
    fs::copy(of(2), of(1)).unwrap();
    fs::write(of(2), first.replace("\"sig\":\"", "\"sig\":\"AAAA")).unwrap();
    let (code, package) = verify("runtimes = 1");
    assert!(
        code == 8 && problems(&package).contains("it is signed by"),
        "{package}"
    );
    assert_eq!(package["runtimes"], serde_json::json!([]));
}

#[test]
fn what_is_signed_on_another_machine_is_carried_there_and_back() {
    let (scene, ann) = (Scene::new(), Person::new("ann"));
    scene.reproduce(&[LABEL]);
    let place = scene.outside.path().join("batch");
    let batch = place.to_str().unwrap();
    let (code, _, said) = scene.run(&ann, &["sign", LABEL, "bootstrap-seed", "--export", batch]);
    assert_eq!(code, 0, "{said}");
    let (code, _, said) = scene.run(&ann, &["sign", LABEL, "--export", batch]);
    assert!(
        code == 2 && said.contains("is there already"),
        "{code}: {said}"
    );

    // There is gpg on the other machine, and a person who reads.
    let page = fs::read_to_string(place.join("README.txt")).unwrap();
    assert!(page.contains("reproduced by native"), "{page}");
    let command = page
        .lines()
        .find(|line| line.contains("gpg"))
        .unwrap()
        .trim();
    let mut shell = Command::new("sh");
    let ran = shell
        .args(["-c", command])
        .current_dir(&place)
        .env("GNUPGHOME", ann.home.path());
    assert!(ran.output().unwrap().status.success(), "{command}");

    // One signature is of something else, which is said, and the other is put into its place.
    let payloads = fs::read_dir(place.join("payloads")).unwrap();
    let mut signatures: Vec<_> = payloads
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "gpg"))
        .collect();
    signatures.sort();
    assert_eq!(signatures.len(), 2);
    fs::copy(&signatures[0], &signatures[1]).unwrap();
    let import = ["sign", "--key", &ann.fingerprint, "--import", batch];
    let (code, found, said) = scene.run(&ann, &import);
    assert_eq!(code, 8, "{found} {said}");
    assert!(said.contains("of something else"), "{said}");
    let outcomes = |found: &Value| {
        let images = found["images"].as_array().unwrap().iter();
        let mut all: Vec<_> = images
            .map(|one| one["outcome"].as_str().unwrap().to_owned())
            .collect();
        all.sort();
        all
    };
    assert_eq!(outcomes(&found), ["signed", "unsigned"]);
    fs::remove_file(&signatures[1]).unwrap();
    let again = Command::new("sh")
        .args(["-c", command])
        .current_dir(&place)
        .env("GNUPGHOME", ann.home.path())
        .output();
    assert!(again.is_ok());
    let (code, found, said) = scene.run(&ann, &import);
    assert_eq!(
        (code, outcomes(&found)),
        (0, vec!["already".to_owned(), "signed".to_owned()]),
        "{said}"
    );
    let path = found["images"][0]["path"].as_str().unwrap();
    assert!(ann.verified(&scene.signature(path)).0.contains("VALIDSIG"));

    // The list was changed on the way.
    let list = place.join("batch.json");
    let changed = fs::read_to_string(&list)
        .unwrap()
        .replace("stagex/bootstrap-label:", "stagex/bootstrap-seed:");
    fs::write(&list, changed).unwrap();
    let (code, _, said) = scene.run(&ann, &import);
    assert!(
        code == 8 && said.contains("the list says"),
        "{code}: {said}"
    );
}
