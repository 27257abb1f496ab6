//! Builds that keep their results in one directory, and what came of them.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use backend_api::{
    Backend as _, BuildArgument, BuildKey, BuildRequest, Cache, ContextSource, Event, Events,
    NamedContext, Network, OpenFiles, Step, StepId, StepKind,
};
use backend_native::Native;
use camino::{Utf8Path, Utf8PathBuf};
use libtest_mimic::Failed;

use crate::image::{self, Image};

/// A static program, for want of anything else in an empty file system.
const BUSYBOX: &str = "/bin/busybox";

/// Builds that keep their results in one directory.
pub(crate) struct Scene {
    pub(crate) directory: Utf8PathBuf,
    _temporary: tempfile::TempDir,
    count: AtomicU32,
}

/// A build that is about to begin.
pub(crate) struct Build<'a> {
    scene: &'a Scene,
    text: String,
    cache: Cache,
    arguments: Vec<BuildArgument>,
    network: Network,
    open_files: u64,
}

/// A build that went through.
#[derive(Debug)]
pub(crate) struct Built {
    /// The first lines of the steps that were done, and those of steps that were kept.
    pub(crate) made: Vec<String>,
    pub(crate) kept: Vec<String>,
    pub(crate) notices: Vec<String>,
    pub(crate) layers: Vec<Layer>,
}

/// The bytes of a layer. Where they are not what was expected it is enough to be told that.
#[derive(PartialEq, Eq)]
pub(crate) struct Layer(pub(crate) Vec<u8>);

impl fmt::Debug for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes of sha256 {}", self.0.len(), sha256(&self.0))
    }
}

/// What is kept belongs to other users where this one is not root: only the backend removes it.
impl Drop for Scene {
    fn drop(&mut self) {
        if !rustix::process::geteuid().is_root() {
            let _ = block_on(native().forget(&self.kept()));
        }
    }
}

impl Scene {
    pub(crate) fn new() -> Self {
        // Not in /tmp, in which layers may not be stacked.
        Self::below(Utf8Path::new("/var/tmp"))
    }

    pub(crate) fn below(directory: &Utf8Path) -> Self {
        let temporary = tempfile::tempdir_in(directory).expect("a test may make directories");
        let directory = Utf8PathBuf::from_path_buf(temporary.path().to_owned());
        let scene = Self {
            directory: directory.expect("TMPDIR is text"),
            _temporary: temporary,
            count: AtomicU32::new(0),
        };
        scene.write("context/busybox", "");
        scene.write("other/unused", "");
        scene.write("other/g", "");
        let program = scene.directory.join("context/busybox");
        fs::copy(BUSYBOX, program).expect("busybox is there (make test installs it)");
        scene.image("image", "i", "i");
        scene.image("base", "b", "b");
        scene
    }

    pub(crate) fn write(&self, path: &str, contents: &str) {
        let path = self.directory.join(path);
        fs::create_dir_all(path.parent().expect("a test may do that")).expect("a test may do that");
        fs::write(&path, contents).expect("a test may do that");
        let time = UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        File::open(&path)
            .expect("a test may do that")
            .set_modified(time)
            .expect("a test may do that");
    }

    pub(crate) fn set_mode(&self, path: &str, mode: u32) {
        fs::set_permissions(self.directory.join(path), Permissions::from_mode(mode))
            .expect("a test may do that");
    }

    pub(crate) fn set_time(&self, path: &str, nanoseconds: u32) {
        let time = UNIX_EPOCH + Duration::new(1_000_000_000, nanoseconds);
        let file = File::open(self.directory.join(path)).expect("a test may do that");
        file.set_modified(time).expect("a test may do that");
    }

    /// Writes an archive of one file.
    pub(crate) fn archive(&self, path: &str, name: &str, contents: &str) {
        let bytes = image::files(&[(name, contents.as_bytes())]);
        self.write(path, "");
        fs::write(self.directory.join(path), bytes).expect("a test may do that");
        self.set_time(path, 1);
    }

    /// Writes the layout of an image with a shell and one file.
    pub(crate) fn image(&self, image: &str, name: &str, contents: &str) {
        let program = fs::read(BUSYBOX).expect("a test may do that");
        let layer = image::files(&[
            ("bin/true", &program),
            ("bin/sh", &program),
            (name, contents.as_bytes()),
        ]);
        self.image_of(image, &[layer]);
    }

    /// Writes the layout of an image with these layers.
    pub(crate) fn image_of(&self, image: &str, layers: &[Vec<u8>]) -> Image {
        Image::write(&self.directory.join(image), layers)
    }

    /// Returns the directory in which things are kept.
    pub(crate) fn kept(&self) -> Utf8PathBuf {
        self.directory.join("kept")
    }

    /// Returns the keys under which there is something.
    pub(crate) fn keys(&self) -> Result<Vec<String>, Failed> {
        let mut keys = Vec::new();
        for entry in self.kept().read_dir_utf8()? {
            keys.push(entry?.file_name().to_owned());
        }
        keys.sort();
        Ok(keys)
    }

