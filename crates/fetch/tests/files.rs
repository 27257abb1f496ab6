//! The store and the tree: what lies there is hostile, damaged, or another process's, and what a source is called
//! is right all the same.

#![expect(
    clippy::unwrap_used,
    reason = "in a test, what cannot be made is a failure"
)]

#[expect(dead_code, reason = "other tests use the rest")]
mod scene;
#[expect(dead_code, reason = "other tests use the rest")]
mod server;

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::sync::{Arc, Barrier};

use camino::{Utf8Path, Utf8PathBuf};
use documents::ErrorKind;
use fetch::{Fetcher, How, State, Store, Wanted, Why};
use rstest::rstest;
use rustix::fs::{CWD, FileType, Mode, mknodat};
use scene::{Scene, block_on, contents, hash, of_package, wanted};
use server::{Server, file, status};

const BODY: &[u8] = b"the contents of a source";
const PLACE: &str = "fetch/core/a/a.tar";

/// A scene with a mirror that has the source.
fn scene() -> (Scene, Server, Wanted) {
    let server = Server::start();
    let url = server.on("/a.tar", [file(BODY, "\"tag\"")]);
    (Scene::new(), server, wanted(BODY, &[url]))
}

fn pipe(path: &Utf8Path) {
    mknodat(CWD, path.as_str(), FileType::Fifo, Mode::RWXU, 0).unwrap();
}

/// A file outside of all directories, which stays as it is.
fn precious(scene: &Scene) -> Utf8PathBuf {
    let path = scene.root.join("precious");
    fs::write(&path, "precious").unwrap();
    path
}

#[test]
fn a_source_is_stored_once_and_copied_to_its_places() {
    let (scene, server, source) = scene();
    let mut sources = vec![source];
    for name in ["b", "c"] {
        let url = server.url("/a.tar");
        sources.push(of_package("user", name, "other.tar", BODY, &[url]));
    }
    let report = scene.fetch(&sources);
    assert_eq!(report.sources.len(), 3);
    assert_eq!(server.requests("/a.tar").len(), 1);
    let stored = fs::metadata(scene.store("sha256").join(hash(BODY))).unwrap();
    assert_eq!((stored.mode() & 0o7777, stored.nlink()), (0o444, 1));
    for source in &sources {
        let placed = fs::metadata(scene.tree(source.path().as_str())).unwrap();
        // An image has this mode where a Containerfile copies the file.
        assert_eq!((placed.mode() & 0o7777, placed.nlink()), (0o644, 1));
        assert_ne!(placed.ino(), stored.ino());
    }
    // What somebody writes into one of them reaches nobody else.
    fs::write(scene.tree(PLACE), "changed").unwrap();
    assert_eq!(
        fs::read(scene.tree("fetch/user/b/other.tar")).unwrap(),
        BODY
    );
    assert_eq!(scene.fetch_one(&sources[0]).unwrap(), How::Stored);
    assert_eq!(fs::read(scene.tree(PLACE)).unwrap(), BODY);
    assert_eq!(scene.fetch_one(&sources[0]).unwrap(), How::Present);
    assert_eq!(server.requests("/a.tar").len(), 1);
    scene.holds();
}

#[test]
fn a_file_that_somebody_put_there_is_checked_and_taken() {
    let (scene, server, source) = scene();
    fs::create_dir_all(scene.tree("fetch/core/a")).unwrap();
    fs::write(scene.tree(PLACE), BODY).unwrap();
    assert_eq!(scene.fetch_one(&source).unwrap(), How::Present);
    assert!(server.requests("/a.tar").is_empty());
    // The next tree has it from the store.
    fs::remove_file(scene.tree(PLACE)).unwrap();
    assert_eq!(scene.fetch_one(&source).unwrap(), How::Stored);
    scene.holds();
}

#[test]
fn a_file_with_other_contents_is_replaced_and_kept() {
    let (scene, _server, source) = scene();
    fs::create_dir_all(scene.tree("fetch/core/a")).unwrap();
    fs::write(scene.tree(PLACE), "mine").unwrap();
    scene.fetch_one(&source).unwrap();
    assert_eq!(fs::read(scene.tree(PLACE)).unwrap(), BODY);
    assert!(scene.heard("had other contents"));
    let kept: Vec<_> = fs::read_dir(scene.store("wrong")).unwrap().collect();
    assert_eq!(fs::read(kept[0].as_ref().unwrap().path()).unwrap(), b"mine");
    scene.holds();
}

