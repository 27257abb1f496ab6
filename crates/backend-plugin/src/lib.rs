//! Drives an engine through a plugin: an executable `stagex-runtime-<name>` that speaks a small
//! protocol of JSON lines, which `docs/plugin-protocol.md` describes.
//!
//! Knows the protocol, and trusts nothing that a plugin says; it knows no engine.

mod backend;
mod command;
mod conversation;
mod error;
mod layers;
mod limits;
mod name;
mod parse;
mod probe;

pub use backend::Plugin;
pub use limits::Limits;
pub use name::{Name, installed};
