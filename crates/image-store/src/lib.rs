//! The store of images behind an engine's client: what is built there takes names in it, and images
//! get in and out as archives.
//!
//! Knows the commands and the archive that such clients have in common, and that every name that a
//! build takes goes away again. It does not know which clients there are, nor how they build.

mod archive;
mod error;
mod names;
mod own;
mod store;

pub use archive::{Given, layer_path};
pub use error::Error;
pub use names::Names;
pub use own::{is_own, own_names};
pub use store::{Commands, Store};