    /// Finds the one entry that has a file with such contents, and returns the file.
    pub(crate) fn kept_file(
        &self,
        name: &str,
        is_it: impl Fn(&str) -> bool,
    ) -> Result<Utf8PathBuf, Failed> {
        let mut found = Vec::new();
        for key in self.keys()? {
            let path = self.kept().join(key).join(name);
            let is_file = fs::metadata(&path).is_ok_and(|file| file.is_file());
            if is_file && is_it(&String::from_utf8_lossy(&fs::read(&path)?)) {
                found.push(path);
            }
        }
        match found.as_slice() {
            [only] => Ok(only.clone()),
            found => Err(format!("expected one entry with {name}, found {found:?}").into()),
        }
    }

    /// Returns the cache of a user.
    pub(crate) fn cache(&self, user: u8) -> Cache {
        Cache::Use {
            directory: self.kept(),
            seal: Some([user; 32].into()),
        }
    }

    pub(crate) fn build(&self, text: &str) -> Build<'_> {
        Build {
            scene: self,
            text: text.to_owned(),
            cache: self.cache(1),
            arguments: Vec::new(),
            network: Network::None,
            open_files: 256,
        }
    }
}

impl Build<'_> {
    pub(crate) fn cache(mut self, cache: Cache) -> Self {
        self.cache = cache;
        self
    }

    pub(crate) fn argument(mut self, name: &str, value: &str) -> Self {
        let (name, value) = (name.to_owned(), value.to_owned());
        self.arguments.push(BuildArgument { name, value });
        self
    }

    pub(crate) fn network(mut self, network: Network) -> Self {
        self.network = network;
        self
    }

    pub(crate) fn open_files(mut self, soft: u64) -> Self {
        self.open_files = soft;
        self
    }

    pub(crate) fn replace(mut self, from: &str, to: &str) -> Self {
        assert!(self.text.contains(from), "there is no {from}");
        self.text = self.text.replace(from, to);
        self
    }

    pub(crate) fn request(&self) -> BuildRequest {
        let count = self.scene.count.fetch_add(1, Ordering::Relaxed);
        let directory = self.scene.directory.join(format!("build-{count}"));
        let [work, exported] = ["work", "layers"].map(|name| directory.join(name));
        for directory in [&work, &exported] {
            fs::create_dir_all(directory).expect("a test may do that");
        }
        let containerfile = directory.join("Containerfile");
        fs::write(&containerfile, &self.text).expect("a test may do that");
        let context = |name: &str, source| NamedContext {
            name: name.to_owned(),
            source,
        };
        let path = |name: &str| self.scene.directory.join(name);
        BuildRequest {
            varied: backend_api::Variations::default(),
            key: BuildKey::new(&format!("cache-{count}")),
            containerfile,
            context: path("context"),
            contexts: vec![
                context("other", ContextSource::Directory(path("other"))),
                context("image", ContextSource::Image(path("image"))),
                context("base", ContextSource::Image(path("base"))),
            ],
            target: None,
            steps: self.steps(),
            stages: Vec::new(),
            base_layers: 0,
            platform: "linux/amd64".to_owned(),
            build_arguments: self.arguments.clone(),
            network: self.network,
            cache: self.cache.clone(),
            hard_links: false,
            open_files: OpenFiles {
                soft: self.open_files,
                hard: 1024,
            },
            work,
        }
    }

    /// Returns the steps of the last stage, and of those that it begins with.
    fn steps(&self) -> Vec<Step> {
        let stages: Vec<&str> = self.text.split("FROM ").skip(1).collect();
        let named = |name: &str| {
            let name = format!(" AS {name}\n");
            stages.iter().position(|stage| {
                stage
                    .split_inclusive('\n')
                    .next()
                    .expect("a test may do that")
                    .ends_with(&name)
            })
        };
        let (mut chain, mut next) = (Vec::new(), Some(stages.len() - 1));
        while let Some(stage) = next {
            chain.insert(0, stage);
            next = named(
                stages[stage]
                    .split_whitespace()
                    .next()
                    .expect("a test may do that"),
            );
        }
        let mut steps = Vec::new();
        for stage in chain {
            let kinds = stages[stage]
                .lines()
                .filter_map(|line| match line.split(' ').next()? {
                    "COPY" => Some(StepKind::Copy),
                    "ADD" => Some(StepKind::Add),
                    "RUN" => Some(StepKind::Run),
                    "WORKDIR" => Some(StepKind::Workdir),
                    _ => None,
                });
            let ids = kinds.enumerate().map(|(index, kind)| Step {
                id: StepId { stage, index },
                kind,
            });
            steps.extend(ids);
        }
        steps
    }

    pub(crate) fn run(self) -> Result<Built, Failed> {
        let request = self.request();
        let exported = request.work.with_file_name("layers");
        let (lines, native) = (Lines::default(), native());
        let built = block_on(native.build(&request, &lines));
        let built =
            built.map_err(|error| format!("{error}\n{}", error.output().unwrap_or_default()))?;
        let image = block_on(native.export(&built, &exported))?;
        let layers = image.layers.iter();
        let layers = layers.map(|layer| fs::read(&layer.tar).map(Layer));
        let layers = layers.collect::<Result<_, _>>()?;
        block_on(native.remove(built))?;
        let left = request.work.read_dir_utf8()?.count();
        expect(left == 0, "something is left in the work directory")?;
        let (lines, notices) = lines.0.into_inner().map_err(|_| "a test panicked")?;
        let (mut made, mut kept) = (Vec::new(), Vec::new());
        for line in lines {
            let list = if line.starts_with("CACHED [") {
                &mut kept
            } else {
                &mut made
            };
            if let Some((start, step)) = line.split_once("] ")
                && start.trim_start_matches("CACHED ").starts_with('[')
            {
                list.push(step.to_owned());
            }
        }
        Ok(Built {
            made,
            kept,
            notices,
            layers,
        })
    }
}

