//! `stagex verify --history`: commits that a real git has made, signed by a real gpg and a real ssh-keygen.

mod scene;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use serde_json::Value;

use crate::signing::text;
use scene::{By, Files, Scene};

/// Returns what speaks against a commit; an empty text if nothing does.
fn problem(document: &Value, commit: &str) -> String {
    let changes = document["changes"].as_array().unwrap();
    let mut of_commit = changes.iter().filter(|change| change["commit"] == commit);
    let change = of_commit
        .next()
        .unwrap_or_else(|| panic!("{commit} is not listed: {document}"));
    assert_eq!(change["verified"], change["problem"].is_null(), "{change}");
    change["problem"].as_str().unwrap_or_default().to_owned()
}

fn is_listed(document: &Value, commit: &str) -> bool {
    let changes = document["changes"].as_array().unwrap();
    changes.iter().any(|change| change["commit"] == commit)
}

/// Compares what speaks against a commit with what is expected; nothing where that is empty.
fn expect(document: &Value, commit: &str, expected: &str) {
    let found = problem(document, commit);
    let is_right = found.contains(expected) && found.is_empty() == expected.is_empty();
    assert!(is_right, "{expected}: {found}");
}

/// What is done to the bytes of a commit.
type Craft<'a> = &'a dyn Fn(&str) -> String;

const ONE: Files<'_> = &[("packages/core/a/Containerfile", "1")];

#[test]
fn a_change_is_signed_by_one_person_and_merged_by_another() {
    let scene = Scene::new();
    let Scene {
        ann,
        ben,
        mallory,
        builder,
        ..
    } = &scene;
    let base = scene.commit(By::Nobody, &[], ONE);
    let unlisted = "nobody in the policy has the";
    let cases = [
        (By::Gpg(ann), By::Gpg(ben), ""),
        (By::Ssh("ben"), By::Ssh("ann"), ""),
        (By::Gpg(ben), By::Ssh("ann"), ""),
        (By::Gpg(ann), By::Gpg(ann), "Ann has merged it as well"),
        (By::Gpg(ann), By::Ssh("ann"), "Ann has merged it as well"),
        (By::Nobody, By::Gpg(ben), "it is not signed"),
        (By::Gpg(mallory), By::Gpg(ben), unlisted),
        (By::Ssh("mallory"), By::Gpg(ben), "has the SSH key SHA256:"),
        (By::Gpg(builder), By::Gpg(ben), "is a machine"),
        (By::Gpg(ann), By::Nobody, "does not count: it is not signed"),
        (By::Gpg(ann), By::Gpg(mallory), unlisted),
        (By::Gpg(ann), By::Ssh("mallory"), unlisted),
        (By::Gpg(ann), By::Gpg(builder), "is a machine"),
    ];
    let mut tip = base.clone();
    let mut changes = Vec::new();
    for (number, (by, merged_by, expected)) in cases.into_iter().enumerate() {
        let contents = format!("of {number}");
        let files = [("packages/core/a/Containerfile", contents.as_str())];
        let change = scene.commit(by, &[&tip], &files);
        tip = scene.commit(merged_by, &[&tip, &change], &files);
        changes.push((change, expected));
    }
    let (code, document, said) = scene.verify(&format!("{base}..{tip}"));
    assert_eq!(code, 8, "{said}");
    assert_eq!(document["commits"], 2 * changes.len());
    assert_eq!(document["changes"].as_array().unwrap().len(), changes.len());
    for (change, expected) in &changes {
        expect(&document, change, expected);
    }
    let by_ssh = document["changes"].as_array().unwrap().iter();
    let mut by_ssh = by_ssh.filter(|change| change["commit"] == *changes[1].0);
    let signature = &by_ssh.next().unwrap()["signature"];
    assert_eq!(
        (&signature["form"], &signature["person"]),
        (&"ssh".into(), &"Ben".into())
    );

    // The first three are all right.
    let good = scene.verify(&format!("{base}..{tip}~10"));
    assert_eq!(
        (good.0, good.1["changes"].as_array().unwrap().len()),
        (0, 3)
    );

    // Nobody has merged what is the line itself: a commit that was made there, moved there or squashed.
    let forward = scene.commit(By::Gpg(ann), &[&base], &[("packages/core/b", "2")]);
    let (code, document, _) = scene.verify(&format!("{base}..{forward}"));
    assert_eq!(code, 8);
    expect(&document, &forward, "nobody has merged it");

    // A merge on a branch is not the merge of that branch.
    let branch = scene.commit(By::Gpg(ann), &[&base], ONE);
    let inner = scene.commit(
        By::Gpg(ben),
        &[&branch, &forward],
        &[("packages/core/b", "2")],
    );
    let outer = scene.commit(By::Gpg(ann), &[&base, &inner], &[("packages/core/b", "2")]);
    let (_, document, _) = scene.verify(&format!("{base}..{outer}"));
    expect(&document, &forward, "Ann has merged it as well");

    // Whatever else is changed may be changed by anybody.
    let other = scene.commit(By::Nobody, &[&base], &[ONE[0], ("README", "2")]);
    let (code, document, said) = scene.verify(&format!("{base}..{other}"));
    assert_eq!((code, is_listed(&document, &other)), (0, false), "{said}");
    // A root is a change, if all of history is asked for.
    let (code, document, _) = scene.verify(&other);
    assert_eq!((code, &document["from"]), (8, &Value::Null));
    expect(&document, &base, "it is not signed");
}

