//! How two images differ: the first difference, how many there are of each class, and what probably caused them.
//!
//! Two images are compared from the outside to the inside: indexes, manifests, configs, layers, their entries, and
//! the contents of files by what they are. It knows what an image is made of, and patterns of what builds leave
//! in it. It does not know where images lie, which bytes are canonical, or how a difference is printed.
//!
//! Nothing of an image is trusted: all of it is verified while it is read, and only so much of it is kept in memory
//! as [`Limits`] says.

mod cause;
mod compare;
mod content;
mod cursor;
mod diffoscope;
mod entries;
mod error;
mod findings;
mod layer;
mod limits;
mod metadata;
mod order;
mod page;
mod paper;
mod record;
mod tree;
pub mod words;

pub use compare::{Named, compare};
pub use diffoscope::{Diffoscope, DiffoscopeError};
pub use error::Error;
pub use limits::{Limits, Options};
pub use page::page;
