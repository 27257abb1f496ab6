//! The circumstances under which something was found out about a program. If one of them is
//! another one now, it has to be found out again.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;

use camino::{Utf8Path, Utf8PathBuf};

/// A program, and everything else that decides what is found out about it: one line for each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Circumstances {
    pub(crate) program: Utf8PathBuf,
    pub(crate) lines: String,
}

impl Circumstances {
    /// Begins with the program at `path`: the file that it is now.
    ///
    /// There are none for what cannot be read, and none for a script: what it starts may be
    /// another program tomorrow.
    pub fn of(path: &Utf8Path) -> Option<Self> {
        let mut start = [0; 2];
        beneath::open(path).ok()?.read_exact(&mut start).ok()?;
        let circumstances = Self {
            program: path.to_owned(),
            lines: String::new(),
        };
        (start != *b"#!").then(|| circumstances.file(path))
    }

    /// Adds a fact. Names and values may hold anything: they are quoted.
    #[must_use]
    pub fn fact(mut self, name: &str, value: &str) -> Self {
        let _ = writeln!(self.lines, "{name:?} {value:?}");
        self
    }

    /// Adds the file or directory at `path`: which it is, and when it changed; or that it is absent.
    #[must_use]
    pub fn file(self, path: &Utf8Path) -> Self {
        let value = identity(path).unwrap_or_else(|error| error.kind().to_string());
        self.fact(path.as_str(), &value)
    }
}

/// Returns what changes when a file or directory, or what a link leads to, becomes another.
pub fn identity(path: &Utf8Path) -> io::Result<String> {
    let file = fs::metadata(path)?;
    Ok(format!(
        "device {} inode {} size {} modified {}.{:09} changed {}.{:09}",
        file.dev(),
        file.ino(),
        file.size(),
        file.mtime(),
        file.mtime_nsec(),
        file.ctime(),
        file.ctime_nsec(),
    ))
}
