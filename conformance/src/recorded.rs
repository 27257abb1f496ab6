//! The recorded digests: what keeps all runtimes from drifting together.

use std::collections::BTreeMap;
use std::io;

use camino::Utf8Path;
use oci_image::Digest;

/// Digests by name, as `<64 hex digits> <name>` lines record them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recorded {
    digests: BTreeMap<String, Digest>,
}

impl Recorded {
    /// Reads the file at `path`.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::InvalidData`] naming the line that cannot be understood.
    pub fn read(path: &Utf8Path) -> io::Result<Self> {
        let text = beneath::read_text(path, beneath::TEXT)?;
        let mut recorded = Self::default();
        for (number, line) in (1..).zip(text.lines()) {
            let parsed = line
                .split_once(' ')
                .and_then(|(hex, name)| Some((name, format!("sha256:{hex}").parse().ok()?)));
            let Some((name, digest)) = parsed else {
                let message = format!("{path}:{number}: expected `<64 hex digits> <name>`");
                return Err(io::Error::new(io::ErrorKind::InvalidData, message));
            };
            recorded.set(name, digest);
        }
        Ok(recorded)
    }

    /// Records a digest.
    pub fn set(&mut self, name: &str, digest: Digest) {
        self.digests.insert(name.to_owned(), digest);
    }

    /// Returns the digest that is recorded for `name`.
    pub fn get(&self, name: &str) -> Option<Digest> {
        self.digests.get(name).copied()
    }

    /// Returns the names that have a digest, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.digests.keys().map(String::as_str)
    }
}
