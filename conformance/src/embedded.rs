//! The suite's own cases inside of the program, so that a user needs no checkout.

use std::fs;
use std::io;

use camino::Utf8Path;

/// `cases/`, `support/`, `digests.txt` and `differences.toml`, as the build script packed them:
/// a tar, because cases have links and executable files.
const SUITE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/suite.tar"));

/// Unpacks the suite's own cases into `directory`, for [`Suite::of_cases`](crate::Suite::of_cases).
pub fn unpack(directory: &Utf8Path) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    tar::Archive::new(SUITE).unpack(directory)
}
