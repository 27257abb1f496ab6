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

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    /// Otherwise two programs that are made of the same source are not the same.
    #[test]
    fn files_are_in_the_order_of_their_names() {
        let mut archive = tar::Archive::new(SUITE);
        let paths = archive.entries().unwrap();
        let paths = paths.map(|entry| entry.unwrap().path().unwrap().into_owned());
        let paths: Vec<PathBuf> = paths.filter(|path| path.starts_with("cases")).collect();
        assert!(paths.len() > 100, "{}", paths.len());
        assert!(paths.is_sorted());
    }
}