#[test]
fn where_no_mirror_has_it_nothing_is_replaced() {
    let scene = Scene::new();
    let server = Server::start();
    let source = wanted(BODY, &[server.on("/a.tar", [file(b"other", "")])]);
    fs::create_dir_all(scene.tree("fetch/core/a")).unwrap();
    fs::write(scene.tree(PLACE), "mine").unwrap();
    let unfetched = scene.fetch_one(&source).unwrap_err();
    let Why::Wrong { found, kept, .. } = &unfetched.attempts[0].why else {
        panic!("{unfetched}");
    };
    assert_eq!(*found, hash(b"other"));
    // It is kept aside, under a name that is no hash.
    let kept = kept.as_ref().unwrap();
    assert_eq!(fs::read(kept).unwrap(), b"other");
    assert!(kept.starts_with(scene.store("wrong")) && kept.file_name().unwrap().len() != 64);
    assert_eq!(fs::read(scene.tree(PLACE)).unwrap(), b"mine");
    for part in [
        "core-a: the source `main` cannot be fetched",
        "declared in packages/core/a/package.toml:7",
        &hash(BODY),
        "/a.tar: the contents are others",
    ] {
        assert!(unfetched.to_string().contains(part), "{unfetched}");
    }
    assert!(unfetched.hint().contains("put it at fetch/core/a/a.tar"));
    assert_eq!(fs::read_dir(scene.store("partial")).unwrap().count(), 0);
    scene.holds();
}

#[test]
fn one_source_that_cannot_be_had_keeps_nobody_from_the_others() {
    let (scene, server, source) = scene();
    let missing = of_package(
        "core",
        "b",
        "b.tar",
        b"b",
        &[server.on("/b", [status(404, &[])])],
    );
    let report = scene.fetch(&[missing, source]);
    let came: Vec<bool> = report
        .sources
        .iter()
        .map(|(_, came)| came.is_ok())
        .collect();
    assert_eq!(came, [false, true]);
}

type Make = fn(&Utf8Path, &Utf8Path);

/// What a tree may have at the place of a source, or on the way to it, that somebody else made.
#[rstest]
#[case::link(PLACE, |at: &Utf8Path, precious: &Utf8Path| symlink(precious, at).unwrap(), true)]
#[case::dangling_link(PLACE, |at: &Utf8Path, precious: &Utf8Path| symlink(precious.with_extension("new"), at).unwrap(), true)]
#[case::device(PLACE, |at: &Utf8Path, _: &Utf8Path| symlink("/dev/zero", at).unwrap(), true)]
#[case::pipe(PLACE, |at: &Utf8Path, _: &Utf8Path| pipe(at), true)]
#[case::hard_link(PLACE, |at: &Utf8Path, precious: &Utf8Path| fs::hard_link(precious, at).unwrap(), true)]
#[case::large(PLACE, |at: &Utf8Path, _: &Utf8Path| fs::File::create(at).unwrap().set_len(1 << 40).unwrap(), true)]
#[case::directory(PLACE, |at: &Utf8Path, _: &Utf8Path| fs::create_dir(at).unwrap(), false)]
#[case::link_on_the_way("fetch/core", |at: &Utf8Path, precious: &Utf8Path| symlink(precious.parent().unwrap(), at).unwrap(), false)]
#[case::fetch_is_a_link("fetch", |at: &Utf8Path, precious: &Utf8Path| symlink(precious.parent().unwrap(), at).unwrap(), false)]
#[case::work_is_a_link("fetch/.stagex", |at: &Utf8Path, precious: &Utf8Path| symlink(precious.parent().unwrap(), at).unwrap(), false)]
#[case::lock_is_a_link("fetch/.stagex/lock", |at: &Utf8Path, precious: &Utf8Path| symlink(precious, at).unwrap(), true)]
#[case::lock_is_a_pipe("fetch/.stagex/lock", |at: &Utf8Path, _: &Utf8Path| pipe(at), true)]
#[case::lock_is_a_hard_link("fetch/.stagex/lock", |at: &Utf8Path, precious: &Utf8Path| fs::hard_link(precious, at).unwrap(), true)]
fn nothing_outside_of_a_tree_is_written(
    #[case] at: &str,
    #[case] make: Make,
    #[case] is_replaced: bool,
) {
    let (scene, _server, source) = scene();
    let precious = precious(&scene);
    let before = fs::metadata(&precious).unwrap();
    let at = scene.tree(at);
    fs::create_dir_all(at.parent().unwrap()).unwrap();
    make(&at, &precious);
    match scene.try_fetch(&[source]) {
        Ok(report) => {
            assert_eq!(report.failed().count(), 0);
            assert!(is_replaced);
            let placed = scene.tree(PLACE).symlink_metadata().unwrap();
            assert!(placed.is_file() && placed.nlink() == 1);
            assert_eq!(fs::read(scene.tree(PLACE)).unwrap(), BODY);
        }
        Err(error) => {
            assert!(!is_replaced, "{error:?}");
            assert_eq!(error.kind(), ErrorKind::Environment);
            assert!(error.hint().is_some(), "{error:?}");
        }
    }
    let after = fs::metadata(&precious).unwrap();
    assert_eq!(fs::read(&precious).unwrap(), b"precious");
    assert_eq!(
        (before.mtime_nsec(), before.mode()),
        (after.mtime_nsec(), after.mode())
    );
    let beside: Vec<_> = fs::read_dir(&scene.root).unwrap().collect();
    assert_eq!(beside.len(), 3, "tree, store and what is precious");
}

