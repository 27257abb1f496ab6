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
mod copy_instruction;
mod copying;
mod copying_snapshotter;
mod digest;
mod entry;
mod error;
mod expand;
mod export;
mod fitness;
mod hashing;
mod layer;
mod marks;
mod mode;
mod mounted;
mod own;
mod owner;
mod place;
mod reader;
mod records;
mod set_id;
mod share;
mod sparse;
mod special;
mod stack;
mod taken;
mod tree;
mod tree_copy;
mod users;
mod walk;
mod way;

pub use beneath::clear;
pub use change::{Change, changes};
pub use copy_instruction::{Source, copy};
pub use copying::{Copying, Ownership};
pub use digest::{Digest, Digester, TreeDigest, digest, sha256};
pub use error::{Error, Result};
pub use export::Export;
pub use fitness::{lacks, shut_off};
pub use layer::{Unpacked, unpack};
pub use mode::{BadMode, Permissions};
pub use mounted::Mounted;
pub use owner::Owner;
pub use place::Place;
pub use set_id::{open_all, set_ids};
pub use share::{parts, shows_a_copy};
pub use special::{expect_stand_ins, give, has_stand_ins, is_mark, stand_for, stand_in, status_of};
pub use stack::{Stack, Stacking};
pub use taken::{Look, Selection, Taken, look, take};
pub use tree::{CreatedDirectory, Tree};
pub use users::{Identity, User};

pub use archive::write as write_archive;
