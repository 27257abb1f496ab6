//! Which mirrors work: what each kind of mirror is called, and that nothing is kept of them.

#![expect(
    clippy::unwrap_used,
    reason = "in a test, what cannot be made is a failure"
)]

#[expect(dead_code, reason = "other tests use the rest")]
mod scene;
#[expect(dead_code, reason = "other tests use the rest")]
mod server;

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use fetch::{CheckedMirror, Checking, Fetcher, MirrorState, Wanted};
use scene::{Counted, Scene, block_on, hash, wanted};
use server::{Act, Server, file, status};

const BODY: &[u8] = b"the contents of a source";
const OTHER: &[u8] = b"the contents of another!";

fn check(scene: &Scene, source: &Wanted, full: bool, slow: Duration) -> Vec<CheckedMirror> {
    let fetcher = Fetcher::new(scene.config.clone()).unwrap();
    let meter = Counted::default();
    let checking = Checking { full, slow };
    let checking = fetcher.check_mirrors(std::slice::from_ref(source), checking, &meter);
    let mirrors = block_on(checking).unwrap().remove(0).mirrors;
    meter.ends();
    mirrors
}

/// Answers HEAD with a status, and everything else well.
fn without_head(code: u16) -> Act {
    let (refused, good) = (status(code, &[]), file(BODY, ""));
    Arc::new(move |request, connection| {
        let act = if request.method == "HEAD" {
            &refused
        } else {
            &good
        };
        act(request, connection)
    })
}

#[test]
fn each_mirror_is_called_what_it_is() {
    let (scene, server) = (Scene::new(), Server::start());
    let to = |path: &str, code| status(code, &[("Location", path)]);
    server.on("/a/good", [file(BODY, "")]);
    let acts = [
        ("/no-head", without_head(405)),
        ("/gone", status(404, &[])),
        ("/short", file(&BODY[1..], "")),
        ("/other", file(OTHER, "")),
        ("/moved", to("/a/good", 301)),
        ("/moved-twice", to("/moved", 308)),
        ("/elsewhere", to("/moved", 302)),
    ];
    let mut urls = vec![server.url("/a/good")];
    urls.extend(acts.map(|(path, act)| server.on(path, [act])));
    urls.push("file:vendor/none".to_owned());
    urls.push("ftp://example.org/x".to_owned());
    let source = wanted(BODY, &urls);
    fs::create_dir_all(scene.tree("fetch/core/a")).unwrap();
    fs::write(scene.tree("fetch/core/a/a.tar"), BODY).unwrap();

    let names = |checked: &[CheckedMirror]| -> Vec<&'static str> {
        let name = |one: &CheckedMirror| match one.state {
            MirrorState::Works => "works",
            MirrorState::Slow(_) => "slow",
            MirrorState::OtherLength(24) => "length",
            MirrorState::OtherLength(_) => "wrong length",
            MirrorState::OtherBytes(_) => "bytes",
            MirrorState::Dead(_) => "dead",
        };
        checked.iter().map(name).collect()
    };
    let quick = check(&scene, &source, false, Duration::MAX);
    let expected = [
        "works", "works", "dead", "length", "works", "works", "works", "works", "dead", "dead",
    ];
    assert_eq!(names(&quick), expected, "{quick:?}");
    let moved: Vec<_> = quick.iter().map(|one| one.moved.as_deref()).collect();
    let good = server.url("/a/good");
    let good = Some(good.as_str());
    assert_eq!(moved[5..8], [good, good, None]);
    assert!(moved[..5].iter().all(Option::is_none));
    let asked: Vec<_> = server
        .requests("/other")
        .iter()
        .map(|one| one.method.clone())
        .collect();
    assert_eq!(asked, ["HEAD"]);

    let full = check(&scene, &source, true, Duration::MAX);
    let bytes = |one: &CheckedMirror| matches!(&one.state, MirrorState::OtherBytes(found) if *found == hash(OTHER));
    assert!(bytes(&full[4]), "{:?}", full[4]);
    assert_eq!(names(&full[..4]), expected[..4]);
    let slow = check(&scene, &source, false, Duration::ZERO);
    assert_eq!(names(&slow[..3]), ["slow", "slow", "dead"]);
    for directory in ["sha256", "partial", "wrong"] {
        assert_eq!(fs::read_dir(scene.store(directory)).unwrap().count(), 0);
    }
}
