//! What `stagex` prints and writes for programs: each JSON document as a type, and the kinds of
//! errors with their exit codes.
//!
//! It knows shapes and words. It does not know where the facts come from, nor how they are rendered
//! for people.

mod kind;
mod reason;

pub use kind::ErrorKind;
pub use reason::{DEPENDENCY, Reason};
