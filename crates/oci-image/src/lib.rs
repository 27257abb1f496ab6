//! The canonical image: what any engine's layers become, byte for byte.
//!
//! One pure function turns layers, as an engine made them, and a Containerfile into an OCI image
//! in the one canonical encoding. This crate knows tars, trees, JSON and layouts. It knows no
//! engine, starts nothing and needs no asynchronous runtime.

mod digest;
pub mod json;

pub use digest::{DiffId, Digest, InvalidDigest, Measured};
