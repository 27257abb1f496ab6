//! Which packages `make` builds again, over an engine that makes empty images.

#![expect(
    clippy::unwrap_used,
    reason = "in a test, what cannot be made is a failure"
)]

#[path = "support/given.rs"]
mod given;
#[path = "support/hermetic.rs"]
mod hermetic;
#[path = "support/nothing.rs"]
mod nothing;

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;

use async_trait::async_trait;
use backend_api::{Network, Ready};
use build::FetchProblem;
use camino::{Utf8Path, Utf8PathBuf};
use documents::ErrorKind;
use make::{
    Clean, Error, Event, Given, Job, Listener, Local, Options, Outcome, Present, Profile, Report,
    Sources, Space,
};
use nothing::Nothing;
use oci_image::{Digest, ImageSet, Layout};
use package_tree::{DEFAULT_PLATFORM, Hermetic, Plan, PlannedPackage, Tree};
use state::{Digests, Directories};
use tokio::sync::watch;

/// A tree of three packages, each of which needs the one before.
struct Scene {
    _temporary: tempfile::TempDir,
    root: Utf8PathBuf,
    directories: Directories,
    hermetic: Option<Arc<Hermetic>>,
    /// The images that packages have to have.
    proven: Arc<BTreeMap<String, Digest>>,
    /// The images that stand for what packages need.
    given: Option<Arc<Given>>,
}

const OPTIONS: Options = Options {
    jobs: 2,
    keep_going: false,
    no_cache: false,
    space: Space::Checked,
};

const BASE: &str = "FROM scratch\nCOPY file /\n";

impl Scene {
    /// Writes the tree, and makes it.
    async fn new() -> Self {
        let temporary = tempfile::tempdir().unwrap();
        let root = Utf8PathBuf::from_path_buf(temporary.path().to_owned()).unwrap();
        let scene = Self {
            _temporary: temporary,
            directories: Directories::of_tree(&root),
            root,
            hermetic: None,
            proven: Arc::default(),
            given: None,
        };
        scene.write("a", "Containerfile", BASE);
        scene.write("b", "Containerfile", "FROM stagex/core-a\nCOPY file /\n");
        scene.write("c", "Containerfile", "FROM stagex/core-b\nCOPY file /\n");
        for name in ["a", "b", "c"] {
            scene.write(name, "file", "one");
            let manifest = format!("[package]\nname = \"{name}\"\nversion = \"1\"\n");
            scene.write(name, "package.toml", &manifest);
        }
        assert_eq!(scene.make(false, &[]).await, ["core-a", "core-b", "core-c"]);
        scene
    }

