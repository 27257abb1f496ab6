//! Images that engines wrote, captured or made here: what becomes of them, and what is said of them.

#![expect(
    clippy::unwrap_used,
    reason = "in a test, what cannot be made is a failure"
)]

mod bases;
mod canonical;
mod explained;
mod image;
