//! OCI layouts as backends read them: the image that an engine wrote, and those that a build depends on.
//!
//! It knows the files of a layout, each of which is compared with its name while it is read. It does not
//! know the canonical format, nor what is in a layer.

mod blob;
mod layout;

pub use blob::{Blob, BlobReader};
pub use layout::{Layout, read_layout, read_manifest};
