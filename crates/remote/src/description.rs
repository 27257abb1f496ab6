//! What a recipe says, as a file among the inputs of an action.
//!
//! It is none of the crate `documents`: the program that writes it and the one that reads it are the same file, since that
//! is among the inputs as well.

use std::collections::{BTreeMap, BTreeSet};

use backend_api::Network;
use build::{Context, OpenFiles, Profile, Recipe, Sources};
use camino::{Utf8Path, Utf8PathBuf};
use oci_image::Digest;
use package_tree::{Seed, Source};
use serde::{Deserialize, Serialize};

/// The version of the description.
const VERSION: u32 = 1;

/// What an action's input root is made of.
pub(crate) const PROGRAM: &str = "stagex";
pub(crate) const DESCRIPTION: &str = "recipe.json";
pub(crate) const TREE: &str = "tree";
pub(crate) const IMAGES: &str = "images";
/// What its outputs are.
pub(crate) const IMAGE: &str = "image";
pub(crate) const LOG: &str = "log";

/// What a recipe says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Description {
    version: u32,
    profile: String,
    name: String,
    repository: String,
    tag: String,
    platforms: Vec<String>,
    containerfile: Utf8PathBuf,
    target: Option<String>,
    context: Utf8PathBuf,
    fetch: Utf8PathBuf,
    sources: Vec<DescribedSource>,
    seeds: Vec<DescribedSeed>,
    build_arguments: Vec<(String, String)>,
    contexts: BTreeMap<String, DescribedContext>,
    keep_network: Option<BTreeSet<String>>,
    open_files: (u64, u64),
    network: DescribedNetwork,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct DescribedSource {
    key: String,
    file: String,
    hash: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct DescribedSeed {
    name: String,
    source: DescribedSource,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum DescribedContext {
    /// An image with this digest: a directory of the input root's `images/`.
    Image(Utf8PathBuf, String),
    Sources,
    Seed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum DescribedNetwork {
    Default,
    None,
    Host,
}

/// An image that an action is given: the directory that it has among the inputs, and its digest.
pub(crate) type Images = BTreeMap<String, (Utf8PathBuf, Digest)>;

impl Description {
    /// Describes a recipe. What is not a package's is none: nothing else is built there.
    pub(crate) fn of(recipe: &Recipe, images: &Images, network: Network) -> Option<Self> {
        let Sources::Checked {
            directory,
            sources,
            seeds,
        } = &recipe.sources
        else {
            return None;
        };
        let context = |(name, context): (&String, &Context)| {
            let described = match context {
                Context::Sources => DescribedContext::Sources,
                Context::Seed => DescribedContext::Seed,
                Context::Image(_) | Context::Chosen(..) | Context::Given(..) => {
                    let (place, digest) = images.get(name)?;
                    DescribedContext::Image(place.clone(), digest.to_string())
                }
                Context::Directory(_) => return None,
            };
            Some((name.clone(), described))
        };
        let seed = |seed: &Seed| DescribedSeed {
            name: seed.name.clone(),
            source: DescribedSource::of(&seed.source),
        };
        Some(Self {
            version: VERSION,
            profile: recipe.profile.name.to_owned(),
            name: recipe.name.clone(),
            repository: recipe.repository.clone(),
            tag: recipe.tag.clone(),
            platforms: recipe.platforms.clone(),
            containerfile: recipe.containerfile.clone(),
            target: recipe.target.clone(),
            context: recipe.context.clone(),
            fetch: directory.clone(),
            sources: sources.iter().map(DescribedSource::of).collect(),
            seeds: seeds.iter().map(seed).collect(),
            build_arguments: recipe.build_arguments.clone(),
            contexts: recipe.contexts.iter().map(context).collect::<Option<_>>()?,
            keep_network: recipe.keep_network.clone(),
            open_files: (recipe.open_files.soft, recipe.open_files.hard),
            network: match network {
                Network::Default => DescribedNetwork::Default,
                Network::None => DescribedNetwork::None,
                Network::Host => DescribedNetwork::Host,
            },
        })
    }

    /// Returns it as a file.
    pub(crate) fn to_file(&self) -> Vec<u8> {
        let mut text = serde_json::to_string_pretty(self).expect("a description is plain data");
        text.push('\n');
        text.into_bytes()
    }

    /// Reads one, if it is one of this version.
    pub(crate) fn of_file(text: &str) -> Option<Self> {
        let found: Self = serde_json::from_str(text).ok()?;
        (found.version == VERSION).then_some(found)
    }

    /// Returns the network of RUNs.
    pub(crate) fn network(&self) -> Network {
        match self.network {
            DescribedNetwork::Default => Network::Default,
            DescribedNetwork::None => Network::None,
            DescribedNetwork::Host => Network::Host,
        }
    }

    /// Returns the recipe, in the directory `root`, with images that lie in `inputs`.
    pub(crate) fn recipe(self, root: &Utf8Path, inputs: &Utf8Path) -> Option<Recipe> {
        let context = |(name, context)| {
            let context = match context {
                DescribedContext::Image(place, digest) => {
                    Context::Given(inputs.join(place), digest.parse().ok()?)
                }
                DescribedContext::Sources => Context::Sources,
                DescribedContext::Seed => Context::Seed,
            };
            Some((name, context))
        };
        let seed = |seed: DescribedSeed| Seed {
            name: seed.name,
            source: seed.source.source(),
        };
        let (soft, hard) = self.open_files;
        Some(Recipe {
            profile: Profile::named(&self.profile)?,
            root: root.to_owned(),
            name: self.name,
            repository: self.repository,
            tag: self.tag,
            platforms: self.platforms,
            containerfile: self.containerfile,
            target: self.target,
            context: self.context,
            sources: Sources::Checked {
                directory: self.fetch,
                sources: self
                    .sources
                    .into_iter()
                    .map(DescribedSource::source)
                    .collect(),
                seeds: self.seeds.into_iter().map(seed).collect(),
            },
            build_arguments: self.build_arguments,
            contexts: self
                .contexts
                .into_iter()
                .map(context)
                .collect::<Option<_>>()?,
            keep_network: self.keep_network,
            open_files: OpenFiles { soft, hard },
            home: None,
        })
    }
}

impl DescribedSource {
    fn of(source: &Source) -> Self {
        Self {
            key: source.key.clone(),
            file: source.file.clone(),
            hash: source.hash.clone(),
        }
    }

    fn source(self) -> Source {
        Source {
            key: self.key,
            file: self.file,
            hash: self.hash,
            mirrors: Vec::new(),
            version: None,
            git_sha: None,
            line: 0,
        }
    }
}
