//! Inputs for builds, made by chance: a Containerfile with its context, from the rules of a grammar
//! and a seed. The same seed gives the same input on every machine. And the reverse: making an input
//! small that shows something, as long as it shows it.
//!
//! It does not know what is done with an input, nor who is right about it.

mod files;
mod generator;
mod grammar;
mod input;
mod random;
mod reduce;

pub use files::{Entry, Kind, Member, MemberKind};
pub use generator::{generate, tags};
pub use input::{BASES, CONTEXT, Input, OTHER};
pub use reduce::reduce;
