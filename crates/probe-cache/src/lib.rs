//! What was found out about a program, kept for the next process of the same user.
//!
//! It knows files and the circumstances under which a finding holds. It does not know what was
//! found out, nor how.

mod circumstances;
mod entry;

pub use circumstances::{Circumstances, identity};
pub use entry::{ProbeCache, ProbeEntry};
