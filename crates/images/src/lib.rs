//! Reads images from wherever they lie: an OCI layout in a directory or in a tar, a docker-archive of any
//! engine, any of these compressed, or a registry that somebody else asks.
//!
//! Nothing of an image is trusted. Every blob is hashed while it is read and compared with its name, every
//! size has a limit ([`Limits`]), and the names in an archive never become paths. It does not know what is
//! in a layer, nor which bytes are canonical.

mod archive;
mod beginning;
mod blobs;
mod docker;
mod error;
mod files;
mod image;
mod json;
mod layer;
mod layout;
mod limits;
mod section;
mod source;
mod tar_entries;
mod verified;

pub use blobs::Blobs;
pub use error::Error;
pub use image::{Document, Image, ImageRef};
pub use layer::{Layer, TarStream};
pub use limits::Limits;
pub use oci_image::Digest;
pub use source::{Form, Source};
pub use tar_entries::{EntryError, LocatedEntry, Skip, Streamed, TarEntries};
pub use verified::Verified;
