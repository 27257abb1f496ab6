//! A static site that says of the packages of a tree which were reproduced, by whom, when, and what differs.
//!
//! It is a function of the plan, the recorded digests and the attempts: the same facts give the same bytes. It knows
//! documents and pages, and does not know where the facts come from.

mod badge;
mod diffs;
mod facts;
mod feed;
mod graph;
mod model;
mod pages;
mod policy;
mod site;
mod standing;
mod timeline;
mod write;

pub use diffs::DiffPage;
pub use facts::Facts;
pub use model::report;
pub use site::{Site, site};
pub use write::{WriteError, previous, write};
