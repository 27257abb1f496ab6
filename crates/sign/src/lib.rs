//! Signing packages: which of them this user may sign by what their own machine has reproduced, signing by GnuPG, and
//! putting signatures into their places.
//!
//! It does not judge signatures of others, and does not know how anything is asked or printed.

mod batch;
mod check;
mod error;
mod gpg;
mod keep;
mod keys;
mod subject;

pub use batch::{Batch, InvalidBatch, read_batch, write_batch};
pub use check::Checker;
pub use error::Error;
pub use gpg::{Gpg, Signed};
pub use keep::keep;
pub use keys::Signer;
pub use subject::{Facts, Forced, Image, Refusal, Refused, Subject, signed_elsewhere, subjects};
