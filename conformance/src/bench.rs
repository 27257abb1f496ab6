//! One runtime at work on the cases: a tree of its own with what the cases need, in which each
//! case is built once, by whoever asks first.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use backend_api::Ready;
use camino::{Utf8Path, Utf8PathBuf};
use engine::{Comparison, Digests, Folders, Job, Options, Outcome};
use oci_image::{Digest, Layout, first_difference};
use package_tree::{DEFAULT_PLATFORM, Tree};
use tokio::sync::watch;

use crate::case::{Case, STAGE};
use crate::runtime::Runtime;

/// Builds cases with one runtime, each in its own tree.
#[derive(Debug)]
pub struct Bench {
    runtime: Runtime,
    ready: Ready,
    /// Packages that cases are built from, as `<stage>/<name>` folders.
    support: Utf8PathBuf,
    folder: Utf8PathBuf,
    prepared: OnceLock<Result<(), String>>,
    built: Mutex<BTreeMap<String, Slot>>,
}

/// Where the result of a case is, or will be once whoever builds it is done.
type Slot = Arc<OnceLock<Result<Digest, String>>>;

impl Bench {
    /// Makes a bench for a runtime that is ready. It works in `folder`, and takes what cases
    /// are built from out of `support`.
    pub fn new(runtime: Runtime, support: &Utf8Path, folder: &Utf8Path) -> Option<Self> {
        let ready = runtime.availability.ready().ok()?.clone();
        let folder = folder.join(runtime.name);
        let (prepared, built) = (OnceLock::new(), Mutex::default());
        Some(Self {
            runtime,
            ready,
            support: support.to_owned(),
            folder,
            prepared,
            built,
        })
    }

    /// Returns the runtime's name.
    pub fn runtime(&self) -> &'static str {
        self.runtime.name
    }

    /// Returns the digest of a case's image, or why it could not be built. Builds it if nobody
    /// has asked before.
    pub fn digest(&self, case: &Case) -> Result<Digest, String> {
        let slot = {
            let mut built = self.built.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(built.entry(case.name.clone()).or_default())
        };
        slot.get_or_init(|| self.build(case)).clone()
    }

    /// Makes everything in a tree, in a copy of its packages, and returns a line for each package
    /// whose digest is not the one in the tree's `digests/`.
    pub fn differences_from_recorded(&self, tree: &Utf8Path) -> Result<Vec<String>, String> {
        let root = self.folder.join(".tree");
        copy_folder(&tree.join("packages"), &root.join("packages")).map_err(text)?;
        self.make(&root, &[])?;
        let opened = Tree::open(&root).map_err(text)?;
        let names = || {
            opened
                .outputs()
                .map(|output| (output.stage.as_str(), output.name.as_str()))
        };
        let built = Digests::of_outputs(&root, names()).map_err(text)?;
        let recorded = Digests::read(tree).map_err(text)?;
        let differing = recorded
            .compare(&built, names())
            .into_iter()
            .filter(|each| !each.agrees());
        let hex = |digest: Option<Digest>| digest.map_or("nothing".to_owned(), |found| found.hex());
        let line = |each: Comparison| {
            format!(
                "{}: recorded {}, built {}",
                each.name,
                hex(each.recorded),
                hex(each.built)
            )
        };
        Ok(differing.map(line).collect())
    }

    /// Returns the first difference between this bench's image of a case and another's.
    pub fn difference(&self, other: &Self, case: &Case) -> Option<String> {
        let layout = |bench: &Self| {
            Layout::open(&Folders::of_tree(&bench.root(case)).output(&case.output()))
        };
        let compared = match (layout(self), layout(other)) {
            (Ok(expected), Ok(found)) => first_difference(&expected, &found).map_err(text),
            (Err(error), _) | (_, Err(error)) => Err(text(error)),
        };
        match compared {
            Ok(difference) => difference.map(|difference| difference.to_string()),
            Err(message) => Some(message),
        }
    }

    /// Returns the tree in which a case is built.
    fn root(&self, case: &Case) -> Utf8PathBuf {
        self.folder.join(&case.name)
    }

    /// Builds what cases are built from, once.
    fn prepare(&self) -> Result<(), String> {
        let root = self.folder.join(".support");
        copy_folder(&self.support, &root.join("packages")).map_err(text)?;
        self.make(&root, &[])
    }

    fn build(&self, case: &Case) -> Result<Digest, String> {
        self.prepared.get_or_init(|| self.prepare()).clone()?;
        let root = self.root(case);
        copy_folder(&self.support, &root.join("packages")).map_err(text)?;
        copy_folder(&self.folder.join(".support/out"), &root.join("out")).map_err(text)?;
        let package = root.join("packages").join(STAGE).join(&case.name);
        copy_folder(&case.folder, &package).map_err(text)?;
        self.make(&root, &[case.output()])?;
        let layout = Folders::of_tree(&root).output(&case.output());
        Ok(Layout::open(&layout).map_err(text)?.manifest_digest())
    }

    /// Makes `targets` of the tree in `root`, or everything.
    fn make(&self, root: &Utf8Path, targets: &[String]) -> Result<(), String> {
        let tree = Tree::open(root).map_err(text)?;
        let plan = tree.plan(targets, DEFAULT_PLATFORM).map_err(text)?;
        let options = Options {
            jobs: 1,
            keep_going: false,
            no_cache: false,
            offline: false,
        };
        let job = Job {
            root: root.to_owned(),
            plan: Arc::new(plan),
            backend: Arc::clone(&self.runtime.backend),
            ready: self.ready.clone(),
            options,
        };
        let (_sender, never) = watch::channel(false);
        let runtime = tokio::runtime::Runtime::new().map_err(text)?;
        let report = runtime
            .block_on(engine::make(job, Arc::new(()), never))
            .map_err(text)?;
        for (name, outcome) in report.packages {
            if let Outcome::Failed(failure) = outcome {
                let lines = failure.last_lines.join("\n");
                let why = text(*failure);
                return Err(format!(
                    "{} could not build {name}: {why}\n{lines}",
                    self.runtime()
                ));
            }
        }
        Ok(())
    }
}

/// Returns an error's message followed by those of the errors that it comes from.
fn text(error: impl std::error::Error) -> String {
    let mut message = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !message.ends_with(&cause_text) {
            message = format!("{message}: {cause_text}");
        }
        source = cause.source();
    }
    message
}

/// Copies a folder with all that is in it: links as links.
pub fn copy_folder(from: &Utf8Path, to: &Utf8Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in from.read_dir_utf8()? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        let kind = entry.file_type()?;
        if kind.is_dir() {
            copy_folder(entry.path(), &target)?;
        } else if kind.is_symlink() {
            std::os::unix::fs::symlink(entry.path().read_link_utf8()?, &target)?;
        } else {
            fs::copy(entry.path(), &target)?;
        }
    }
    Ok(())
}
