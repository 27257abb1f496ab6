//! What is verified of a tree that has to be a release, and what other commands demand of who has signed.

use std::fs;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::schema::compared;
use crate::signing::{Person, Scene, text};

const LABEL: &str = "bootstrap-label";

/// Signs a tag of what is checked out.
fn tag(scene: &Scene, by: Option<&Person>, name: &str) {
    let mut git = Command::new("git");
    git.arg("-C").arg(scene.path());
    git.args(["-c", "user.name=x", "-c", "user.email=x@y"]);
    git.args(["tag", "--force", "-m", "release", name]);
    if let Some(person) = by {
        git.args(["--local-user", &person.fingerprint]);
        git.env("GNUPGHOME", person.home.path());
    } else {
        git.arg("--annotate");
    }
    let ran = git.output().unwrap();
    assert!(ran.status.success(), "{name}: {}", text(&ran.stderr));
}

/// Writes a policy of two people and a keyring of all three, as the user's settings name them.
pub(crate) fn believe(scene: &Scene, people: [&Person; 2], other: &Person, more: &str) {
    let place = |name: &str| scene.outside.path().join(name);
    let all = [people[0], people[1], other];
    let keyring: Vec<u8> = all
        .iter()
        .flat_map(|person| person.gpg(&["--export"]).stdout)
        .collect();
    fs::write(place("keys.pgp"), keyring).unwrap();
    let listed = people.iter().enumerate().map(|(number, person)| {
        let fingerprint = &person.fingerprint;
        format!("[[people]]\nname = \"Person {number}\"\ncertificates = [\"{fingerprint}\"]\n")
    });
    let policy = format!("{more}\n{}", listed.collect::<String>());
    fs::write(place("policy.toml"), policy).unwrap();
    let settings = place(".config/stagex");
    fs::create_dir_all(&settings).unwrap();
    let (policy, keyring) = (place("policy.toml"), place("keys.pgp"));
    let text = format!(
        "[trust]\npolicy = \"{}\"\nkeyring = \"{}\"\n",
        policy.display(),
        keyring.display()
    );
    fs::write(settings.join("stagex.toml"), text).unwrap();
}

fn problems(document: &Value) -> String {
    document["packages"][0]["problems"].to_string()
}

#[test]
fn a_tree_that_has_to_be_a_release_is_one_that_somebody_has_signed() {
    let (scene, ann, ben) = (Scene::new(), Person::new("ann"), Person::new("ben"));
    let mallory = Person::new("mallory");
    scene.reproduce(&[LABEL]);
    for person in [&ann, &ben] {
        let (code, _, said) = scene.sign(person, &[LABEL]);
        assert_eq!(code, 0, "{said}");
    }
    let releases = "[releases]\nlowest = \"2026.03.0\"\nlongest-age = 30\n";
    believe(&scene, [&ann, &ben], &mallory, releases);
    let verify = || scene.run(&ann, &["verify", LABEL]);
    let refused = |expected: &str| {
        let (code, document, said) = verify();
        let told = problems(&document);
        assert!(
            code == 8 && told.contains(expected),
            "{expected}: {told} {said}"
        );
        assert!(document.get("release").is_none(), "{document}");
    };
    refused("nobody of the policy has signed a tag");
    tag(&scene, None, "2026.03.0");
    refused("nobody of the policy has signed a tag");
    tag(&scene, Some(&mallory), "2026.03.0");
    refused("nobody of the policy has signed a tag");
    tag(&scene, Some(&ann), "2025.12.0");
    refused("2025.12.0 is before 2026.03.0");
    // A name that was given to the tag afterwards is not the one that was signed.
    scene.git(&["update-ref", "refs/tags/2026.03.0", "refs/tags/2025.12.0"]);
    scene.git(&["tag", "-d", "2025.12.0"]);
    refused("2025.12.0 is before 2026.03.0");
    tag(&scene, Some(&ben), "newest");
    refused("is not called by the number of a release");

    tag(&scene, Some(&ben), "2026.03.1");
    // Newer tags of something else hide it nowhere: there are more than are looked at, before and behind it.
    scene.git(&["tag", "-a", "-m", "x", "other", "HEAD^{tree}"]);
    let other = |number| {
        format!(
            "create refs/tags/{}-{number} refs/tags/other\n",
            number % 2 * 9
        )
    };
    let many = (0..600).map(other).collect::<Vec<_>>().concat();
    let refs = scene.outside.path().join("refs");
    fs::write(&refs, many).unwrap();
    let refs = fs::File::open(&refs).unwrap();
    let mut git = Command::new("git");
    git.arg("-C").arg(scene.path());
    git.args(["update-ref", "--stdin"]).stdin(refs);
    assert!(git.status().unwrap().success());
    let (code, document, said) = verify();
    assert_eq!(code, 0, "{document} {said}");
    assert_eq!(document["release"]["name"], "2026.03.1");
    assert_eq!(document["release"]["person"], "Person 1");

    // What lies in digests/ is not what the release has.
    let digests = scene.path().join("digests/bootstrap.txt");
    let lines = fs::read_to_string(&digests).unwrap();
    fs::write(&digests, lines.replace(LABEL, "bootstrap-other")).unwrap();
    let (code, document, _) = verify();
    let told = problems(&document);
    assert!(
        code == 8 && told.contains("the release 2026.03.1 has another digest"),
        "{told}"
    );
    fs::write(&digests, lines).unwrap();
    assert_eq!(verify().0, 0);
    scene.commit();
    refused("nobody of the policy has signed a tag");
}