/// A user may keep archives elsewhere, and link to them.
#[test]
fn a_link_to_the_right_file_is_taken() {
    let (scene, server, source) = scene();
    let elsewhere = scene.root.join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    fs::write(elsewhere.join("a.tar"), BODY).unwrap();
    fs::create_dir_all(scene.tree("fetch/core")).unwrap();
    symlink(&elsewhere, scene.tree("fetch/core/a")).unwrap();
    assert_eq!(scene.fetch_one(&source).unwrap(), How::Present);
    assert!(server.requests("/a.tar").is_empty());
}

/// What may lie in a store: others can write there, or a disk has failed.
#[rstest]
#[case::damaged("sha256", |at: &Utf8Path, _: &Utf8Path| fs::write(at, "damaged").unwrap())]
#[case::link("sha256", |at: &Utf8Path, precious: &Utf8Path| symlink(precious, at).unwrap())]
#[case::directory("sha256", |at: &Utf8Path, _: &Utf8Path| fs::create_dir(at).unwrap())]
#[case::pipe("sha256", |at: &Utf8Path, _: &Utf8Path| pipe(at))]
#[case::partial_link("partial", |at: &Utf8Path, precious: &Utf8Path| symlink(precious, at).unwrap())]
#[case::partial_hard_link("partial", |at: &Utf8Path, precious: &Utf8Path| fs::hard_link(precious, at).unwrap())]
#[case::partial_pipe("partial", |at: &Utf8Path, _: &Utf8Path| pipe(at))]
#[case::partial_directory("partial", |at: &Utf8Path, _: &Utf8Path| fs::create_dir(at).unwrap())]
#[case::partial_of_another("partial", |at: &Utf8Path, _: &Utf8Path| fs::write(at, "another").unwrap())]
#[case::partial_is_whole("partial", |at: &Utf8Path, _: &Utf8Path| fs::write(at, BODY).unwrap())]
fn a_damaged_store_is_mended(#[case] part: &str, #[case] make: Make) {
    let (scene, _server, source) = scene();
    let precious = precious(&scene);
    Store::open(&scene.config.store).unwrap();
    make(&scene.store(part).join(hash(BODY)), &precious);
    scene.fetch_one(&source).unwrap();
    assert_eq!(fs::read(scene.tree(PLACE)).unwrap(), BODY);
    assert_eq!(fs::read(&precious).unwrap(), b"precious");
    assert_eq!(fs::metadata(&precious).unwrap().mode() & 0o777, 0o644);
    scene.holds();
}

#[rstest]
#[case::no_json("no json")]
#[case::a_header_of_its_own(
    "{\"mirror\":\"URL\",\"validator\":\"\\\"a\\\"\\r\\nX: y\",\"length\":9}"
)]
#[case::weak("{\"mirror\":\"URL\",\"validator\":\"W/\\\"tag\\\"\",\"length\":9}")]
#[case::of_another_mirror(
    "{\"mirror\":\"http://a.invalid/\",\"validator\":\"\\\"tag\\\"\",\"length\":9}"
)]
fn a_note_that_cannot_be_right_is_not_believed(#[case] note: &str) {
    let (scene, server, source) = scene();
    Store::open(&scene.config.store).unwrap();
    let partial = scene.store("partial").join(hash(BODY));
    fs::write(&partial, &BODY[..4]).unwrap();
    let url = server.url("/a.tar");
    fs::write(partial.with_extension("json"), note.replace("URL", &url)).unwrap();
    scene.fetch_one(&source).unwrap();
    assert_eq!(server.requests("/a.tar")[0].header("range"), None);
    scene.holds();
}

