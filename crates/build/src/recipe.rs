//! What one image is made of: all that has to be known to build it, wherever it is known from.
//!
//! It says what goes in; it does not know how it is built.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use backend_api::OpenFiles;
use beneath::{Directory, Typed};
use camino::{Utf8Path, Utf8PathBuf};
use containerfile::Build;
use oci_image::{Choice, Digest, ImageSet, LayoutError, Profile};
use package_tree::{PlannedPackage, Seed, Source};

use crate::listing::{FETCH, open_package};
use state::Directories;
use state::IoContext as _;

/// The limits that StageX builds under.
pub const OPEN_FILES: OpenFiles = OpenFiles {
    soft: 2048,
    hard: 16384,
};

/// What the names of packages begin with in a Containerfile.
const PACKAGES: &str = "stagex/";

/// Returns the name of a package in a Containerfile.
pub fn name_of_package(name: &str) -> String {
    format!("{PACKAGES}{name}")
}

/// What one image is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipe {
    /// The encoding of the image.
    pub profile: &'static Profile,
    /// The directory that all other paths are relative to.
    pub root: Utf8PathBuf,
    /// What its build is called in events and logs, such as `core-musl`.
    pub name: String,
    /// The image's repository without a registry, such as `stagex/core-musl`.
    pub repository: String,
    /// The image's tag.
    pub tag: String,
    /// The platforms that it is asked for; an image is built for each.
    pub platforms: Vec<String>,
    /// The Containerfile.
    pub containerfile: Utf8PathBuf,
    /// The stage of the Containerfile that is built; the last where there is none.
    pub target: Option<String>,
    /// The directory that COPY and ADD read.
    pub context: Utf8PathBuf,
    /// What lies under `fetch/` in it.
    pub sources: Sources,
    /// The build arguments, in order.
    pub build_arguments: Vec<(String, String)>,
    /// What FROM and `--from` may name beside stages.
    pub contexts: BTreeMap<String, Context>,
    /// The stages whose RUNs keep their network; of all where nothing is said.
    pub keep_network: Option<BTreeSet<String>>,
    /// How many files a process in a RUN may open.
    pub open_files: OpenFiles,
    /// The user's home directory: though version control may have it, it is nobody else's tree.
    pub home: Option<Utf8PathBuf>,
}

/// What lies under `fetch/` in a context.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sources {
    /// What lies there already.
    Present,
    /// These sources of this directory, each with the hash that is said, and nothing else.
    Checked {
        /// The directory that they are taken from.
        directory: Utf8PathBuf,
        /// The sources.
        sources: Vec<Source>,
        /// Those sources of the directory that are root file systems: the image is built once from each, and none
        /// of them lies under `fetch/`. Their recipe is of one platform.
        seeds: Vec<Seed>,
    },
}

/// What stands behind a name in a Containerfile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Context {
    /// An image: a directory with its OCI layout.
    Image(Utf8PathBuf),
    /// One of the images in a directory with an OCI layout.
    Chosen(Utf8PathBuf, Choice),
    /// An image that must be this one: a directory with its OCI layout, and its digest.
    Given(Utf8PathBuf, Digest),
    /// A directory of files.
    Directory(Utf8PathBuf),
    /// The sources.
    Sources,
    /// The root file system that the image is just being built from.
    Seed,
}

impl Recipe {
    /// Returns the recipe of a package. What it needs is found in the tree's `out/`.
    pub fn of_package(
        profile: &'static Profile,
        directories: &Directories,
        package: &PlannedPackage,
    ) -> Self {
        let image = |name: &str| {
            let layout = directories.output_in_tree(name);
            (name_of_package(name), Context::Image(layout))
        };
        let mut contexts: BTreeMap<_, _> = package.dependencies().map(image).collect();
        contexts.insert(FETCH.to_owned(), Context::Sources);
        if !package.seeds.is_empty() {
            contexts.insert(package_tree::SEED.to_owned(), Context::Seed);
        }
        Self {
            profile,
            root: directories.root().to_owned(),
            name: package.name.clone(),
            repository: name_of_package(&package.name),
            tag: package.tag().to_owned(),
            platforms: package.platforms.to_vec(),
            containerfile: package.containerfile(),
            target: package.target.clone(),
            context: package.context.clone(),
            sources: Sources::Checked {
                directory: package.fetch(),
                sources: package.fetched().cloned().collect(),
                seeds: package.seeds.to_vec(),
            },
            build_arguments: package.build_arguments(),
            contexts,
            keep_network: None,
            open_files: OPEN_FILES,
            home: None,
        }
    }

