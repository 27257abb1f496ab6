//! What is kept is found again, whole and by whom it is for, and goes when there is no room.

use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, UNIX_EPOCH};

use snapshot::Digester;

use super::*;

/// A cache, and the directory of a build that uses it.
struct Scene {
    temporary: tempfile::TempDir,
    limit: u64,
}

fn key(name: &str) -> Digest {
    Digester::default().part(name).finish()
}

impl Scene {
    fn new(limit: u64) -> Self {
        let temporary = tempfile::tempdir().unwrap();
        fs::create_dir(temporary.path().join("state")).unwrap();
        Self { temporary, limit }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.temporary.path().join(name)
    }

    /// Returns the cache as another build has it.
    fn cache(&self) -> Cache {
        self.cache_of(1).unwrap()
    }

    /// Returns the cache as another user has it.
    fn cache_of(&self, user: u8) -> io::Result<Cache> {
        let job = CacheJob {
            directory: self.path("cache").try_into().unwrap(),
            limit: self.limit,
            seal: Some([user; 32].into()),
        };
        let directories = Arc::new(Directories::at(self.path("state")));
        Cache::open(&job, &directories, &Arc::new(Report::new()))
    }

    /// Keeps a file of 10,000 bytes and a layer.
    fn keep(&self, cache: &Cache, name: &str) -> Option<Digest> {
        let entry = self.path(name);
        fs::create_dir_all(entry.join(FILES)).unwrap();
        fs::write(entry.join(FILES).join("file"), vec![b'x'; 10_000]).unwrap();
        let layer = self.path("layer");
        fs::write(&layer, name).unwrap();
        let beside = Beside {
            layer: Some(&layer),
            ..Beside::default()
        };
        let kept = cache.keep(key(name), &entry, beside);
        if kept.is_some() {
            assert!(
                entry.join(FILES).join("file").exists(),
                "it is found as before"
            );
        }
        kept
    }

    fn kept(&self, name: &str) -> PathBuf {
        self.path("cache").join(key(name).to_string())
    }

    /// Says that something was used last in this second.
    fn used(&self, name: &str, second: u64) {
        let facts = File::open(self.kept(name).join(FACTS)).unwrap();
        let time = UNIX_EPOCH + Duration::from_secs(second);
        facts.set_modified(time).unwrap();
    }
}

#[test]
fn what_was_kept_is_found_and_whole() {
    let scene = Scene::new(u64::MAX);
    let cache = scene.cache();
    let digest = scene.keep(&cache, "a").unwrap();
    let entry = scene.cache().find(key("a")).unwrap();
    assert_eq!(entry.digest, digest);
    for part in [Part::Files, Part::Layer] {
        assert_eq!(cache.broken(&entry, part), []);
    }
    assert_eq!(fs::read(entry.layer()).unwrap(), b"a");
    assert!(scene.cache().find(key("b")).is_none());
    let mode = fs::metadata(scene.path("cache")).unwrap().permissions();
    assert_eq!(mode.mode() & 0o777, 0o700);
}

#[test]
fn who_is_second_keeps_nothing() {
    let scene = Scene::new(u64::MAX);
    let (one, other) = (scene.cache(), scene.cache());
    assert!(scene.keep(&one, "a").is_some());
    fs::remove_file(scene.path("a")).unwrap();
    assert!(scene.keep(&other, "a").is_none());
    assert!(scene.path("a").join(FILES).join("file").exists());
}

#[test]
fn what_was_used_last_stays_and_the_rest_goes() {
    let scene = Scene::new(45_000);
    let cache = scene.cache();
    for (second, name) in (1..).zip(["a", "b", "c", "d"]) {
        scene.keep(&cache, name).unwrap();
        scene.used(name, second);
    }
    scene.cache().shrink();
    assert!(scene.kept("a").exists(), "who has added nothing leaves all");
    scene.used("a", 9);
    cache.shrink();
    let left = ["a", "b", "c", "d"].map(|name| scene.kept(name).exists());
    assert_eq!(left, [true, false, false, true]);
    assert!(cache.find(key("b")).is_none());
}

#[test]
fn what_others_use_stays() {
    let scene = Scene::new(0);
    let (cache, other) = (scene.cache(), scene.cache());
    for name in ["a", "b"] {
        scene.keep(&cache, name).unwrap();
    }
    assert!(other.find(key("a")).is_some());
    cache.shrink();
    let left = ["a", "b"].map(|name| scene.kept(name).exists());
    assert_eq!(left, [true, false]);
    drop(other);
    scene.keep(&cache, "c").unwrap();
    cache.shrink();
    assert!(!scene.kept("a").exists());
}

