//! What a backend is asked to build: everything that matters to the bytes, and nothing else.

use std::fmt;

use camino::Utf8PathBuf;
use serde::{Deserialize, Serialize};

use crate::step::{Stage, Step};
use crate::variation::Variations;

/// Identifies one build. Unique among all that run or ran on this machine.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BuildKey(String);

impl BuildKey {
    /// Makes a key of `text`; what a name in an engine's store may not have becomes a dash.
    ///
    /// Lower-case letters, digits and single dashes are kept, and the result begins and ends
    /// with a letter or a digit.
    pub fn new(text: &str) -> Self {
        let mut key = String::new();
        for character in text.chars().map(|c| c.to_ascii_lowercase()) {
            match character {
                'a'..='z' | '0'..='9' => key.push(character),
                _ if key.ends_with('-') || key.is_empty() => {}
                _ => key.push('-'),
            }
        }
        key.truncate(key.trim_end_matches('-').len());
        Self(key)
    }

    /// Returns the name under which everything of this build stands in an engine's store:
    /// `localhost/stagex/KEY`. A tag or a further part may follow.
    pub fn name(&self) -> String {
        format!("localhost/stagex/{}", self.0)
    }

    /// Returns the key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for BuildKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One build, in the dialect that the backend declared.
#[derive(Debug, Clone)]
pub struct BuildRequest {
    /// Identifies the build.
    pub key: BuildKey,
    /// The lowered Containerfile. It lies outside of every context.
    pub containerfile: Utf8PathBuf,
    /// The directory that COPY and ADD without `--from` read.
    pub context: Utf8PathBuf,
    /// Everything that FROM and `--from=` name beside stages, under the names in the lowered
    /// file. No reference is left to a registry.
    pub contexts: Vec<NamedContext>,
    /// The stage to build; the last one if there is none.
    pub target: Option<String>,
    /// The instructions that make the image's layers above its base, in order: one layer each,
    /// in the lowered file as in the original. (Where the dialect has no layers for WORKDIR, a
    /// step of that kind stands for the COPY that was put in its place.)
    pub steps: Vec<Step>,
    /// The stages in the lowered file, in order.
    pub stages: Vec<Stage>,
    /// How many layers the base image has; 0 for scratch.
    pub base_layers: usize,
    /// The platform, as `os/architecture[/variant]`.
    pub platform: String,
    /// The build arguments, in order.
    pub build_arguments: Vec<BuildArgument>,
    /// Whether the build as a whole may reach the network.
    pub network: Network,
    /// Whether the engine may reuse the results of earlier builds.
    pub cache: Cache,
    /// Whether files of its contexts are hard links to each other. An engine whose cache takes them for separate files
    /// reuses nothing.
    pub hard_links: bool,
    /// How many files a process may open.
    pub open_files: OpenFiles,
    /// What is varied around the build.
    pub varied: Variations,
    /// A directory that exists, is empty, and belongs to the backend until the image is removed.
    pub work: Utf8PathBuf,
}

/// An image that is to be put into the store of an engine's user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadRequest {
    /// A directory with an OCI layout that holds this one image.
    pub layout: Utf8PathBuf,
    /// The name that it gets, with a tag.
    pub name: String,
    /// The image's platform, as `os/architecture[/variant]`.
    pub platform: String,
    /// A directory that exists and is empty.
    pub work: Utf8PathBuf,
}

/// A build argument.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildArgument {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// Something that FROM or `--from=` names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedContext {
    /// The name in the lowered file.
    pub name: String,
    /// What stands behind it.
    pub source: ContextSource,
}

/// What stands behind the name of a context.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ContextSource {
    /// An image: a directory with an OCI layout that holds this one image.
    Image(Utf8PathBuf),
    /// A directory of files. Whatever is copied from it belongs to user and group 0.
    Directory(Utf8PathBuf),
}

/// Whether a build as a whole may reach the network.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Network {
    /// As the engine does it by itself; a RUN's own `--network` still holds.
    #[default]
    Default,
    /// No RUN may.
    None,
    /// Every RUN has the network of the machine that does not say `--network=none`. Only asked for where
    /// [`Capabilities::host_network`](crate::Capabilities::host_network) says that it can be had.
    Host,
}

/// Whether the engine may reuse the results of earlier builds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cache {
    /// It may. A backend whose results no engine keeps may keep them itself.
    Use {
        /// Where: on the file system of [`BuildRequest::work`]. It may not be there yet, outlives every
        /// build, and is this runtime's own until [`Backend::forget`](crate::Backend::forget). Builds that
        /// run at once may have the same. Whoever made the tree that it lies in may have put anything there.
        directory: Utf8PathBuf,
        /// What proves that a result was kept by the user who builds: one that lacks the proof is as if it
        /// were not there. Without a seal, whatever is whole is believed: only for a directory that nobody
        /// else can have written to.
        seal: Option<Seal>,
    },
    /// It must run every instruction.
    Refuse,
}

/// The key of an HMAC, which only the user who builds can make.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seal([u8; 32]);

impl Seal {
    /// Returns its bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl From<[u8; 32]> for Seal {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seal")
    }
}

/// How many files a process in a RUN may open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenFiles {
    /// The limit that it begins with.
    pub soft: u64,
    /// The limit up to which it may raise that itself.
    pub hard: u64,
}

#[cfg(test)]
mod tests {
    use super::BuildKey;

    #[test]
    fn keys_are_valid_in_every_store() {
        for (text, key) in [
            ("core-musl", "core-musl"),
            ("User/GTK+ 3..0_", "user-gtk-3-0"),
            ("--a--b--", "a-b"),
        ] {
            assert_eq!(BuildKey::new(text).as_str(), key);
        }
    }
}