#[test]
fn files_of_this_machine_are_mirrors_where_that_is_allowed() {
    let mut scene = Scene::new();
    let outside = scene.root.join("outside");
    fs::create_dir_all(outside.join("deep")).unwrap();
    fs::write(outside.join("deep/a.tar"), BODY).unwrap();
    fs::create_dir(scene.tree("vendor")).unwrap();
    fs::write(scene.tree("vendor/a.tar"), BODY).unwrap();
    symlink(&outside, scene.tree("vendor/link")).unwrap();
    symlink(&outside, outside.join("link")).unwrap();
    pipe(&scene.tree("vendor/pipe"));
    let absolute = |path: &str| format!("file://{}", outside.join(path));
    let why = |scene: &Scene, mirror: String| {
        let came = scene.fetch_one(&wanted(BODY, &[mirror]));
        let why = came
            .map(drop)
            .map_err(|unfetched| unfetched.attempts[0].why.to_string());
        let _ = fs::remove_dir_all(scene.tree("fetch"));
        let _ = fs::remove_dir_all(&scene.config.store);
        why
    };
    assert_eq!(why(&scene, "file:vendor/a.tar".to_owned()), Ok(()));
    for (mirror, expected) in [
        ("file:vendor/link/deep/a.tar".to_owned(), "symbolic link"),
        ("file:vendor/pipe".to_owned(), "a named pipe"),
        ("file:vendor/b.tar".to_owned(), "No such file"),
        (absolute("deep/a.tar"), "none of the directories"),
    ] {
        let why = why(&scene, mirror).unwrap_err();
        assert!(why.contains(expected), "{why}");
    }
    scene.config.directories = vec![outside.clone()];
    scene.config.offline = true;
    assert_eq!(why(&scene, absolute("deep/a.tar")), Ok(()));
    let refused = why(&scene, absolute("link/deep/a.tar")).unwrap_err();
    assert!(refused.contains("symbolic link"), "{refused}");
}

#[test]
fn without_the_network_what_is_missing_is_named() {
    let (mut scene, server, source) = scene();
    scene.config.offline = true;
    let unfetched = scene.fetch_one(&source).unwrap_err();
    assert!(
        unfetched
            .to_string()
            .contains("nothing may reach the network"),
        "{unfetched}"
    );
    assert!(server.requests("/a.tar").is_empty());
    scene.config.offline = false;
    scene.fetch_one(&source).unwrap();
    fs::remove_file(scene.tree(PLACE)).unwrap();
    scene.config.offline = true;
    assert_eq!(scene.fetch_one(&source).unwrap(), How::Stored);
}

#[test]
fn what_is_missing_is_listed_without_the_network() {
    let (scene, server, source) = scene();
    let list = || {
        let fetcher = Fetcher::new(scene.config.clone()).unwrap();
        fetcher
            .list(std::slice::from_ref(&source))
            .unwrap()
            .remove(0)
    };
    let missing = |arrived, instead| State::Missing { arrived, instead };
    assert_eq!(list().state, missing(0, None));
    fs::write(scene.store("partial").join(hash(BODY)), "abc").unwrap();
    assert_eq!(list().state, missing(3, None));
    fs::create_dir_all(scene.tree("fetch/core/a")).unwrap();
    fs::write(scene.tree(PLACE), "other").unwrap();
    let instead = format!("its sha256 is {}", hash(b"other"));
    assert_eq!(list().state, missing(3, Some(instead)));
    fs::remove_file(scene.tree(PLACE)).unwrap();
    assert!(server.requests("/a.tar").is_empty());
    scene.fetch_one(&source).unwrap();
    assert_eq!(
        (list().state, list().bytes),
        (State::Present, Some(BODY.len() as u64))
    );
    fs::remove_file(scene.tree(PLACE)).unwrap();
    assert_eq!(
        (list().state, list().bytes),
        (State::Stored, Some(BODY.len() as u64))
    );
}

#[test]
fn two_calls_that_want_the_same_source_fetch_it_once() {
    let (scene, server, source) = scene();
    let fetcher = Fetcher::new(scene.config.clone()).unwrap();
    let listener: Arc<dyn fetch::Listener> = Arc::new(());
    let wanted = [source];
    block_on(async {
        let (one, other) = tokio::join!(
            fetcher.fetch(&wanted, &listener),
            fetcher.fetch(&wanted, &listener)
        );
        assert_eq!(
            one.unwrap().failed().count() + other.unwrap().failed().count(),
            0
        );
    });
    assert_eq!(server.requests("/a.tar").len(), 1);
    scene.holds();
}

