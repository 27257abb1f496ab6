//! What lies in a tree's `out/` and `digests/`: images, records of builds, logs, hashes, the lock; and
//! which of it the user has written who builds.
//!
//! It knows files and what they say. It does not know how an image is built, nor what a package is
//! made from.

mod contents;
mod copying;
mod digests;
mod directories;
mod error;
mod hashes;
mod hashing;
mod identity;
mod outputs;
mod proof;
mod record;
mod secret;

pub use contents::contents;
pub use copying::{check_room, copy, copy_hashed};
pub use digests::{CompareOptions, Compared, Comparison, Digests, compare};
pub use directories::{
    Access, Directories, LOCK, LOCKED_MODE, LOGS, Lock, MADE, OWN, PULLED, RECORDS, WORK,
};
pub use documents::RecordedSeed;
pub use error::{Error, HINT_OF_IMAGE, IoContext};
pub use hashes::{FILE as HASHES, Hashes};
pub use hashing::{BLOCK, Hash, each_block, hash};
pub use identity::Identity;
pub use outputs::{FILE as OUTPUTS, Output, Outputs, Trust};
pub use proof::{Key, Proof, Purpose, Sum};
pub use record::{Inputs, Record, StoredRecord};
pub use secret::{Secret, SecretError, random};
