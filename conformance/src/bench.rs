//! One column at work: a tree of its own, in which each package is built once, by whoever asks
//! first.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use backend_api::{Backend, Network, Ready};
use camino::{Utf8Path, Utf8PathBuf};
use make::{Job, Local, Options, Outcome, Present, Space};
use oci_image::{Digest, ImageSet, first_difference};
use package_tree::{DEFAULT_PLATFORM, Plan, Tree};
use state::Directories;
use tokio::sync::watch;

use crate::column::{Column, Label};
use crate::contrast::Contrast;
use crate::suite::{PROFILE, Subject, Suite};

/// The cache of BuildKit looks at no times, and before Docker 24 at no owners: with it, an image can
/// depend on what was built before.
const NO_CACHE: bool = true;

/// Builds a suite's packages with one column, in a tree of its own.
#[derive(Debug)]
pub struct Bench {
    label: Label,
    backend: Arc<dyn Backend>,
    ready: Ready,
    suite: Arc<Suite>,
    directories: Directories,
    prepared: OnceLock<Result<(), String>>,
    /// One at a time: a tree has one builder.
    building: Mutex<()>,
    built: Mutex<BTreeMap<String, Slot>>,
    network: Network,
    interrupted: watch::Receiver<bool>,
}

/// Where images are built, and how.
#[derive(Debug, Clone)]
pub struct Site {
    /// The directory, on a file system that engines can share.
    pub directory: Utf8PathBuf,
    /// The network of RUNs that do not deny it themselves.
    pub network: Network,
    /// When it becomes true, running builds are ended.
    pub interrupted: watch::Receiver<bool>,
}

/// Where the result of a package is, or will be once whoever builds it is done.
type Slot = Arc<OnceLock<Result<Digest, String>>>;

impl Bench {
    /// Makes a bench for a column that is ready, with a directory of its own at the site.
    pub fn new(column: &Column, suite: &Arc<Suite>, site: &Site) -> Option<Self> {
        Some(Self {
            label: column.label.clone(),
            backend: Arc::clone(&column.backend),
            ready: column.availability.ready().ok()?.clone(),
            suite: Arc::clone(suite),
            // Docker takes an `@` in the path of a layout for the beginning of a digest.
            directories: Directories::of_tree(
                &site.directory.join(column.label.as_str().replace('@', "-")),
            ),
            prepared: OnceLock::new(),
            building: Mutex::default(),
            built: Mutex::default(),
            network: site.network,
            interrupted: site.interrupted.clone(),
        })
    }

    /// Returns the column's name.
    pub fn label(&self) -> &Label {
        &self.label
    }

    /// Returns what is known of the engine.
    pub(crate) fn ready(&self) -> &Ready {
        &self.ready
    }

    /// Returns the bench's tree.
    pub fn root(&self) -> &Utf8Path {
        self.directories.root()
    }

    /// Returns the digest of a package's image, or why it could not be built. Builds it if
    /// nobody has asked before.
    pub fn digest(&self, subject: &Subject) -> Result<Digest, String> {
        let slot = {
            let mut built = self.built.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(built.entry(subject.name.clone()).or_default())
        };
        slot.get_or_init(|| self.build(subject)).clone()
    }

    /// Returns the image of a package that has been built, for each of its platforms.
    pub fn images(&self, output: &str) -> Result<ImageSet, String> {
        ImageSet::open(&self.directories.output(output)).map_err(text)
    }

    /// Returns the first difference between this bench's image of a package and another's.
    pub(crate) fn difference(&self, other: &Self, subject: &Subject) -> Option<Contrast> {
        let expected = self.images(&subject.output).ok()?;
        let found = other.images(&subject.output).ok()?;
        let mut pairs = expected.images().iter().zip(found.images());
        let first = |(expected, found)| first_difference(expected, found).ok()?;
        Some(Contrast::from(&pairs.find_map(first)?))
    }

    /// Plans a package, and all that it needs, in the bench's tree.
    pub(crate) fn plan(&self, output: &str) -> Result<Plan, String> {
        let tree = Tree::open(self.root()).map_err(text)?;
        tree.plan(
            &[output.to_owned()],
            DEFAULT_PLATFORM,
            PROFILE.build_arguments,
        )
        .map_err(text)
    }

    fn build(&self, subject: &Subject) -> Result<Digest, String> {
        let prepare = || self.suite.lay_out(self.root()).map_err(text);
        self.prepared.get_or_init(prepare).clone()?;
        let _alone = self.building.lock().unwrap_or_else(PoisonError::into_inner);
        let job = Job {
            given: None,
            proven: Arc::default(),
            profile: PROFILE,
            directories: self.directories.clone(),
            plan: Arc::new(self.plan(&subject.output)?),
            executor: Arc::new(Local::new(
                Arc::clone(&self.backend),
                self.ready.clone(),
                NO_CACHE,
                self.network,
            )),
            sources: Arc::new(Present::new(self.root().to_owned())),
            hermetic: None,
            options: Options {
                jobs: 1,
                keep_going: false,
                no_cache: NO_CACHE,
                space: Space::Checked,
            },
        };
        let runtime = tokio::runtime::Runtime::new().map_err(text)?;
        let report = runtime
            .block_on(make::make(job, Arc::new(()), self.interrupted.clone()))
            .map_err(text)?;
        if report.interrupted {
            return Err("interrupted".to_owned());
        }
        for (name, outcome) in report.packages {
            if let Outcome::Failed(failure) = outcome {
                let lines = failure.last_lines.join("\n");
                let why = text(*failure);
                return Err(format!(
                    "{} could not build {name}: {why}\n{lines}",
                    self.label
                ));
            }
        }
        Ok(self.images(&subject.output)?.digest())
    }
}

/// Returns an error's message followed by those of the errors that it comes from.
pub(crate) fn text(error: impl std::error::Error) -> String {
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
