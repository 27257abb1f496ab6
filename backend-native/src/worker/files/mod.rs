//! The file systems of a build: how they are stacked, what images are unpacked into, how far each stage has
//! come, and what instructions take files from.

pub(crate) mod sources;
pub(crate) mod stacks;
pub(crate) mod stages;
pub(crate) mod unpack;