    fn write(&self, package: &str, file: &str, text: &str) {
        let directory = self.root.join("packages/core").join(package);
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join(file), text).unwrap();
    }

    fn directories(&self) -> Directories {
        self.directories.clone()
    }

    /// Returns why packages would be built: each reason behind the package's name.
    fn explain(&self, no_cache: bool, targets: &[&str]) -> Vec<String> {
        let targets: Vec<_> = targets.iter().map(|&target| target.to_owned()).collect();
        let tree = Tree::open(&self.root).unwrap();
        let plan = tree.plan(&targets, DEFAULT_PLATFORM, &[]).unwrap();
        let explained = make::explain(
            Profile::STAGEX_2026,
            &self.directories,
            &plan,
            no_cache,
            None,
        )
        .unwrap();
        let lines = explained.iter().flat_map(|each| {
            let reasons = each.reasons.iter();
            reasons.map(|reason| format!("{}: {reason}", each.name))
        });
        lines.collect()
    }

    /// Makes the targets, and returns what was built.
    async fn make(&self, no_cache: bool, targets: &[&str]) -> Vec<String> {
        let targets: Vec<_> = targets.iter().map(|&target| target.to_owned()).collect();
        let tree = Tree::open(&self.root).unwrap();
        let plan = Arc::new(tree.plan(&targets, DEFAULT_PLATFORM, &[]).unwrap());
        let engine = Arc::new(Nothing::default());
        let options = Options {
            no_cache,
            ..OPTIONS
        };
        let report = self
            .run(&engine, nothing::ready(), Arc::clone(&plan), options)
            .await;
        let built: Vec<_> = report
            .packages
            .into_iter()
            .filter_map(|(name, outcome)| match outcome {
                Outcome::Built { .. } => Some(name),
                Outcome::Fresh(_) => None,
                other => panic!("{name}: {other:?}"),
            })
            .collect();
        let packages = plan.packages.iter();
        let images = packages.filter(|package| built.contains(&package.name));
        let images: usize = images.map(|package| package.platforms.len()).sum();
        assert_eq!(engine.built(), images);
        built
    }

    async fn run(
        &self,
        engine: &Arc<Nothing>,
        ready: Ready,
        plan: Arc<Plan>,
        options: Options,
    ) -> Report {
        self.try_run(engine, ready, plan, options).await.unwrap()
    }

    async fn try_run(
        &self,
        engine: &Arc<Nothing>,
        ready: Ready,
        plan: Arc<Plan>,
        options: Options,
    ) -> Result<Report, Error> {
        let sources = Arc::new(Present::new(self.root.clone()));
        let heard = Arc::new(());
        self.run_with(engine, ready, plan, options, sources, heard)
            .await
    }

    async fn run_with(
        &self,
        engine: &Arc<Nothing>,
        ready: Ready,
        plan: Arc<Plan>,
        options: Options,
        sources: Arc<dyn Sources>,
        listener: Arc<dyn Listener>,
    ) -> Result<Report, Error> {
        let job = Job {
            given: self.given.clone(),
            proven: Arc::clone(&self.proven),
            profile: Profile::STAGEX_2026,
            directories: self.directories(),
            plan,
            hermetic: self.hermetic.clone(),
            sources,
            executor: Arc::new(Local::new(
                Arc::clone(engine) as _,
                ready,
                options.no_cache,
                Network::Default,
            )),
            options,
        };
        let (_sender, interrupted) = watch::channel(false);
        make::make(job, listener, interrupted).await
    }

    /// Says the platforms of a package.
    fn set_platforms(&self, package: &str, platforms: &str) {
        let manifest = format!(
            "[package]\nname = \"{package}\"\nversion = \"1\"\nplatforms = [{platforms}]\n"
        );
        self.write(package, "package.toml", &manifest);
    }

    /// Returns the platforms of what lies in `out/`.
    fn platforms(&self, output: &str) -> Vec<String> {
        let images = Digests::of_output(&self.directories, output).unwrap();
        images.into_iter().map(|(platform, _)| platform).collect()
    }
}

#[tokio::test]
async fn nothing_is_built_twice() {
    let scene = Scene::new().await;
    assert_eq!(scene.make(false, &[]).await, [""; 0]);
}

#[tokio::test]
async fn what_needs_something_is_built_again_if_that_came_out_otherwise() {
    let scene = Scene::new().await;
    scene.write("a", "file", "two");
    assert_eq!(
        scene.make(false, &[]).await,
        ["core-a"],
        "it came out the same"
    );
    scene.write(
        "b",
        "Containerfile",
        "FROM stagex/core-a\nCOPY file /there\n",
    );
    assert_eq!(scene.make(false, &[]).await, ["core-b", "core-c"]);
}

#[tokio::test]
async fn other_files_of_the_same_name_and_size_are_other_inputs() {
    let scene = Scene::new().await;
    let file = scene.root.join("packages/core/c/file");
    let modified = fs::metadata(&file).unwrap().modified().unwrap();
    fs::write(&file, "two").unwrap();
    let opened = fs::File::options().write(true).open(&file).unwrap();
    opened.set_modified(modified).unwrap();
    assert_eq!(scene.make(false, &[]).await, ["core-c"]);
}

#[tokio::test]
async fn what_is_gone_from_an_image_is_built_again() {
    let scene = Scene::new().await;
    let directory = scene.directories().output("core-b");
    let layout = Layout::open(&directory).unwrap();
    let layer = layout.manifest().layers().last().unwrap();
    fs::remove_file(Layout::blob(&directory, &layer.digest)).unwrap();
    assert_eq!(scene.make(false, &[]).await, ["core-b"]);
}

