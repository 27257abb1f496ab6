//! The file systems of a build: layers of images unpacked and stacked, files copied in, and what
//! a step changed read back, as `BuildKit` does each of them.
//!
//! It knows files and mounts. It does not know Containerfiles, images' documents, or processes.
//!
//! Whoever uses it has the rights that it takes: to mount, and to give files to any user. Paths
//! are those of a build, and hostile: none is followed out of the tree that it belongs to.

mod archive;
mod attributes;
mod block;
mod change;
mod contents;
mod copier;
mod copies;
mod copy;
mod digest;
mod entry;
mod error;
mod expand;
mod layer;
mod mode;
mod place;
mod reader;
mod records;
mod remove;
mod sparse;
mod special;
mod stack;
mod tree;
mod users;

pub use change::{Change, changes};
pub use copy::{Copying, Ownership, Source, copy, find};
pub use digest::{Digest, Digester, Found, digest, sha256};
pub use error::{Error, Result};
pub use expand::is_archive;
pub use layer::unpack;
pub use mode::{BadMode, Permissions};
pub use place::Place;
pub use remove::clear;
pub use special::{expect_stand_ins, give, has_stand_ins, is_mark, stand_for, stand_in, status_of};
pub use stack::{Mounted, Stack, Stacking};
pub use tree::{CreatedFolder, Tree};
pub use users::{Identity, Owner, User};

pub use archive::write as write_archive;
