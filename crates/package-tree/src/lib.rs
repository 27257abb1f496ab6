//! A StageX package tree: its packages, what they are built from, in what order, and what a
//! target means.
//!
//! Reads files below a tree's root, and knows no engine.

mod goals;
mod graph;
mod hermetic;
mod image_name;
mod manifest;
mod name;
mod near;
mod network;
mod output;
mod package;
mod plan;
mod problem;
mod reader;
mod seeds;
mod source;
mod survey;
mod target;
mod tree;
mod version;
mod versions;

pub use goals::{After, Goals, Instead, goals};
pub use graph::{Count, Edge, Graph, Kept, NoPattern, Node, Ways, dot, matches, mermaid, text};
pub use hermetic::{Denial, Hermetic};
pub use image_name::{ImageName, InvalidName};
pub use manifest::bytes;
pub use name::{BUILD_ARGUMENT, TAG, is_build_argument, is_output, is_tag};
pub use near::did_you_mean;
pub use network::NetworkException;
pub use output::Output;
pub use package::SEED;
pub use plan::{BuildArguments, Plan, PlannedPackage};
pub use problem::{Problem, Problems};
pub use seeds::BOOTSTRAP;
pub use source::{Seed, Source};
pub use survey::{Survey, Surveyed};
pub use tree::{DEFAULT_PLATFORM, Tree};
