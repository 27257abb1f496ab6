//! Layers: from an engine's archive to canonical bytes.

mod archive;
mod block;
mod compare;
mod content;
mod emit;
mod error;
mod event;
mod header;
mod leftover;
mod made;
mod means;
mod normalise;
mod order;
mod read;
mod record;
mod sink;
mod source;
mod tree;
mod write;

pub use error::{ArchiveError, Problem};
pub use event::Event;
pub use leftover::{Leftover, LeftoverKind, leftovers_of_run};
pub use made::Destination;
pub use order::Reshaped;
pub use source::{LayerSource, Recorded};
pub use write::LayerBlob;

pub(crate) use archive::Archive;
pub(crate) use block::BLOCK;
pub(crate) use compare::Comparison;
pub(crate) use header::{Header, write_padding};
pub(crate) use made::MadeDirectories;
pub(crate) use means::Means;
pub(crate) use normalise::{Normalised, find_changes, keep_changes};
pub(crate) use order::{Before, put_in_order};
pub(crate) use read::{Body, Member, Streamed, TarReader};
pub(crate) use sink::TarSink;
pub(crate) use tree::Tree;
pub(crate) use write::{Written, copy_blob, diff_id, write_blob};

#[cfg(test)]
mod tests;