/// Who signs elsewhere reads what has become of each image since a release, if somebody whom they believe has signed that.
#[test]
fn what_is_carried_away_says_what_has_changed_since_the_last_release() {
    const SEED: &str = "bootstrap-seed";
    let (scene, ann, ben) = (Scene::new(), Person::new("ann"), Person::new("ben"));
    let mallory = Person::new("mallory");
    let digests = scene.path().join("digests/bootstrap.txt");
    let lines = fs::read_to_string(&digests).unwrap();
    let digest_of = |name: &str| {
        let end = format!(" {name}");
        let found = lines.lines().find_map(|line| line.strip_suffix(&end));
        format!("sha256:{}", found.unwrap())
    };
    let zeros = format!("sha256:{}", "0".repeat(64));
    let other = lines.replace(&digest_of(SEED)["sha256:".len()..], &"0".repeat(64));
    fs::write(&digests, other).unwrap();
    scene.commit();
    tag(&scene, Some(&ann), "2026.01.0");
    fs::write(&digests, &lines).unwrap();
    let file = scene.path().join("packages/bootstrap/label/Containerfile");
    let before = fs::read_to_string(&file).unwrap();
    fs::write(&file, format!("{before}# changed\n")).unwrap();
    scene.commit();
    // A stranger's release is none.
    tag(&scene, Some(&mallory), "2026.01.1");
    scene.commit();
    scene.reproduce(&[LABEL]);
    let export = |name: &str| {
        let place = scene.outside.path().join(name);
        let words = ["sign", LABEL, SEED, "--export", place.to_str().unwrap()];
        let (code, _, said) = scene.run(&ann, &words);
        assert_eq!(code, 0, "{said}");
        let list = fs::read_to_string(place.join("batch.json")).unwrap();
        let list: Value = serde_json::from_str(&list).unwrap();
        compared("sign-batch", &list).unwrap();
        let images = list["images"].as_array().unwrap().clone();
        let released = |name: &str| {
            let mut images = images.iter();
            let image = images.find(|image| image["package"] == name).unwrap();
            image["released"].clone()
        };
        let page = fs::read_to_string(place.join("README.txt")).unwrap();
        (released(LABEL), released(SEED), page, said)
    };
    let (label, _, page, said) = export("without");
    assert!(label.is_null() && !page.contains("since 2026.01"), "{page}");
    assert!(said.contains("no policy of your own"), "{said}");

    believe(&scene, [&ann, &ben], &mallory, "");
    let (label, seed, page, _) = export("with");
    let changed = "packages/bootstrap/label/Containerfile";
    let expected = serde_json::json!({
        "release": "2026.01.0", "digest": digest_of(LABEL), "changed": [changed]
    });
    assert_eq!(label, expected);
    let expected = serde_json::json!({ "release": "2026.01.0", "digest": zeros, "changed": [] });
    assert_eq!(seed, expected);
    for line in [
        format!("    since 2026.01.0: the same digest; changed: {changed}\n"),
        format!(
            "    since 2026.01.0: another digest, before {zeros}; none of its own files has changed\n"
        ),
    ] {
        assert!(page.contains(&line), "{line}: {page}");
    }
}

