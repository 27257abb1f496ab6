//! The one trait between `stagex` and a container engine, and the words that it is written in.
//!
//! This crate knows requests, capabilities, availability and errors. It knows no engine's name
//! in its logic, starts nothing, reads no file, prints nothing, and has no opinion on the canonical format:
//! what an engine makes is handed on as it is.

mod availability;
mod backend;
mod capability;
#[cfg(feature = "contract")]
pub mod contract;
mod error;
mod event;
mod image;
mod request;
mod step;
mod variation;

pub use availability::{Availability, Ready, Reason, Unavailable};
pub use backend::Backend;
pub use capability::{Capabilities, Dialect, LayerRecord};
pub use error::{Error, ErrorKind, Operation};
pub use event::{Event, Events};
pub use image::{BuiltImage, EngineImage, EngineLayer, Loaded};
pub use request::{
    BuildArgument, BuildKey, BuildRequest, Cache, ContextSource, LoadRequest, NamedContext,
    Network, OpenFiles, Seal,
};
pub use step::{Stage, Step, StepId, StepKind};
pub use variation::{Variation, Variations};
