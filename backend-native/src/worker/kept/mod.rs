//! What is kept for later builds: how an entry lies on the disk, what it is kept under, and where this
//! build has it.
//!
//! It does not know what a step is.

pub(crate) mod cache;
pub(crate) mod digests;
pub(crate) mod entry;
pub(crate) mod results;
