//! A tree, a store, and a fetcher that is not patient.

use std::fs;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use fetch::{Config, Event, Fetcher, How, Listener, Meter, Report, Unfetched, Wanted};
use package_tree::Source;
use sha2::{Digest as _, Sha256};
use state::{Directories, Hashes};
use transfer::{Proxies, Roots};

/// A tree and a store, as long as this lives.
pub(crate) struct Scene {
    _temporary: tempfile::TempDir,
    pub(crate) root: Utf8PathBuf,
    pub(crate) config: Config,
    pub(crate) heard: Arc<Heard>,
}

/// What was heard, as one line for each thing.
#[derive(Debug, Default)]
pub(crate) struct Heard(pub(crate) Mutex<Vec<String>>);

impl Listener for Heard {
    fn hear(&self, event: Event<'_>) {
        let line = match event {
            Event::Failed { why, .. } => format!("failed: {why}"),
            Event::Again { why, pause, .. } => format!("again in {pause:?}: {why}"),
            Event::Sends { from, .. } => format!("sends from {from}"),
            Event::Notice { message, .. } => format!("notice: {message}"),
            Event::Waiting { .. } => "waiting".to_owned(),
            _ => return,
        };
        self.0.lock().unwrap().push(line);
    }
}

/// How far work was, as it was told.
#[derive(Debug, Default)]
pub(crate) struct Counted {
    all: AtomicU64,
    done: AtomicU64,
}

impl Meter for Counted {
    fn all(&self, amount: u64) {
        self.all.store(amount, Ordering::Relaxed);
    }

    fn done(&self, amount: u64) {
        self.done.fetch_add(amount, Ordering::Relaxed);
    }
}

impl Counted {
    /// Makes sure that there was something, and that it was done in the end.
    pub(crate) fn ends(&self) {
        let all = self.all.load(Ordering::Relaxed);
        assert!(all > 0);
        assert_eq!(self.done.load(Ordering::Relaxed), all);
    }
}

/// Contents of some length, no two parts of which are the same.
pub(crate) fn contents(length: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let mut byte = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        state.to_be_bytes()[0]
    };
    (0..length).map(|_| byte()).collect()
}

pub(crate) fn hash(contents: &[u8]) -> String {
    printable::hex(&Sha256::digest(contents))
}

impl Scene {
    pub(crate) fn new() -> Self {
        let temporary = tempfile::tempdir().unwrap();
        let root = Utf8PathBuf::from_path_buf(temporary.path().canonicalize().unwrap()).unwrap();
        let tree = root.join("tree");
        fs::create_dir(&tree).unwrap();
        let config = Config {
            store: root.join("store"),
            limit: 1 << 30,
            by_hash: Vec::new(),
            by_hash_first: false,
            directories: Vec::new(),
            offline: false,
            transfer: transfer::Config {
                agent: "test".to_owned(),
                connections: 8,
                per_host: 4,
                stall: Duration::from_secs(60),
                slowest: 0,
                tries: 3,
                pause: Duration::from_millis(1),
                longest_pause: Duration::from_secs(5),
                redirects: 5,
                largest: 1 << 24,
                proxies: Proxies::default(),
                roots: Roots::System,
            },
            hashes: Arc::new(Hashes::of_tree(&Directories::of_tree(&tree))),
            tree,
        };
        Self {
            _temporary: temporary,
            root,
            config,
            heard: Arc::default(),
        }
    }

    pub(crate) fn store(&self, path: &str) -> Utf8PathBuf {
        self.config.store.join(path)
    }

    pub(crate) fn tree(&self, path: &str) -> Utf8PathBuf {
        self.config.tree.join(path)
    }

    /// Fetches as another process would: with a fetcher of its own.
    pub(crate) fn try_fetch(&self, wanted: &[Wanted]) -> Result<Report, fetch::Error> {
        let fetcher = Fetcher::new(self.config.clone())?;
        let listener: Arc<dyn Listener> = Arc::clone(&self.heard) as _;
        block_on(fetcher.fetch(wanted, &listener))
    }

    /// Tells whether a line with this text was heard.
    pub(crate) fn heard(&self, text: &str) -> bool {
        let heard = self.heard.0.lock().unwrap();
        heard.iter().any(|line| line.contains(text))
    }

    pub(crate) fn fetch(&self, wanted: &[Wanted]) -> Report {
        self.try_fetch(wanted).unwrap()
    }

    /// Fetches one source.
    pub(crate) fn fetch_one(&self, wanted: &Wanted) -> Result<How, Unfetched> {
        let report = self.fetch(std::slice::from_ref(wanted));
        report.sources.into_iter().next().unwrap().1
    }

    /// Looks at all that must hold whatever happened: what has the name of a hash has that hash.
    pub(crate) fn holds(&self) {
        for entry in fs::read_dir(self.store("sha256")).unwrap() {
            let entry = entry.unwrap();
            let found = hash(&fs::read(entry.path()).unwrap());
            assert_eq!(entry.file_name().to_str().unwrap(), found);
        }
        let work = fs::read_dir(self.tree("fetch/.stagex"));
        let left = work.map_or(0, Iterator::count);
        assert!(left <= 1, "only the lock stays");
    }
}

pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    runtime.unwrap().block_on(future)
}

/// A source of the package `core-a` with these contents and mirrors.
pub(crate) fn wanted(contents: &[u8], mirrors: &[String]) -> Wanted {
    of_package("core", "a", "a.tar", contents, mirrors)
}

pub(crate) fn of_package(
    stage: &str,
    name: &str,
    file: &str,
    contents: &[u8],
    mirrors: &[String],
) -> Wanted {
    Wanted {
        package: format!("{stage}-{name}"),
        source: Source {
            key: "main".to_owned(),
            file: file.to_owned(),
            hash: hash(contents),
            mirrors: mirrors.to_vec(),
            version: None,
            git_sha: None,
            line: 7,
        },
        declared: format!("packages/{stage}/{name}/package.toml:7"),
        directory: Utf8Path::new("fetch").join(stage).join(name),
    }
}