#[tokio::test]
async fn without_a_cache_what_was_asked_for_is_built() {
    let scene = Scene::new().await;
    assert_eq!(scene.make(true, &["core-b"]).await, ["core-b"]);
}

#[tokio::test]
async fn what_would_be_built_is_explained_before() {
    let scene = Scene::new().await;
    assert_eq!(scene.explain(false, &[]), [""; 0]);

    scene.write("a", "file", "two");
    scene.write("b", "more", "one");
    assert_eq!(
        scene.explain(false, &[]),
        [
            "core-a: file file changed",
            "core-b: file more is new",
            "core-b: core-a, which it needs, is built again",
            "core-c: core-b, which it needs, is built again",
        ]
    );
    assert_eq!(scene.make(false, &[]).await, ["core-a", "core-b"]);
    assert_eq!(scene.explain(false, &[]), [""; 0]);

    fs::remove_dir_all(scene.directories().output("core-c")).unwrap();
    assert_eq!(
        scene.explain(false, &[]),
        ["core-c: its image in out/ is missing or incomplete"]
    );
    assert_eq!(
        scene.explain(true, &["core-a"]),
        ["core-a: it was requested without caches"]
    );
}

#[tokio::test]
async fn what_clean_changes_is_explained_before() {
    let scene = Scene::new().await;
    let tree = Tree::open(&scene.root).unwrap();
    let plan = tree
        .plan(&["core-b".to_owned()], DEFAULT_PLATFORM, &[])
        .unwrap();
    let before = make::explain_cleaned(&plan);
    let cleaning = make::clean(
        scene.directories(),
        Clean::Everything,
        Vec::new(),
        Arc::new(()),
    );
    cleaning.await.unwrap();
    let after = make::explain(Profile::STAGEX_2026, &scene.directories, &plan, true, None).unwrap();
    assert_eq!(before, after);
}

#[tokio::test]
async fn an_archive_is_written_of_what_is_up_to_date() {
    let scene = Scene::new().await;
    assert_eq!(scene.make(false, &["out/core-b.tgz"]).await, [""; 0]);
    assert!(scene.directories().archive("core-b").exists());
}

#[tokio::test]
async fn an_image_of_two_platforms_is_up_to_date_or_not_as_a_whole() {
    let scene = Scene::new().await;
    scene.set_platforms("a", "\"linux/amd64\", \"linux/386\"");
    scene.set_platforms("b", "\"linux/386\", \"linux/amd64\"");
    let all = ["core-a", "core-b", "core-c"];
    assert_eq!(scene.make(false, &[]).await, all);
    assert_eq!(scene.platforms("core-a"), ["linux/amd64", "linux/386"]);
    assert_eq!(scene.platforms("core-b"), ["linux/386", "linux/amd64"]);
    assert_eq!(scene.platforms("core-c"), ["linux/amd64"]);
    assert_eq!(scene.make(false, &[]).await, [""; 0]);

    let directory = scene.directories().output("core-a");
    let images = ImageSet::open(&directory).unwrap();
    let second = images.images()[1].manifest_digest();
    fs::remove_file(Layout::blob(&directory, &second)).unwrap();
    assert_eq!(scene.make(false, &[]).await, ["core-a"]);

    scene.write(
        "c",
        "Containerfile",
        "FROM --platform=linux/arm64 stagex/core-a\nCOPY file /\n",
    );
    let tree = Tree::open(&scene.root).unwrap();
    let plan = Arc::new(
        tree.plan(&["core-c".to_owned()], DEFAULT_PLATFORM, &[])
            .unwrap(),
    );
    let engine = Arc::new(Nothing::default());
    let ready = nothing::ready();
    let report = scene.run(&engine, ready, plan, OPTIONS).await;
    let Some((_, Outcome::Failed(failure))) = report.packages.last() else {
        panic!("{report:?}");
    };
    let message = failure.error.to_string();
    assert!(
        message.contains("found those for linux/amd64, linux/386"),
        "{message}"
    );
    scene.write("c", "Containerfile", "FROM stagex/core-b\nCOPY file /\n");

    // In another order, it is another image.
    scene.set_platforms("a", "\"linux/386\", \"linux/amd64\"");
    assert_eq!(
        scene.explain(false, &["core-a"]),
        [
            "core-a: file package.toml changed",
            "core-a: its list of platforms was `linux/amd64,linux/386`, is `linux/386,linux/amd64`"
        ]
    );
    // What begins with it is for the same platforms, and came out the same.
    assert_eq!(scene.make(false, &[]).await, ["core-a", "core-b"]);

    // Nothing is for the second platform any more.
    scene.set_platforms("a", "\"linux/amd64\"");
    scene.set_platforms("b", "\"linux/amd64\"");
    assert_eq!(scene.make(false, &[]).await, all);
    assert_eq!(scene.platforms("core-a"), ["linux/amd64"]);
}

