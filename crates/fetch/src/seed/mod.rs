//! The seed of a store: sources as one OCI artifact, as a layout or as a tar of one.
//!
//! The same sources give the same bytes: the artifact has neither names nor times, and only the hashes of the
//! sources say what they are. The tree that they are for gives the names.

mod artifact;
mod error;
mod export;
mod import;
mod members;

pub use artifact::ARTIFACT_TYPE;
pub(crate) use artifact::is_hash;
pub use error::Invalid;
pub(crate) use export::export;
pub use export::{Exported, Form, Told};
pub use import::Imported;
pub(crate) use import::import;
pub use members::Input;