    /// Returns the root file systems that the image is built from, once from each, and the directory with them.
    pub fn seeds(&self) -> (&Utf8Path, &[Seed]) {
        match &self.sources {
            Sources::Checked {
                directory, seeds, ..
            } => (directory, seeds),
            Sources::Present => (Utf8Path::new(""), &[]),
        }
    }

    /// Opens the directory that COPY and ADD read: of a package beneath its tree, and where a user has
    /// named it, wherever that leads from outside of a tree.
    pub fn directory(&self) -> Result<Directory, state::Error> {
        match self.sources {
            Sources::Checked { .. } => open_package(&self.root, &self.context),
            Sources::Present => {
                let opened = self.typed(&self.context).and_then(|typed| {
                    if typed.in_tree {
                        typed.base.directory(&typed.path)
                    } else {
                        Directory::open(&typed.full())
                    }
                });
                opened.at("open", &self.root.join(&self.context))
            }
        }
    }

    /// Denies the network to the RUNs of a build of it that do not keep theirs.
    pub(crate) fn deny_network(&self, build: &mut Build) {
        if let Some(kept) = &self.keep_network {
            build.deny_network(|stage| stage.name.as_ref().is_some_and(|name| kept.contains(name)));
        }
    }

    /// Returns the path in the directory that COPY and ADD read of a path from the root on, which may be none in it.
    pub fn within_context<'a>(&self, path: &'a Utf8Path) -> &'a Utf8Path {
        path.strip_prefix(&self.context).unwrap_or(path)
    }

    /// Returns what `reference` names, and under which name that is known.
    pub fn named(&self, reference: &str) -> Option<(&String, &Context)> {
        let name = containerfile::familiar(reference)?;
        let found = self.contexts.get_key_value(&name);
        // The plan has compared a tag with the version of the package, and takes no digest.
        let of_package = matches!(self.sources, Sources::Checked { .. });
        let bare = name.strip_prefix(PACKAGES).filter(|_| of_package);
        let bare = bare.and_then(|name| name.split(':').next());
        found.or_else(|| self.contexts.get_key_value(&name_of_package(bare?)))
    }

    /// Opens the images that `reference` names, one for each platform, if it names any.
    pub fn images(&self, reference: &str) -> Result<Option<ImageSet>, LayoutError> {
        match self.named(reference) {
            Some((_, Context::Image(layout) | Context::Given(layout, _))) => {
                self.open_image(layout, None).map(Some)
            }
            Some((_, Context::Chosen(layout, choice))) => {
                self.open_image(layout, Some(choice)).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// Finds out where a path of the recipe leads.
    pub fn typed(&self, path: &Utf8Path) -> io::Result<Typed> {
        beneath::typed(&self.trees(), &self.root, path)
    }

    /// Returns the trees in which no symbolic link decides what is read or written: the one that is worked in
    /// and, where a user has named a context, that and the clones that both lie in.
    pub fn trees(&self) -> Vec<Utf8PathBuf> {
        let mut trees = vec![self.root.clone()];
        if self.sources == Sources::Present {
            trees.push(self.root.join(&self.context));
            // A link on the way to the context may lie in another clone than what it leads to.
            let on_the_way = self.context.ancestors().map(|path| self.root.join(path));
            let places = on_the_way.chain([self.root.clone()]);
            let clones: BTreeSet<_> = places.filter_map(|path| self.clone_with(&path)).collect();
            trees.extend(clones);
        }
        trees
    }

    /// Returns the nearest directory that is a clone by Git and has `path` in it, below the home directory.
    fn clone_with(&self, path: &Utf8Path) -> Option<Utf8PathBuf> {
        let path = match path.as_str() {
            "" => Utf8Path::new("."),
            _ => path,
        };
        let path = path.canonicalize_utf8().ok()?;
        let home = self.home.as_ref();
        let home = home.and_then(|home| home.canonicalize_utf8().ok());
        let is_clone = |path: &&Utf8Path| path.join(".git").symlink_metadata().is_ok();
        let mut below_home = path
            .ancestors()
            .take_while(|path| Some(*path) != home.as_deref());
        below_home.find(is_clone).map(Utf8Path::to_owned)
    }

    /// Opens the images in a directory, or those of one name. No symbolic link of the tree is followed on the way there.
    pub fn open_image(
        &self,
        layout: &Utf8Path,
        choice: Option<&Choice>,
    ) -> Result<ImageSet, LayoutError> {
        let typed = self.typed(layout).map_err(|source| LayoutError::Io {
            path: self.root.join(layout),
            source,
        })?;
        if typed.in_tree {
            ImageSet::open_beneath(typed.base.path(), &typed.path, choice)
        } else {
            ImageSet::open_chosen(&typed.full(), choice)
        }
    }
}