#[tokio::test]
async fn other_platforms_are_those_of_the_engine() {
    let scene = Scene::new().await;
    scene.set_platforms("a", "\"linux/arm64\"");
    let tree = Tree::open(&scene.root).unwrap();
    let plan = Arc::new(
        tree.plan(&["core-a".to_owned()], DEFAULT_PLATFORM, &[])
            .unwrap(),
    );
    let engine = Arc::new(Nothing::default());
    let mut ready = nothing::ready();
    let refused = scene.run(&engine, ready.clone(), Arc::clone(&plan), OPTIONS);
    let (_, outcome) = refused.await.packages.pop().unwrap();
    let Outcome::Failed(failure) = outcome else {
        panic!("{outcome:?}");
    };
    assert!(matches!(failure.error, Error::Platform { .. }), "{failure}");
    assert_eq!(engine.built(), 0);

    ready.capabilities.platforms = vec!["linux/arm64".to_owned()];
    scene.run(&engine, ready, plan, OPTIONS).await;
    assert_eq!(scene.platforms("core-a"), ["linux/arm64"]);
}

#[tokio::test]
async fn nothing_begins_without_room_unless_somebody_knows_better() {
    let scene = Scene::new().await;
    // A sparse file: what was built the last time was larger than any disk is.
    let large = scene.directories().output("core-c").join("large");
    fs::File::create(&large).unwrap().set_len(1 << 42).unwrap();
    scene.write("c", "file", "two");
    let plan = Tree::open(&scene.root).unwrap();
    let plan = Arc::new(plan.plan(&[], DEFAULT_PLATFORM, &[]).unwrap());
    for space in [Space::Checked, Space::Ignored] {
        let options = Options { space, ..OPTIONS };
        let engine = Arc::new(Nothing::default());
        let made = scene.try_run(&engine, nothing::ready(), Arc::clone(&plan), options);
        match made.await {
            Ok(_) => assert_eq!(space, Space::Ignored),
            Err(Error::DiskSpace { .. }) => assert_eq!(space, Space::Checked),
            Err(error) => panic!("{error}"),
        }
        assert_eq!(engine.built(), usize::from(space == Space::Ignored));
    }
}

/// The sha256 of nothing.
const OF_NOTHING: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// Brings empty files: those of package `c` not before `b` is built, and those of `broken` never.
#[derive(Debug)]
struct Slow {
    root: Utf8PathBuf,
    broken: &'static str,
    built: watch::Sender<bool>,
}

impl Slow {
    fn new(root: &Utf8Path, broken: &'static str) -> Arc<Self> {
        Arc::new(Self {
            root: root.to_owned(),
            broken,
            built: watch::channel(false).0,
        })
    }
}

impl Listener for Slow {
    fn hear(&self, event: Event) {
        if let Event::Built { package, .. } = event {
            self.built.send_if_modified(|built| {
                *built |= package == "core-b";
                *built
            });
        }
    }
}

#[async_trait]
impl Sources for Slow {
    fn require(&self, _: &[&PlannedPackage]) -> Result<(), Error> {
        Ok(())
    }

