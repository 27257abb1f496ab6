//! What in a Containerfile lets a build notice which engine runs it, as far as a reader can see.
//!
//! It knows instructions and the words of shell commands. It runs nothing, and no engine.

mod check;
mod files;
mod rule;
mod words;

pub use check::{Warning, check};
pub use files::{Error, check_files};
pub use rule::Rule;
