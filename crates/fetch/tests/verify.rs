//! Hashing everything again: what a disk has lost, although no time says so, is found and mended.

#![expect(
    clippy::unwrap_used,
    reason = "in a test, what cannot be made is a failure"
)]

#[expect(dead_code, reason = "other tests use the rest")]
mod scene;
#[expect(dead_code, reason = "other tests use the rest")]
mod server;

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::sync::Arc;

use camino::Utf8Path;
use fetch::{Fetcher, Listener, Verified, Wanted, Which};
use rstest::rstest;
use scene::{Counted, Scene, block_on, hash, of_package, wanted};
use server::{Server, file, status};

const BODY: &[u8] = b"the contents of a source";
const PLACE: &str = "fetch/core/a/a.tar";

fn verify(scene: &Scene, wanted: &[Wanted], which: Which) -> Verified {
    let fetcher = Fetcher::new(scene.config.clone()).unwrap();
    let listener: Arc<dyn Listener> = Arc::clone(&scene.heard) as _;
    let meter = Arc::new(Counted::default());
    let verified = fetcher.verify(wanted, which, meter.clone(), &listener);
    let verified = block_on(verified).unwrap();
    if verified.files > 0 {
        meter.ends();
    }
    verified
}

/// A scene that has a source.
fn fetched() -> (Scene, Server, Wanted) {
    let (scene, server) = (Scene::new(), Server::start());
    let url = server.on("/a.tar", [file(BODY, "")]);
    let source = wanted(BODY, &[url]);
    scene.fetch_one(&source).unwrap();
    (scene, server, source)
}

/// Changes a bit of a file, and neither its length nor its time.
fn rot(path: &Utf8Path) {
    let before = fs::metadata(path).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
    let mut bytes = fs::read(path).unwrap();
    bytes[0] ^= 1;
    fs::write(path, bytes).unwrap();
    let file = fs::File::options().write(true).open(path).unwrap();
    file.set_modified(before.modified().unwrap()).unwrap();
}

#[rstest]
#[case::store(&["store"], 1)]
#[case::tree(&["tree"], 1)]
#[case::both(&["store", "tree"], 2)]
fn what_is_damaged_is_kept_aside_and_fetched_again(
    #[case] places: &[&str],
    #[case] requests: usize,
    #[values(Which::All, Which::Wanted)] which: Which,
) {
    let (scene, server, source) = fetched();
    let sound = verify(&scene, std::slice::from_ref(&source), which);
    assert_eq!((sound.files, sound.bytes, sound.damaged.len()), (2, 48, 0));
    let stored = scene.store("sha256").join(hash(BODY));
    for place in places {
        let path = if *place == "store" {
            stored.clone()
        } else {
            scene.tree(PLACE)
        };
        rot(&path);
    }
    let verified = verify(&scene, std::slice::from_ref(&source), which);
    assert_eq!(verified.damaged.len(), places.len());
    for damaged in &verified.damaged {
        let kept = fs::read(damaged.kept.as_ref().unwrap()).unwrap();
        assert_eq!(Some(hash(&kept)), damaged.found);
    }
    assert_eq!(verified.fetched.failed().count(), 0);
    assert_eq!(fs::read(stored).unwrap(), BODY);
    assert_eq!(fs::read(scene.tree(PLACE)).unwrap(), BODY);
    scene.holds();
    // The other copy is as good as a mirror.
    assert_eq!(server.requests("/a.tar").len(), requests);
}

#[test]
fn what_cannot_be_mended_is_named_and_has_no_name_of_a_source() {
    let (mut scene, server, source) = fetched();
    server.on("/a.tar", [status(404, &[])]);
    rot(&scene.store("sha256").join(hash(BODY)));
    rot(&scene.tree(PLACE));
    scene.config.offline = true;
    let verified = verify(&scene, &[source], Which::All);
    assert_eq!(verified.fetched.failed().count(), 1);
    assert!(!scene.tree(PLACE).exists());
    scene.holds();
    assert_eq!(server.requests("/a.tar").len(), 1);
}

#[test]
fn a_store_has_other_trees_sources_and_nothing_else() {
    let (scene, _server, source) = fetched();
    let others = scene.store("sha256").join(hash(b"other"));
    fs::write(&others, "damaged").unwrap();
    fs::write(scene.store("sha256/README"), "").unwrap();
    fs::create_dir(scene.store("sha256").join("a".repeat(64))).unwrap();
    symlink(
        scene.tree(PLACE),
        scene.store("sha256").join("b".repeat(64)),
    )
    .unwrap();
    let own = verify(&scene, std::slice::from_ref(&source), Which::Wanted);
    assert!(own.damaged.is_empty() && others.exists());
    let all = verify(&scene, std::slice::from_ref(&source), Which::All);
    assert_eq!((all.damaged.len(), all.fetched.sources.len()), (4, 0));
    assert_eq!(fs::read_dir(scene.store("sha256")).unwrap().count(), 1);
    assert_eq!(fs::read(scene.tree(PLACE)).unwrap(), BODY);
    scene.holds();
}

#[test]
fn what_a_mirror_has_now_is_said_and_not_kept() {
    let (scene, server) = (Scene::new(), Server::start());
    server.on("/new", [file(b"of a newer version", "")]);
    let mirrors = [server.url("/gone"), server.url("/new")];
    let source = of_package("core", "a", "a.tar", BODY, &mirrors);
    let fetcher = Fetcher::new(scene.config.clone()).unwrap();
    let (mirror, newest) = block_on(fetcher.newest(&source)).unwrap();
    assert_eq!(mirror, server.url("/new"));
    assert_eq!(
        (newest.hash, newest.bytes),
        (hash(b"of a newer version"), 18)
    );
    for directory in ["sha256", "partial", "wrong"] {
        assert_eq!(fs::read_dir(scene.store(directory)).unwrap().count(), 0);
    }
    let nowhere = of_package("core", "a", "a.tar", BODY, &mirrors[..1]);
    let unfetched = block_on(fetcher.newest(&nowhere)).unwrap_err();
    assert!(unfetched.to_string().contains("404"), "{unfetched}");
}

#[test]
fn the_line_of_a_hash_is_found() {
    let scene = Scene::new();
    let fetcher = Fetcher::new(scene.config.clone()).unwrap();
    let source = wanted(BODY, &[]);
    let path = scene.tree("packages/core/a/package.toml");
    assert_eq!(fetcher.line(&source), "packages/core/a/package.toml:7");
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let other = format!("hash = \"{}\"\n", hash(BODY)).repeat(6);
    fs::write(
        &path,
        format!(
            "{other}[sources.main]\nfile = \"a\"\n  hash=\"{}\"\n",
            hash(BODY)
        ),
    )
    .unwrap();
    assert_eq!(fetcher.line(&source), "packages/core/a/package.toml:9");
}
