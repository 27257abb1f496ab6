//! What a backend hands back: a built image in its engine's store, and its layers as files.

use camino::Utf8PathBuf;
use serde::{Deserialize, Serialize};

use crate::request::{BuildKey, BuildRequest};
use crate::step::{Step, StepId};

/// An image that a backend has built and has not removed yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuiltImage {
    /// The build that made it.
    pub key: BuildKey,
    /// How the backend finds it again: a reference, an id, or a file in `work`.
    pub reference: String,
    /// Whatever else the build put into the engine's store, as the backend names it.
    pub also_made: Vec<String>,
    /// The steps of the request.
    pub steps: Vec<Step>,
    /// How many layers belong to the base, as the request said.
    pub base_layers: usize,
    /// The request's work directory.
    pub work: Utf8PathBuf,
}

impl BuiltImage {
    /// Returns the image that a build of `request` has made, if `reference` is all that it put into
    /// the store.
    pub fn of(request: &BuildRequest, reference: impl Into<String>) -> Self {
        Self {
            key: request.key.clone(),
            reference: reference.into(),
            also_made: Vec::new(),
            steps: request.steps.clone(),
            base_layers: request.base_layers,
            work: request.work.clone(),
        }
    }
}

/// An image that was put into the store of an engine's user, as the engine has it there. Digests are written
/// `sha256:HEX`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// What the engine calls it: the digest of its configuration, or that of its manifest, whichever it keeps
    /// images by.
    pub id: String,
    /// The digests of the manifests that it knows it by; none where it keeps no manifests.
    pub manifests: Vec<String>,
}

impl Loaded {
    /// Reads what an engine prints of an image: what it calls it, and behind that what it knows it by, each a
    /// digest, with or without `sha256:` and a name in front of it. What is no digest is left out.
    pub fn of_words(printed: &str) -> Self {
        let digest = |word: &str| {
            let (_, hex) = word.rsplit_once("sha256:").unwrap_or(("", word));
            let is_hex = hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
            is_hex.then(|| format!("sha256:{hex}"))
        };
        let mut words = printed.split_whitespace();
        let id = words.next().unwrap_or_default();
        Self {
            id: digest(id).unwrap_or_else(|| id.to_owned()),
            manifests: words.filter_map(digest).collect(),
        }
    }
}

/// The layers of an image as an engine made them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineImage {
    /// The layers above the base, in order. A step that the engine made no layer for is absent.
    pub layers: Vec<EngineLayer>,
}

/// A layer as an engine made it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineLayer {
    /// The step that made it.
    pub step: StepId,
    /// The layer's tar, uncompressed, in any of tar's formats.
    pub tar: Utf8PathBuf,
}

#[cfg(test)]
mod tests {
    use super::Loaded;

    #[test]
    fn what_an_engine_prints_of_an_image_is_read() {
        let (one, two) = ("1".repeat(64), "2".repeat(64));
        for (printed, id, manifests) in [
            (format!("sha256:{one}\n"), format!("sha256:{one}"), vec![]),
            (format!("{one} "), format!("sha256:{one}"), vec![]),
            (
                format!("{one} sha256:{two} localhost/a@sha256:{two} <none>"),
                format!("sha256:{one}"),
                vec![format!("sha256:{two}"); 2],
            ),
            (String::new(), String::new(), vec![]),
            ("Error: no".to_owned(), "Error:".to_owned(), vec![]),
        ] {
            assert_eq!(Loaded::of_words(&printed), Loaded { id, manifests });
        }
    }
}
