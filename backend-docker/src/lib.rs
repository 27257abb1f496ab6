//! Drives Docker for stagex, from 20.10 without buildx to the newest with it.
//!
//! This crate knows Docker's command line and what it prints. It knows nothing of other engines,
//! of package trees, of the Containerfile's grammar, or of the canonical format.

mod backend;
mod command;
mod daemon;
mod error;
mod grammar;
mod parse;
mod probe;
mod progress;

pub use backend::Docker;