    async fn bring(&self, package: &PlannedPackage) -> Result<(), Error> {
        if package.name == self.broken {
            return Err(Error::Fetch(Box::new(FetchProblem {
                kind: ErrorKind::Package,
                message: "no mirror has it".to_owned(),
                hint: None,
            })));
        }
        if package.name == "core-c" {
            let mut built = self.built.subscribe();
            built.wait_for(|built| *built).await.unwrap();
        }
        let directory = self.root.join(package.fetch());
        fs::create_dir_all(&directory).unwrap();
        for source in &*package.sources {
            fs::write(directory.join(&source.file), "").unwrap();
        }
        Ok(())
    }
}

/// Three packages that need sources, and of which none needs another.
async fn with_sources() -> (Scene, Arc<Plan>) {
    let scene = Scene::new().await;
    for name in ["a", "b", "c"] {
        scene.write(name, "Containerfile", BASE);
        let manifest = format!(
            "[package]\nname = \"{name}\"\nversion = \"2\"\n[sources.{name}]\nhash = \"{OF_NOTHING}\"\n\
             mirrors = [\"https://example.org/{name}.tar\"]\n"
        );
        scene.write(name, "package.toml", &manifest);
    }
    let tree = Tree::open(&scene.root).unwrap();
    let plan = Arc::new(tree.plan(&[], DEFAULT_PLATFORM, &[]).unwrap());
    (scene, plan)
}

#[tokio::test]
async fn all_missing_sources_are_named_before_anything_is_built() {
    let (scene, plan) = with_sources().await;
    let engine = Arc::new(Nothing::default());
    let error = scene
        .try_run(&engine, nothing::ready(), plan, OPTIONS)
        .await
        .unwrap_err();
    let text = error.to_string();
    for name in ["a", "b", "c"] {
        let file = format!("fetch/core/{name}/{name}.tar");
        assert!(text.contains(&file), "{file} is not in: {text}");
    }
    assert_eq!(engine.built(), 0);
}

#[tokio::test]
async fn a_package_waits_for_its_own_sources_only() {
    let (scene, plan) = with_sources().await;
    let engine = Arc::new(Nothing::default());
    let slow = Slow::new(&scene.root, "");
    let (sources, listener) = (Arc::clone(&slow) as _, slow as _);
    let one = Options { jobs: 1, ..OPTIONS };
    let report = scene
        .run_with(&engine, nothing::ready(), plan, one, sources, listener)
        .await
        .unwrap();
    assert_eq!((report.failure(), engine.built()), (None, 3));
}

#[tokio::test]
async fn a_package_without_its_sources_fails_alone() {
    let (scene, plan) = with_sources().await;
    let engine = Arc::new(Nothing::default());
    let slow = Slow::new(&scene.root, "core-a");
    let (sources, listener) = (Arc::clone(&slow) as _, slow as _);
    let options = Options {
        keep_going: true,
        ..OPTIONS
    };
    let report = scene
        .run_with(&engine, nothing::ready(), plan, options, sources, listener)
        .await
        .unwrap();
    let [
        (_, Outcome::Failed(failed)),
        (_, Outcome::Built { .. }),
        (_, Outcome::Built { .. }),
    ] = report.packages.as_slice()
    else {
        panic!("{report:?}");
    };
    assert_eq!(failed.error.to_string(), "no mirror has it");
}

#[tokio::test]
async fn nothing_waits_for_sources_when_the_work_has_failed() {
    let (scene, plan) = with_sources().await;
    let engine = Arc::new(Nothing::default());
    // The sources of c never come: b is not built.
    let slow = Slow::new(&scene.root, "core-b");
    let (sources, listener) = (Arc::clone(&slow) as _, slow as _);
    let report = scene
        .run_with(&engine, nothing::ready(), plan, OPTIONS, sources, listener)
        .await
        .unwrap();
    let (_, last) = report.packages.last().unwrap();
    assert!(matches!(last, Outcome::Skipped), "{report:?}");
}
