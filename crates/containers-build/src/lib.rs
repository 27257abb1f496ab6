//! Drives the builder that several container engines are made of: one library behind several
//! command lines, with the same flags, the same output and the same store.
//!
//! This crate knows that builder: isolation, private stores and stores elsewhere, image contexts,
//! what it prints and how it fails. It does not know which engines have it: each says in a [`Tool`] how it is called.

mod arguments;
mod circumstances;
mod contexts;
mod driver;
mod enclosure;
mod error;
mod failure;
mod image;
mod made;
mod parcel;
mod progress;
mod remote;
mod sandbox;
mod tool;
mod trial;
mod work;

pub use circumstances::circumstances;
pub use driver::Driver;
pub use error::Error;
pub use progress::Progress;
pub use remote::{Elsewhere, Remote};
pub use sandbox::Sandbox;
pub use tool::Tool;
