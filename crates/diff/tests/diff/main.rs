//! How images differ that are made for that: each class and each cause, contents of each kind, whole images.

#![expect(
    clippy::unwrap_used,
    reason = "in a test, what cannot be made is a failure"
)]

mod contents;
mod cut;
mod digests;
mod images;
mod page;
mod planted;
mod scene;
