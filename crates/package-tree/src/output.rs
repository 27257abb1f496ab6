//! An output: what one build of a package gives, `<stage>-<name>`, with everything that the
//! build is given.

use std::sync::Arc;

use camino::Utf8PathBuf;

use crate::network::{NetworkException, Runs};
use crate::package::Reference;
use crate::source::{Seed, Source};
use crate::version::Version;

/// What one build of a package gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// The full name, `<stage>-<name>`.
    pub name: String,
    /// The stage, such as `core`.
    pub stage: String,
    /// The name without the stage: the package's, or a subpackage's.
    pub package: String,
    /// The package whose files it is built from.
    pub origin: String,
    /// The version, where there is one.
    pub version: Option<String>,
    /// The platforms; none where the package does not say, and the user's choice counts.
    pub platforms: Vec<String>,
    /// The stage of the Containerfile that is built; the last where there is none.
    pub target: Option<String>,
    /// The package's directory, relative to the tree's root.
    pub context: Utf8PathBuf,
    /// The directories of other packages whose `package.toml` says its version.
    pub(crate) version_from: Arc<[Utf8PathBuf]>,
    /// The sources, in the order of `package.toml`.
    pub sources: Arc<[Source]>,
    /// The seeds, in the order of `package.toml`: it is built once from each, and the images must be one.
    pub seeds: Arc<[Seed]>,
    pub(crate) references: Arc<[Reference]>,
    /// The stages whose RUNs keep their network in a hermetic build.
    pub network: Arc<[NetworkException]>,
    pub(crate) runs: Arc<Runs>,
    /// How much memory its build needs, in bytes, where the package says so.
    pub memory: Option<u64>,
}

impl Output {
    /// Returns the sources that its builds find in `fetch/`: a seed is the context `seed`, and nothing else.
    pub fn fetched(&self) -> impl Iterator<Item = &Source> {
        let is_seed = |source: &&Source| self.seeds.iter().any(|seed| seed.source == **source);
        self.sources.iter().filter(move |source| !is_seed(source))
    }

    /// Returns the image's tag: the version, or `latest`.
    pub fn tag(&self) -> &str {
        self.version.as_deref().unwrap_or("latest")
    }

    /// Returns the Containerfile, relative to the tree's root.
    pub fn containerfile(&self) -> Utf8PathBuf {
        self.context.join("Containerfile")
    }

    /// Returns the directory that holds the sources, relative to the tree's root.
    pub fn fetch(&self) -> Utf8PathBuf {
        ["fetch", &self.stage, &self.origin].iter().collect()
    }

    /// Returns the full names of the outputs that it is built from, in the order of the
    /// Containerfile.
    pub fn dependencies(&self) -> impl ExactSizeIterator<Item = &str> {
        self.references
            .iter()
            .map(|reference| reference.name.as_str())
    }

    /// Tells whether some runtime may refuse to build it: most packages ask for nothing that only some have. With `hermetic`
    /// all RUNs count that may reach the network elsewhere.
    pub fn may_be_refused(&self, hermetic: bool) -> bool {
        self.runs.may_be_refused() || (hermetic && !self.runs.open.is_empty())
    }

    /// Adds the build arguments that the package itself gives: the forms of the version, then those of
    /// each source that has its own version or commit.
    /// Returns the build arguments that the package gives, in order.
    pub fn build_arguments(&self) -> Vec<(String, String)> {
        let mut arguments = Vec::new();
        self.add_arguments(&mut arguments);
        arguments
    }

    pub(crate) fn add_arguments(&self, arguments: &mut Vec<(String, String)>) {
        if let Some(text) = &self.version {
            let version = Version(text);
            arguments.extend([
                pair("VERSION", text.as_str()),
                pair("VERSION_UNDER", version.under()),
                pair("VERSION_DASH", version.dash()),
                pair("VERSION_MAJOR", version.major()),
                // A version without a minor part has always been given this value.
                pair(
                    "VERSION_MAJOR_MINOR",
                    version.major_minor().unwrap_or("None".into()),
                ),
                pair("VERSION_STRIP_SUFFIX", version.strip_suffix()),
            ]);
        }
        for source in &*self.sources {
            let key = source.key.to_uppercase();
            if let Some(version) = &source.version {
                arguments.push(pair(&format!("{key}_VERSION"), version.as_str()));
                arguments.push(pair(&format!("{key}_SOURCE"), source.file.as_str()));
            }
            if let Some(git_sha) = &source.git_sha {
                arguments.push(pair(&format!("{key}_GIT_SHA"), git_sha.as_str()));
            }
        }
    }
}

fn pair(name: &str, value: impl Into<String>) -> (String, String) {
    (name.to_owned(), value.into())
}
