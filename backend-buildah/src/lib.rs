//! Drives Buildah.
//!
//! Knows Buildah's command line and its versions. How its builder works, and all that is the same for every
//! engine that has it, is known to `containers-build`; what is built, to neither.

mod command;
mod engine;
mod parse;

pub use engine::Buildah;