#[test]
fn a_merge_that_changes_packages_itself_is_a_change() {
    let scene = Scene::new();
    let (ann, ben) = (By::Gpg(&scene.ann), By::Ssh("ben"));
    let [a, b, c] = ["packages/core/a", "packages/core/b", "packages/c/c"];
    let base = scene.commit(By::Nobody, &[], &[(a, "1"), (b, "1")]);
    let left = scene.commit(ann, &[&base], &[(a, "2"), (b, "1")]);
    let right = scene.commit(ben, &[&base], &[(a, "1"), (b, "2")]);
    let third = scene.commit(ben, &[&base], &[(a, "1"), (b, "1"), (c, "1")]);
    let two = [left.as_str(), right.as_str()];
    let three = [left.as_str(), right.as_str(), third.as_str()];
    let cases: [(&[&str], Files<'_>, bool); 6] = [
        (&two, &[(a, "2"), (b, "2")], false),
        (&two, &[(a, "2"), (b, "3")], true),
        // What one of them has changed is undone.
        (&two, &[(a, "1"), (b, "2")], true),
        (&two, &[(a, "2"), (b, "2"), (c, "1")], true),
        (&three, &[(a, "2"), (b, "2"), (c, "1")], false),
        (&three, &[(a, "2"), (b, "2"), (c, "2")], true),
    ];
    for (parents, files, is_change) in cases {
        let merge = scene.commit(ann, parents, files);
        let (_, document, said) = scene.verify(&format!("{base}..{merge}"));
        assert_eq!(is_listed(&document, &merge), is_change, "{files:?}: {said}");
        if is_change {
            expect(&document, &merge, "nobody has merged it");
            // Merged by another person it is as good as any other change.
            let outer = scene.commit(ben, &[&base, &merge], files);
            let (_, document, _) = scene.verify(&format!("{base}..{outer}"));
            expect(&document, &merge, "");
        }
    }
}

#[test]
fn a_crafted_commit_does_not_count() {
    let scene = Scene::new();
    let base = scene.commit(By::Nobody, &[], ONE);
    let ssh_for = |namespace: &str, bytes: &str| {
        let file = scene.place("signed");
        fs::write(&file, bytes).unwrap();
        let mut keygen = Command::new("ssh-keygen");
        keygen.args(["-q", "-Y", "sign", "-n", namespace, "-f"]);
        let ran = keygen.arg(scene.place("ann")).arg(&file).output().unwrap();
        assert!(ran.status.success(), "{}", text(&ran.stderr));
        let armored = fs::read_to_string(scene.place("signed.sig")).unwrap();
        fs::remove_file(scene.place("signed.sig")).unwrap();
        format!("gpgsig {}", armored.trim_end().replace('\n', "\n "))
    };
    let with_line = |bytes: &str, line: &str| bytes.replacen("\n\n", &format!("\n{line}\n\n"), 1);
    let signature_of = |bytes: &str| {
        let at = bytes.find("gpgsig ").unwrap();
        let end = at + bytes[at..].find("\n\n").unwrap();
        bytes[at..end].to_owned()
    };
    let again = |bytes: &str| with_line(bytes, &signature_of(bytes));
    let for_another_hash = |bytes: &str| with_line(bytes, "gpgsig-sha256 x");
    let nul = |bytes: &str| format!("{bytes}\0hidden\n");
    let other_message = |bytes: &str| bytes.replace("A subject", "Another");
    let returns = |bytes: &str| bytes.replace("A subject\n", "A subject\r\n");
    let behind = |bytes: &str| {
        bytes.replacen(
            "-----END PGP SIGNATURE-----",
            "-----END PGP SIGNATURE-----\n more",
            1,
        )
    };
    let two_blocks = |bytes: &str| {
        let block = signature_of(bytes).replacen("gpgsig ", "", 1);
        with_line(bytes, &format!(" {block}"))
    };
    let x509 = |bytes: &str| bytes.replace("PGP SIGNATURE", "SIGNED MESSAGE");
    let unsigned = |bytes: &str| bytes.replacen(&format!("{}\n", signature_of(bytes)), "", 1);
    let right_namespace =
        |bytes: &str| with_line(&unsigned(bytes), &ssh_for("git", &unsigned(bytes)));
    let namespace = |bytes: &str| with_line(&unsigned(bytes), &ssh_for("file", &unsigned(bytes)));
    let other_bytes = |bytes: &str| with_line(&unsigned(bytes), &ssh_for("git", "other"));
    let as_it_is = |bytes: &str| bytes.to_owned();
    let cases: [(Craft<'_>, &str); 12] = [
        (&as_it_is, ""),
        (&right_namespace, ""),
        (&again, "there are several signatures"),
        (&two_blocks, "there are several signatures"),
        (&for_another_hash, "a line for another hash"),
        (&nul, "a NUL byte"),
        (&other_message, "it does not hold"),
        (&returns, "it does not hold"),
        (&behind, "it does not end where its armor does"),
        (&x509, "a signature of X.509"),
        (&namespace, "it was made for `file`"),
        (&other_bytes, "it does not hold"),
    ];
    let mut tip = base.clone();
    let mut crafted = Vec::new();
    for (number, (craft, expected)) in cases.into_iter().enumerate() {
        let contents = format!("of {number}");
        let files = [("packages/core/a/Containerfile", contents.as_str())];
        let good = scene.commit(By::Gpg(&scene.ann), &[&tip], &files);
        let commit = scene.raw(craft(&scene.read(&good)).as_bytes());
        tip = scene.commit(By::Gpg(&scene.ben), &[&tip, &commit], &files);
        crafted.push((commit, expected));
    }
    // A line's end that was signed is one.
    let files = [("packages/core/a/Containerfile", "returns")];
    let message = "A subject\r\n\r\nwith returns\r\n";
    let signed = scene.commit_of(By::Gpg(&scene.ann), &[&tip], &files, message);
    tip = scene.commit(By::Gpg(&scene.ben), &[&tip, &signed], &files);
    crafted.push((signed, ""));
    let (_, document, said) = scene.verify(&format!("{base}..{tip}"));
    assert!(document["missing"].as_array().unwrap().is_empty(), "{said}");
    for (commit, expected) in &crafted {
        expect(&document, commit, expected);
    }
}

#[test]
fn history_that_is_not_there_or_is_something_else_is_said() {
    let scene = Scene::new();
    let (ann, ben) = (By::Gpg(&scene.ann), By::Ssh("ben"));
    let base = scene.commit(By::Nobody, &[], ONE);
    let two = [("packages/core/a/Containerfile", "2")];
    let change = scene.commit(ann, &[&base], &two);
    let unsigned = scene.commit(By::Nobody, &[&base], &two);
    let tip = scene.commit(ben, &[&base, &change], &two);
    scene.git(&["update-ref", "HEAD", &tip], b"");
    let range = format!("{base}..{tip}");
    assert_eq!(scene.verify(&range).0, 0);

    // What git would show instead of an object, or as its parents, is not looked at.
    let bad = scene.commit(ben, &[&base, &unsigned], &two);
    scene.git(&["replace", &unsigned, &change], b"");
    scene.git(&["replace", &bad, &tip], b"");
    fs::write(
        scene.path().join(".git/info/grafts"),
        format!("{bad} {base}\n"),
    )
    .unwrap();
    let (code, document, _) = scene.verify(&format!("{base}..{bad}"));
    assert_eq!(code, 8);
    expect(&document, &unsigned, "it is not signed");
    fs::remove_file(scene.path().join(".git/info/grafts")).unwrap();

    // A clone that has a part of it.
    let shallow = scene.place("shallow");
    let from = format!("file://{}", scene.path().display());
    let words = [
        "clone",
        "-q",
        "--depth",
        "1",
        &from,
        shallow.to_str().unwrap(),
    ];
    scene.git(&words, b"");
    let (code, document, said) = scene.verify_in(&shallow, "HEAD");
    assert_eq!(code, 8, "{said}");
    let mut missing = [base.as_str(), change.as_str()];
    missing.sort_unstable();
    assert_eq!(document["missing"], serde_json::json!(missing));
    let (code, _, said) = scene.verify_in(&shallow, &range);
    assert!(
        code == 2 && said.contains("does not name a commit"),
        "{code}: {said}"
    );

    // An object that has the bytes of another one.
    let file = |name: &str| {
        scene
            .path()
            .join(".git/objects")
            .join(&name[..2])
            .join(&name[2..])
    };
    scene.git(&["replace", "-d", &unsigned, &bad], b"");
    fs::remove_file(file(&unsigned)).unwrap();
    fs::copy(file(&change), file(&unsigned)).unwrap();
    let (code, document, said) = scene.verify(&format!("{base}..{bad}"));
    assert_eq!(
        (code, &document["missing"]),
        (8, &serde_json::json!([unsigned])),
        "{said}"
    );
    // A tree that is not there.
    let tree = scene.git(&["rev-parse", &format!("{change}^{{tree}}")], b"");
    fs::remove_file(file(&tree)).unwrap();
    let (code, document, said) = scene.verify(&range);
    assert_eq!(
        (code, &document["missing"]),
        (8, &serde_json::json!([tree])),
        "{said}"
    );
}

#[test]
fn a_key_that_is_good_no_longer_has_signed_no_commit() {
    let scene = Scene::new();
    let Scene { ann, ben, .. } = &scene;
    // Ann had another key, until 2021.
    let then = ["--faked-system-time", "20200101T000000!"];
    let key = [
        "--quick-generate-key",
        "old <old@example.org>",
        "ed25519",
        "sign",
        "20210101T000000",
    ];
    ann.gpg(&[&then[..], &key].concat());
    let all = ann.fingerprints();
    let old = all.iter().find(|key| **key != ann.fingerprint).unwrap();
    let program = scene.place("gpg");
    let script =
        "#!/bin/sh\nexec gpg --ignore-time-conflict --faked-system-time 20200601T000000! \"$@\"\n";
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    scene.believe(&format!(", \"{old}\""));
    let base = scene.commit(By::Nobody, &[], ONE);
    let two = [("packages/core/a/Containerfile", "2")];
    let tree = scene.tree(&two);
    let program = format!("gpg.program={}", program.display());
    let words = [
        "-c",
        &program,
        "commit-tree",
        &format!("-S{old}"),
        "-p",
        &base,
        &tree,
    ];
    let lapsed = scene.git_with(&words, b"Long ago\n", &[("GNUPGHOME", ann.home.path())]);
    let merge = scene.commit(By::Gpg(ben), &[&base, &lapsed], &two);
    let (_, document, _) = scene.verify(&format!("{base}..{merge}"));
    expect(&document, &lapsed, "its key expired on 2021-01-01");

    // What Ann signed with the key that she has now counts until that is revoked.
    let change = scene.commit(By::Gpg(ann), &[&base], &two);
    let merge = scene.commit(By::Gpg(ben), &[&base, &change], &two);
    let range = format!("{base}..{merge}");
    assert_eq!(scene.verify(&range).0, 0);
    let revocation = format!("openpgp-revocs.d/{}.rev", ann.fingerprint);
    let revocation = fs::read_to_string(ann.home.path().join(revocation)).unwrap();
    let file = scene.place("revocation");
    fs::write(&file, revocation.replace(":-----BEGIN", "-----BEGIN")).unwrap();
    ann.gpg(&["--import", file.to_str().unwrap()]);
    scene.believe("");
    let (_, document, _) = scene.verify(&range);
    expect(&document, &change, "is revoked");
}

#[test]
fn the_commits_of_a_repository_of_sha_256_are_verified() {
    let scene = Scene::of("sha256");
    let base = scene.commit(By::Nobody, &[], ONE);
    let two = [("packages/core/a/Containerfile", "2")];
    let change = scene.commit(By::Gpg(&scene.ann), &[&base], &two);
    assert!(scene.read(&change).contains("\ngpgsig-sha256 "));
    let merge = scene.commit(By::Ssh("ben"), &[&base, &change], &two);
    let (code, document, said) = scene.verify(&format!("{base}..{merge}"));
    assert_eq!(code, 0, "{said}");
    expect(&document, &change, "");
    let other = scene.read(&change).replace("gpgsig-sha256 ", "gpgsig ");
    let other = scene.raw(other.as_bytes());
    let merge = scene.commit(By::Ssh("ben"), &[&base, &other], &two);
    let (_, document, _) = scene.verify(&format!("{base}..{merge}"));
    expect(&document, &other, "a line for another hash");
}

#[test]
fn a_range_that_has_nothing_to_say_is_refused() {
    let scene = Scene::new();
    let base = scene.commit(By::Nobody, &[], ONE);
    let tip = scene.commit(By::Nobody, &[&base], &[("packages/a", "2")]);
    let without = scene.commit(By::Nobody, &[&base], &[("README", "2")]);
    let tag = "tag";
    scene.git(&["tag", "-m", "x", tag, &base], b"");
    let refused = |range: &str, expected: &str| {
        let (code, _, said) = scene.verify(range);
        assert!(
            code == 2 && said.contains(expected),
            "{range}: {code} {said}"
        );
    };
    refused(&format!("{tip}..{base}"), "there is no commit in the range");
    refused(&format!("{tag}..{base}"), "there is no commit in the range");
    refused("tag...tag", "is not a range of commits");
    refused("nothing", "does not name a commit");
    refused(&format!("{base}^{{tree}}"), "does not name a commit");
    refused(&without, "has no directory packages/");
    // The line was turned around: it has been merged into a branch of before.
    let branch = scene.commit(By::Nobody, &[&base], ONE);
    let turned = scene.commit(By::Gpg(&scene.ben), &[&branch, &tip], ONE);
    let newer = scene.commit(By::Nobody, &[&turned, &tip], ONE);
    refused(
        &format!("{tip}..{newer}"),
        "is not on the line of first parents",
    );
    let (code, document, _) = scene.verify(&format!("{tag}..{tip}"));
    assert_eq!((code, &document["from"]), (8, &base.as_str().into()));
    let elsewhere = tempfile::tempdir().unwrap();
    let (code, _, said) = scene.verify_in(elsewhere.path(), &tip);
    assert!(
        code == 2 && said.contains("is not in a git repository"),
        "{said}"
    );

    // The SSH keys of a policy that lies in the tree are not agreed to by naming certificates.
    let policy = scene.path().join("policy.toml");
    fs::write(&policy, scene.policy("")).unwrap();
    let keyring = scene.place("keys.pgp");
    let mut words = vec![
        "verify",
        "--history",
        "HEAD",
        "--policy",
        policy.to_str().unwrap(),
    ];
    words.extend(["--keyring", keyring.to_str().unwrap()]);
    for person in [&scene.ann, &scene.ben, &scene.builder] {
        words.extend(["--fingerprint", &person.fingerprint]);
    }
    let ran = scene.stagex(scene.path(), &words);
    let said = text(&ran.stderr);
    assert!(
        ran.status.code() == Some(2) && said.contains("has SSH keys"),
        "{said}"
    );
}
