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
