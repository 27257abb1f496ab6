//! Deflate and gzip exactly as Go wrote them up to Go 1.26.
//!
//! Go's `compress/gzip` at its default level (6) gives the same bytes for the same input from
//! Go 1.7 to Go 1.26; Go 1.27 replaced the encoder. Archives made by programs of those years
//! can be made again, byte for byte, only by an encoder that takes every decision as that one
//! did. This crate is such an encoder: same matches, same block borders, same Huffman codes.
//!
//! So are Go's levels 4 to 9, which differ only in how hard they try; see [`Level`].
//!
//! It streams in constant memory (about 750 KiB for each encoder) and knows nothing of tar,
//! images or files. The levels below 4, preset dictionaries, gzip header fields and flushing in
//! the middle of a stream are not offered, because nothing that is made again needs them.
//!
//! [`ParallelGzipEncoder`] makes the same file on several cores.
//!
//! ```
//! use std::io::Write;
//!
//! let mut encoder = go_flate::GzipEncoder::new(Vec::new());
//! encoder.write_all(b"hello, hello, hello")?;
//! let archive = encoder.finish()?;
//! assert_eq!(archive, go_flate::gzip(b"hello, hello, hello"));
//! # Ok::<(), std::io::Error>(())
//! ```

#![forbid(unsafe_code)]

mod block;
mod chains;
mod company;
mod compressor;
mod deflate;
mod gzip;
mod huffman;
mod joiner;
mod level;
mod parallel;
mod parser;
mod search;
mod sink;
mod stretch;
mod token;
mod window;

pub use company::Company;
pub use deflate::{DeflateEncoder, deflate};
pub use gzip::{GzipEncoder, gzip};
pub use level::Level;
pub use parallel::ParallelGzipEncoder;