/// Two fetchers know nothing of each other, as two processes do not: only the file's lock is between them.
#[test]
fn two_fetchers_of_one_store_fetch_it_once() {
    let (scene, server, source) = scene();
    let start = Arc::new(Barrier::new(2));
    let first = Arc::clone(&start);
    let body = file(BODY, "\"tag\"");
    // The first answer waits for the other fetcher to have begun.
    let slow: server::Act = Arc::new(move |request, connection| {
        first.wait();
        body(request, connection)
    });
    server.on("/a.tar", [slow]);
    let store = scene.config.store.clone();
    let fetch = |scene: &Scene| {
        let mut config = scene.config.clone();
        config.store.clone_from(&store);
        // Whichever comes second waits for the first, and lets it go on by that.
        let waits: Arc<dyn fetch::Listener> = Arc::new(Waits(Arc::clone(&start)));
        let fetcher = Fetcher::new(config).unwrap();
        let report = block_on(fetcher.fetch(std::slice::from_ref(&source), &waits)).unwrap();
        assert_eq!(report.failed().count(), 0);
    };
    let other = Scene::new();
    std::thread::scope(|scope| {
        scope.spawn(|| fetch(&scene));
        scope.spawn(|| fetch(&other));
    });
    assert_eq!(server.requests("/a.tar").len(), 1);
    scene.holds();
}

/// Lets a server go on once its fetcher waits for another one.
struct Waits(Arc<Barrier>);

impl fetch::Listener for Waits {
    fn hear(&self, event: fetch::Event<'_>) {
        if matches!(event, fetch::Event::Waiting { .. }) {
            self.0.wait();
        }
    }
}

#[test]
fn what_a_killed_process_left_in_a_tree_is_removed() {
    let (scene, _server, source) = scene();
    fs::create_dir_all(scene.tree("fetch/.stagex/deep")).unwrap();
    fs::write(scene.tree("fetch/.stagex/0123"), "half").unwrap();
    scene.fetch_one(&source).unwrap();
    scene.holds();
}

#[test]
fn a_store_is_bounded_and_what_was_used_last_stays() {
    let (mut scene, server, source) = scene();
    let bodies = [1_u8, 2, 3].map(|number| contents(1000 * usize::from(number)));
    let sources: Vec<_> = bodies
        .iter()
        .zip(["b", "c", "d"])
        .map(|(body, name)| {
            let url = server.on(&format!("/{name}"), [file(body, "")]);
            of_package("core", name, "x.tar", body, &[url])
        })
        .collect();
    scene.fetch(&sources);
    scene.config.limit = 2500;
    scene.fetch_one(&source).unwrap();
    let left = fs::read_dir(scene.store("sha256")).unwrap().count();
    assert!(left < 4 && scene.store("sha256").join(hash(BODY)).is_file());
    let store = Store::open(&scene.config.store).unwrap();
    assert_eq!(store.clear().unwrap().files, left as u64);
    assert_eq!(fs::read_dir(scene.store("sha256")).unwrap().count(), 0);
}

/// What nobody goes on with is removed before anything that is whole; what arrives just now is not.
#[test]
fn what_has_arrived_of_files_is_bounded() {
    let (mut scene, _server, source) = scene();
    scene.fetch_one(&source).unwrap();
    let directory = scene.store("partial");
    let partial = |digit: &str| directory.join(digit.repeat(64));
    for digit in ["1", "2", "3"] {
        fs::write(partial(digit), vec![0; 4000]).unwrap();
        fs::write(partial(digit).with_extension("json"), "{}").unwrap();
    }
    let arriving = fs::File::open(partial("2")).unwrap();
    arriving.lock().unwrap();
    scene.config.limit = 2500;
    scene.fetch_one(&source).unwrap();
    let left: Vec<_> = fs::read_dir(scene.store("partial")).unwrap().collect();
    assert_eq!(left.len(), 2, "{left:?}");
    assert!(partial("2").is_file() && partial("2").with_extension("json").is_file());
    assert!(scene.store("sha256").join(hash(BODY)).is_file());
}

#[test]
fn a_tree_that_has_everything_may_be_read_only() {
    let (scene, _server, source) = scene();
    fs::create_dir_all(scene.tree("fetch/core/a")).unwrap();
    fs::write(scene.tree(PLACE), BODY).unwrap();
    scene.fetch_one(&source).unwrap();
    assert!(!scene.tree("fetch/.stagex").exists());
    let mode = fs::metadata(scene.tree(PLACE))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o644);
}
