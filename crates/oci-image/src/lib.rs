//! The canonical image: what any engine's layers become, byte for byte.
//!
//! One pure function turns layers, as an engine made them, and a Containerfile into an OCI image
//! in the one canonical encoding. This crate knows tars, trees, JSON and layouts. It knows no
//! engine, starts nothing and needs no asynchronous runtime.

mod config;
mod difference;
mod digest;
mod entry;
mod image;
pub mod json;
mod layer;
mod layout;
mod listing;
mod manifest;
mod media_types;

mod pack;
mod path;
mod profile;
mod rewrite;
mod set;
mod triggers;

pub use config::{
    ConfigError, ConfigRequest, HistoryEntry, RecastRequest, config, diff_ids, entries_of_base,
    history, image_facts, recast,
};
pub use difference::{
    Difference, DifferenceError, LayerDifference, first_difference, first_layer_difference,
};
pub use digest::{DiffId, Digest, InvalidDigest, Measured};
pub use go_flate::Level;
pub use image::{Image, ImageError, ImageRequest, LayerEvent, assemble};
pub use layer::{
    ArchiveError, Destination, Event, LayerBlob, LayerSource, Leftover, LeftoverKind, Problem,
    Recorded, Reshaped, leftovers_of_run,
};
pub use layout::{Layout, LayoutError, move_layout};
pub use listing::{ListingError, list_layer};
pub use manifest::{Descriptor, Index, Manifest, PlatformFields};
pub use media_types::MediaTypes;

pub use pack::{write_archive, write_docker_tar, write_docker_tar_file, write_tar, write_tar_file};
pub use path::{InvalidPath, TreePath};
pub use profile::Profile;
pub use rewrite::{
    BaseLayer, OwnLayer, RewriteConfig, RewriteRequest, Rewritten, RewrittenLayer, Times,
    compressed, rewrite,
};
pub use set::{Choice, ImageSet, put_together, put_together_as};