#[test]
fn what_cannot_be_understood_is_made_again() {
    for broken in ["facts", "no facts"] {
        let scene = Scene::new(u64::MAX);
        let cache = scene.cache();
        scene.keep(&cache, "a").unwrap();
        drop(cache);
        let facts = scene.kept("a").join(FACTS);
        match broken {
            "facts" => fs::write(facts, "{\"files\":1").unwrap(),
            _ => fs::remove_file(facts).unwrap(),
        }
        assert!(scene.cache().find(key("a")).is_none());
        assert!(!scene.kept("a").exists());
    }
}

#[test]
fn what_another_user_kept_is_made_again() {
    let scene = Scene::new(u64::MAX);
    scene.keep(&scene.cache(), "a").unwrap();
    assert!(scene.cache().find(key("a")).is_some());
    assert!(scene.cache_of(2).unwrap().find(key("a")).is_none());
    assert!(!scene.kept("a").exists());
}

/// Each is what somebody may have put into a tree: what it leads to is neither used nor touched.
#[test]
fn nothing_is_found_behind_a_link() {
    type Trick = fn(&Scene);
    let tricks: &[Trick] = &[
        |scene| {
            fs::rename(scene.kept("a"), scene.path("outside")).unwrap();
            symlink(scene.path("outside"), scene.kept("a")).unwrap();
        },
        |scene| {
            fs::rename(scene.kept("a").join(FACTS), scene.path("outside")).unwrap();
            symlink(scene.path("outside"), scene.kept("a").join(FACTS)).unwrap();
        },
        |scene| {
            fs::rename(scene.kept("a").join(FILES), scene.path("outside")).unwrap();
            symlink(scene.path("outside"), scene.kept("a").join(FILES)).unwrap();
        },
    ];
    for trick in tricks {
        let scene = Scene::new(u64::MAX);
        scene.keep(&scene.cache(), "a").unwrap();
        trick(&scene);
        assert!(scene.cache().find(key("a")).is_none());
        let outside = fs::symlink_metadata(scene.path("outside")).unwrap();
        assert!(outside.is_dir() || outside.len() > 0);
        scene.keep(&scene.cache(), "b").unwrap();
        let cache = Scene { limit: 0, ..scene };
        cache.keep(&cache.cache(), "c").unwrap();
        cache.cache().shrink();
        assert!(cache.path("outside").exists());
    }
    // A link to a directory elsewhere is none of ours.
    let scene = Scene::new(u64::MAX);
    fs::create_dir(scene.path("outside")).unwrap();
    symlink(scene.path("outside"), scene.path("cache")).unwrap();
    assert!(scene.cache_of(1).is_err());
    assert_eq!(fs::read_dir(scene.path("outside")).unwrap().count(), 0);
}

#[test]
fn what_is_stacked_is_as_whole_as_what_it_is_of() {
    let scene = Scene::new(u64::MAX);
    let cache = scene.cache();
    let digest = scene.keep(&cache, "a").unwrap();
    let stack = |cache: &Cache| {
        let reference = Reference {
            key: key("a").to_string(),
            files: digest.to_string(),
            place: "/".to_owned(),
        };
        let entry = scene.path("b");
        let _ = fs::remove_file(&entry);
        fs::create_dir_all(entry.join(FILES)).unwrap();
        let beside = Beside {
            stacked: &[reference],
            layer: None,
        };
        cache.keep(key("b"), &entry, beside)
    };
    assert!(stack(&cache).is_some());
    let found = scene.cache().find(key("b")).unwrap();
    assert_eq!(found.stacked[0].entry.key, key("a"));
    assert_eq!(cache.broken(&found, Part::Files), []);
    // Under the same key there are other files now.
    drop((cache, found));
    fs::remove_dir_all(scene.kept("a")).unwrap();
    let cache = scene.cache();
    fs::remove_file(scene.path("a")).unwrap();
    fs::create_dir_all(scene.path("a").join(FILES)).unwrap();
    cache
        .keep(key("a"), &scene.path("a"), Beside::default())
        .unwrap();
    assert!(scene.cache().find(key("b")).is_none());
    assert!(!scene.kept("b").exists());
}
