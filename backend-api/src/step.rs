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

/// An instruction that makes a layer of the image that is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Its place in the original Containerfile.
    pub id: StepId,
    /// Its kind in the original Containerfile.
    pub kind: StepKind,
}