impl Built {
    /// Returns the contents of a file, as the last layer with it has them.
    pub(crate) fn contents(&self, path: &str) -> String {
        let mut contents = None;
        for layer in &self.layers {
            let mut archive = tar::Archive::new(layer.0.as_slice());
            for mut entry in archive.entries().expect("a test may do that").flatten() {
                if entry.path_bytes().as_ref() == path.as_bytes() {
                    contents =
                        Some(std::io::read_to_string(&mut entry).expect("a test may do that"));
                }
            }
        }
        contents.unwrap_or_else(|| panic!("no layer has {path}"))
    }

    /// Returns what the layers have in a directory, by path.
    pub(crate) fn files(&self, directory: &str) -> BTreeMap<String, String> {
        let entries = self
            .layers
            .iter()
            .flat_map(|layer| image::entries(&layer.0));
        let below = entries.filter_map(|(path, what)| {
            let path = path.strip_prefix(directory)?.to_owned();
            Some((path, what))
        });
        below.collect()
    }

    /// Returns what is in the layers, without times of today.
    fn summary(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for (number, layer) in self.layers.iter().enumerate() {
            let mut archive = tar::Archive::new(layer.0.as_slice());
            for mut entry in archive.entries().expect("a test may do that").flatten() {
                let header = entry.header().clone();
                let mut bytes = Vec::new();
                std::io::Read::read_to_end(&mut entry, &mut bytes).expect("a test may do that");
                lines.push(format!(
                    "{number} {:?} {:?} {:o} {}:{} {:?} {} {}",
                    String::from_utf8_lossy(&entry.path_bytes()),
                    header.entry_type(),
                    header.mode().expect("a test may do that"),
                    header.uid().expect("a test may do that"),
                    header.gid().expect("a test may do that"),
                    entry.link_name_bytes(),
                    header
                        .mtime()
                        .expect("a test may do that")
                        .min(1_000_000_001),
                    sha256(&bytes),
                ));
            }
        }
        lines
    }
}

/// Returns the sha256 of some bytes, in hex.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    let mut file = tempfile::tempfile().expect("a test may do that");
    std::io::Write::write_all(&mut file, bytes).expect("a test may do that");
    std::io::Seek::rewind(&mut file).expect("a test may do that");
    snapshot::sha256(file)
        .expect("a test may do that")
        .to_string()
}

/// Keeps every line and every notice.
#[derive(Default)]
pub(crate) struct Lines(Mutex<(Vec<String>, Vec<String>)>);

impl Lines {
    pub(crate) fn has(&self, line: &str) -> bool {
        self.0
            .lock()
            .expect("a test may do that")
            .0
            .iter()
            .any(|known| known == line)
    }
}

impl Events for Lines {
    fn emit(&self, event: Event) {
        let mut kept = self.0.lock().expect("a test may do that");
        match event {
            Event::Output { line, .. } => kept.0.push(line),
            Event::Notice { message } => kept.1.push(message),
        }
    }
}

pub(crate) fn native() -> Native {
    Native::new(None, probe_cache::ProbeCache::none())
}

pub(crate) fn expect(holds: bool, otherwise: &str) -> Result<(), Failed> {
    if holds { Ok(()) } else { Err(otherwise.into()) }
}

pub(crate) fn expect_equal<A, B>(found: &A, expected: &B) -> Result<(), Failed>
where
    A: PartialEq<B> + std::fmt::Debug + ?Sized,
    B: std::fmt::Debug + ?Sized,
{
    expect(
        found == expected,
        &format!("expected {expected:?}, found {found:?}"),
    )
}

/// Compares what is in the layers of two builds, and says where they differ first.
pub(crate) fn expect_same_files(found: &Built, expected: &Built) -> Result<(), Failed> {
    let (found, expected) = (found.summary(), expected.summary());
    let pairs = found.iter().zip(&expected);
    for (found, expected) in pairs {
        expect_equal(found, expected)?;
    }
    expect_equal(&found.len(), &expected.len())
}

pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime can be made");
    runtime.block_on(future)
}
