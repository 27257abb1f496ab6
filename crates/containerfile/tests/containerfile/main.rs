//! What the crate promises, over whole files.

mod grammar;
mod references;
