//! Files of a tree that somebody else made: opened beneath a directory that is trusted, through no
//! symbolic link, and read only if they are regular and of bounded size.
//!
//! It knows paths and descriptors. It does not know what the files are for.

mod directory;
mod open;
mod problem;
mod read;
mod remove;
mod typed;

pub use directory::{DirEntry, Directory, Kind};
pub use problem::{Problem, hint, problem};
pub use read::{DOCUMENT, LIST, MANIFEST, TEXT, open, read, read_open, read_text};
pub use remove::{clear, names, remove};
pub use typed::{Typed, typed};
