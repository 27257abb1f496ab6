//! One instruction that makes a layer, as a backend needs to know it: by place and kind.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The place of an instruction in the original Containerfile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct StepId {
    /// The stage, counted from 0 in the order of the file.
    pub stage: usize,
    /// The instruction in its stage, counted from 0, the FROM not included.
    pub index: usize,
}

impl fmt::Display for StepId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.stage, self.index)
    }
}

/// What kind of instruction makes the layer. No other instruction makes one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StepKind {
    /// `ADD`
    Add,
    /// `COPY`
    Copy,
    /// `RUN`
    Run,
    /// `WORKDIR`
    Workdir,
}

/// An instruction that makes a layer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Its place in the original Containerfile.
    pub id: StepId,
    /// Its kind in the original Containerfile.
    pub kind: StepKind,
}

/// A stage of the lowered Containerfile: what an engine's output is read by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    /// Its name, if it has one.
    pub name: Option<String>,
    /// Whether it begins with an image; otherwise with another stage, or with nothing.
    pub begins_with_image: bool,
    /// Its instructions that make a layer, in order; those that the image is not made of too.
    pub steps: Vec<Step>,
}