/// Once git was waited for, a signal does nothing by itself any more. What blocks after that ends all the same.
#[test]
fn what_blocks_between_two_things_that_are_waited_for_is_interrupted() {
    let (scene, ann, ben) = (Scene::new(), Person::new("ann"), Person::new("ben"));
    scene.reproduce(&[LABEL]);
    believe(&scene, [&ann, &ben], &ann, "[releases]\n");
    let ledger = scene.outside.path().join("state/stagex/ledger");
    let ledger = fs::File::open(ledger).unwrap();
    ledger.lock().unwrap();
    let mut verify = scene.command(None, &["verify", LABEL]);
    let verify = verify.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = verify.spawn().unwrap();
    // The list of all locks may be root's alone; what its own child does, everybody may know.
    let tasks = format!("/proc/{}/task", child.id());
    let waits = format!("{} ", libc::SYS_flock);
    let is_waiting = || {
        let mut tasks = fs::read_dir(&tasks).unwrap();
        tasks.any(|task| {
            let call = fs::read_to_string(task.unwrap().path().join("syscall"));
            call.is_ok_and(|call| call.starts_with(&waits))
        })
    };
    while !is_waiting() {
        assert!(
            child.try_wait().unwrap().is_none(),
            "it does not wait for the ledger"
        );
        std::thread::yield_now();
    }
    let pid = rustix::process::Pid::from_raw(child.id().try_into().unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let ended = child.wait_with_output().unwrap();
    let said = text(&ended.stderr);
    assert_eq!(ended.status.code(), Some(130), "{said}");
    assert!(said.contains("error: interrupted"), "{said}");
}

#[test]
fn digests_can_demand_that_enough_people_have_signed_them() {
    let (scene, ann, ben) = (Scene::new(), Person::new("ann"), Person::new("ben"));
    let mallory = Person::new("mallory");
    scene.reproduce(&[LABEL]);
    let words = ["--runtime", "native", "make", "--quiet", LABEL];
    assert!(scene.command(None, &words).status().unwrap().success());
    believe(&scene, [&ann, &ben], &mallory, "");
    let check = |words: &[&str]| {
        let words = [&["digests", "--check", "--recorded"], words].concat();
        scene.run(&ann, &words)
    };
    assert_eq!(check(&[]).0, 0);
    let signed = |document: &Value| {
        let packages = document["packages"].as_array().unwrap().iter();
        let mut of_label = packages.filter(|package| package["name"] == LABEL);
        of_label.next().unwrap()["signed"].clone()
    };
    for (person, missing) in [(&mallory, 2), (&ann, 1)] {
        let (code, _, said) = scene.sign(person, &[LABEL]);
        assert_eq!(code, 0, "{said}");
        let (code, document, said) = check(&["--signed"]);
        assert_eq!(
            (code, &signed(&document)["missing"]),
            (8, &missing.into()),
            "{said}"
        );
    }
    let site = scene.outside.path().join("site");
    let report = || scene.run(&ann, &["report", site.to_str().unwrap(), LABEL, "--signed"]);
    let (code, document, said) = report();
    let page = fs::read_to_string(site.join("package").join(format!("{LABEL}.html"))).unwrap();
    assert_eq!(
        (code, &document["counts"]["signed"]),
        (8, &0.into()),
        "{said}"
    );
    assert!(page.contains("Person 0; 1 missing"), "{page}");
    let words = ["digests", "--check", "--recorded", "--signed"];
    let ran = scene.command(Some(&ann), &words).output().unwrap();
    let shown = text(&ran.stdout);
    assert!(shown.contains("(signed by Person 0; 1 missing)"), "{shown}");
    // Others that were built on the way are signed as well.
    let (_, document, _) = check(&[]);
    let packages = document["packages"].as_array().unwrap().iter();
    let built = packages.filter(|package| !package["built"].is_null());
    let built: Vec<&str> = built
        .map(|package| package["name"].as_str().unwrap())
        .collect();
    for person in [&ann, &ben] {
        let (code, _, said) = scene.sign(person, &built);
        assert_eq!(code, 0, "{said}");
    }
    let (code, document, said) = check(&["--signed"]);
    let people = serde_json::json!(["Person 0", "Person 1"]);
    assert_eq!((code, &signed(&document)["people"]), (0, &people), "{said}");
    assert!(signed(&check(&[]).1).is_null());
    assert_eq!(report().0, 0);
}
