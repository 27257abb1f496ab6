//! The one trait between `stagex` and a container engine, and the words that it is written in.
//!
//! This crate knows requests, capabilities, availability and errors. It knows no engine's name
//! in its logic, starts nothing, prints nothing, and has no opinion on the canonical format:
//! what an engine makes is handed on as it is.

mod availability;
mod backend;
mod blob;
mod capability;
#[cfg(feature = "contract")]
pub mod contract;
mod emulation;
mod error;
mod event;
mod image;
mod layout;
mod request;
mod step;

pub use availability::{Availability, Ready, Reason, Unavailable};
pub use backend::Backend;
pub use blob::{Blob, BlobReader};
pub use capability::{Capabilities, Dialect, LayerRecord};
pub use emulation::emulated_platforms;
pub use error::{Error, ErrorKind, Operation};
pub use event::{Event, Events};
pub use image::{BuiltImage, EngineImage, EngineLayer};
pub use layout::{Layout, read_layout, read_manifest};
pub use request::{
    BuildArgument, BuildKey, BuildRequest, Cache, ContextSource, LoadRequest, NamedContext,
    Network, OpenFiles, Seal,
};
pub use step::{Stage, Step, StepId, StepKind};
