//! Drives Podman.
//!
//! Knows Podman's command line and its versions. How its builder works is known to
//! `containers-build`; what is built, to neither.

mod backend;
mod command;
mod error;
mod parse;
mod probe;

pub use backend::Podman;
